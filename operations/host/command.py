"""Runs a command, tells what it prints, and ends it when its time is over."""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Literal

from operations import files
from operations.contract import Context, Level, Refusal
from operations.lines import TextLines, cut

if TYPE_CHECKING:
    from operations.host.shell import Parameters

LOGGED = 5_000
"""Lines of one stream that are told as they come; of what follows, the last `TAIL` once it has ended."""
TAIL = 20
_CHUNK = 1 << 16
_GRACE = 5.0  # seconds between asking a command to end and ending it
_LOOK = 0.2
_LAST = 2.0  # seconds that a pipe is read at most once the command has ended


class _Stream:
    """One of the command's streams: counted, told, searched for the value."""

    def __init__(self, context: Context, level: Level, value: re.Pattern[str] | None) -> None:
        self.lines = 0
        self.found = ""
        self._context = context
        self._level: Level = level
        self._value = value
        self._texts = TextLines()
        self._told = 0
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._binary = False
        self._open = False

    def take(self, data: bytes) -> None:
        self.lines += data.count(b"\n")
        self._open = not data.endswith(b"\n")
        if b"\0" in data and not self._binary:
            self._binary = True
            self._context.log("what it prints is no text: not shown", "warning")
        if not self._binary:
            self._tell(self._texts.feed(data, time.monotonic()))

    def end(self) -> None:
        self.lines += self._open
        if self._binary:
            return
        self._tell(self._texts.close())
        left = self._told - LOGGED - len(self._tail)
        if left > 0:
            self._context.log(f"{left:,} lines are not shown here", "warning")
        for text in self._tail:
            self._context.log(text, self._level)

    def _tell(self, texts: list[str]) -> None:
        for text in texts:
            self._told += 1
            if self._told <= LOGGED:
                self._context.log(text, self._level)
            else:
                self._tail.append(text)
            if self._value and (matches := self._value.findall(text)):
                self.found = matches[-1]


def carry_out(context: Context, parameters: Parameters) -> None:
    """Runs the command. Raises Refusal in one line; what could be measured is reported before."""
    value = _expression(parameters.value)
    try:
        with contextlib.ExitStack() as held:
            kept = held.enter_context(files.atomic(context.output(parameters.output))) if parameters.output else None
            source = held.enter_context(context.input(parameters.input).open("rb")) if parameters.input else None
            child = held.enter_context(_started(context, parameters.command, source))
            _see_to_end(context, parameters, child, kept, value)
    except _Stopped:
        context.stopped("the command was ended before it was done")
        return
    if parameters.output:
        context.artefact("output", context.output(parameters.output))


class _Stopped(Exception):
    """Someone asked the job to end; what was kept of the output so far is not whole and goes."""


def _expression(text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        found = re.compile(text)
    except re.error as error:
        raise Refusal(f"value: {text!r} is no regular expression: {error}") from None
    if found.groups != 1:
        raise Refusal(f"value: {text!r} has {found.groups} groups; expected one, around the number")
    return found


@contextlib.contextmanager
def _started(context: Context, command: list[str], source: IO[bytes] | None) -> Iterator[subprocess.Popen[bytes]]:
    """The command's process, in the job's process group so that it never outlives the job; it is gone at the end."""
    try:
        child = subprocess.Popen(
            command,
            cwd=context.root,
            stdin=source or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise Refusal(f"{command[0]!r} can't be run on this host: {error.strerror}") from None
    except ValueError as error:
        raise Refusal(f"{command[0]!r} can't be run: {error}") from None
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()


def _see_to_end(
    context: Context,
    parameters: Parameters,
    child: subprocess.Popen[bytes],
    kept: IO[bytes] | None,
    value: re.Pattern[str] | None,
) -> None:
    out, err = _Stream(context, "info", value), _Stream(context, "warning", None)
    began = time.monotonic()
    ended = _follow(context, child, out, err, kept, began + parameters.timeout)
    seconds = time.monotonic() - began
    for stream in (out, err):
        stream.end()
    _report(context, parameters, out, seconds, child.returncode)
    name, status = parameters.command[0], child.returncode
    if ended == "stopped":
        raise _Stopped
    if ended == "late":
        raise Refusal(f"{name} was not done after {parameters.timeout:g} s, and was ended")
    if status < 0:
        raise Refusal(f"{name} was ended by {_signal(status)}")
    if status not in parameters.expect_status:
        raise Refusal(f"{name} ended with status {status}, not {' or '.join(map(str, parameters.expect_status))}")


def _follow(
    context: Context,
    child: subprocess.Popen[bytes],
    out: _Stream,
    err: _Stream,
    kept: IO[bytes] | None,
    until: float,
) -> Literal["", "late", "stopped"]:
    """Takes what the command prints until it has ended, is late or is asked to stop; ``until`` is monotonic."""
    ended: Literal["", "late", "stopped"] = ""
    last = 0.0
    assert child.stdout
    assert child.stderr
    with selectors.DefaultSelector() as selector:
        for pipe, stream in ((child.stdout, out), (child.stderr, err)):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, stream)
        while True:
            over = child.poll() is not None
            if over and not last:
                last = time.monotonic() + _LAST
            said = selector.select(0 if over else _LOOK)
            for key, _ in said:
                _take(selector, key, out, kept)
            # What it started may hold its pipes open for ever: once it has ended, what is there is all.
            if over and (not said or time.monotonic() >= last):
                return ended
            if not ended and not over:
                ended = "stopped" if context.stopping else "late" if time.monotonic() >= until else ""
                if ended:
                    child.terminate()
                    until = time.monotonic() + _GRACE
            elif not over and time.monotonic() >= until:
                child.kill()


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey, out: _Stream, kept: IO[bytes] | None) -> None:
    data = os.read(key.fd, _CHUNK)
    if not data:
        selector.unregister(key.fileobj)
        return
    key.data.take(data)
    if kept and key.data is out:
        kept.write(data)


def _report(context: Context, parameters: Parameters, out: _Stream, seconds: float, status: int) -> None:
    if status < 0:
        context.measure("exit_status", None, reason=f"it was ended by {_signal(status)}")
    else:
        context.measure("exit_status", status)
    context.measure("seconds", seconds)
    context.measure("lines", out.lines)
    number, reason = _number(parameters.value, out.found)
    context.measure("value", number, reason=reason)


def _number(asked: str, found: str) -> tuple[float | None, str]:
    if not asked:
        return None, "no expression says which number to take"
    if not found:
        return None, "the expression found nothing in what was printed"
    try:
        number = float(found.replace(",", ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return None, f"the expression found {cut(found)!r:.100}, which is no number"
    return number, ""


def _signal(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
