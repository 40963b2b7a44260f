"""Tools of the host that tell readings, each run in the background at its own pace: a hanging one delays nothing.

A tool's last word is handed out with no more than its age looked at; too old, it counts as not had, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

FRESH = 5.0
"""Seconds for which a tool's last word stands for now."""
TIMEOUT = 2.0
"""Seconds after which a tool that is run again and again is ended."""
SILENT = 30.0
"""Seconds without a word after which a tool that goes on talking is ended and started again."""
BACKOFF = (1.0, 5.0, 30.0, 300.0)
"""Seconds between an end and the next start, by how often in a row it said nothing."""
_OUTPUT = 1 << 20  # more than any of them says
_NOT_YET = "not read yet"


class Tool(ABC, Generic[T]):
    """Something that is asked in a thread of its own, which begins at the first `latest`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._word: tuple[float, T] | None = None
        self._fault = _NOT_YET
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def latest(self) -> tuple[T | None, str]:
        """What it said last, or None with the reason. Never waits for the tool."""
        if self._thread is None:
            self._end = threading.Event()
            self._thread = threading.Thread(target=self._work, args=(self._end,), name=self.name, daemon=True)
            self._thread.start()
        word, fault = self._word, self._fault
        if word is None:
            return None, fault
        age = time.monotonic() - word[0]
        if age > FRESH:
            return None, fault or f"{self.name} has not answered for {age:.0f} s"
        return word[1], ""

    def close(self) -> None:
        """Ends the tool without waiting for it; the next `latest` begins anew."""
        self._end.set()
        self._thread = None
        if self._child is not None:
            self._child.kill()

    @abstractmethod
    def _work(self, end: threading.Event) -> None:
        """Asks until ``end``."""

    def _said(self, word: T) -> None:
        self._word, self._fault = (time.monotonic(), word), ""

    def _failed(self, reason: str) -> None:
        self._fault = reason[:200]

    def _started(self, argv: Sequence[str], end: threading.Event) -> subprocess.Popen[bytes]:
        """The child, known to `close`. Raises OSError if it can't be run."""
        # a session of its own: an interrupt at the terminal is for the job, not for what reads beside it
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._child = child
        if end.is_set():  # `close` came before there was a child to end
            child.kill()
        return child


class Asked(Tool[T]):
    """Asked again every few seconds; ``ask`` returns what was found, or raises ValueError or OSError with why not."""

    def __init__(self, name: str, ask: Callable[[], T], every: float = 2.0) -> None:
        super().__init__(name)
        self._ask = ask
        self._every = every

    def _work(self, end: threading.Event) -> None:
        while not end.is_set():
            try:
                self._said(self._ask())
            except (OSError, ValueError) as error:
                self._failed(f"{self.name}: {error}")
            end.wait(self._every)


class Command(Tool[T]):
    """A command that is run again every few seconds and whose whole output ``parse`` reads, or raises ValueError."""

    def __init__(
        self, argv: Sequence[str], parse: Callable[[str], T], every: float = 2.0, timeout: float = TIMEOUT
    ) -> None:
        super().__init__(os.path.basename(argv[0]))  # noqa: PTH119 - a name, not a path
        self._argv = argv
        self._parse = parse
        self._every = every
        self._timeout = timeout

    def _work(self, end: threading.Event) -> None:
        while not end.is_set():
            try:
                self._said(self._parse(self._whole(self._started(self._argv, end))))
            except (OSError, ValueError) as error:
                self._failed(f"{self.name}: {error}")
            end.wait(self._every)

    def _whole(self, child: subprocess.Popen[bytes]) -> str:
        try:
            output = child.communicate(timeout=self._timeout)[0][:_OUTPUT].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise ValueError(f"did not answer within {self._timeout:.0f} s") from None
        finally:
            _let_go(child)
        if child.returncode:
            raise ValueError(_last(output) or f"ended with status {child.returncode}")
        return output


class Talking(Tool[T]):
    """A command that is kept running: ``take`` reads each line, and returns what is known by then, or None.

    It is started again, later each time, when it ends or falls silent. A line that ``take`` refuses with ValueError is
    kept as the reason, should it end. ``check`` is run before each start and raises ValueError where that is no use.
    """

    def __init__(
        self,
        argv: Sequence[str],
        take: Callable[[str], T | None],
        check: Callable[[], None] = lambda: None,
        silent: float = SILENT,
    ) -> None:
        super().__init__(os.path.basename(argv[0]))  # noqa: PTH119 - a name, not a path
        self._argv = argv
        self._take = take
        self._check = check
        self._silent = silent

    def _work(self, end: threading.Event) -> None:
        tries = 0
        while not end.is_set():
            before = self._word
            try:
                self._check()
                self._failed(f"{self.name}: {self._listen(self._started(self._argv, end))}")
            except (OSError, ValueError) as error:
                self._failed(f"{self.name}: {error}")
            tries = 0 if self._word is not before else tries
            end.wait(BACKOFF[min(tries, len(BACKOFF) - 1)])
            tries += 1

    def _listen(self, child: subprocess.Popen[bytes]) -> str:
        """Takes its lines until it ends or is silent; why it is no more."""
        assert child.stdout is not None
        descriptor, rest, odd = child.stdout.fileno(), b"", ""
        try:
            while select.select([descriptor], [], [], self._silent)[0]:
                data = os.read(descriptor, 65_536)
                if not data:
                    status = child.wait()
                    return odd or f"ended with status {status}"
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-_OUTPUT:]
                for line in lines:
                    odd = self._line(line) or odd
            return f"said nothing for {self._silent:.0f} s"
        finally:
            child.kill()
            child.wait()
            _let_go(child)

    def _line(self, line: bytes) -> str:
        """Takes one line; what it is if it can't be read."""
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return ""
        try:
            word = self._take(text)
        except ValueError:
            return text
        if word is not None:
            self._said(word)
        return ""


def output(argv: Sequence[str], timeout: float = TIMEOUT) -> str:
    """What a command prints. Raises ValueError if it can't be run or does not answer in time."""
    try:
        found = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(str(error)) from None
    return found.decode("utf-8", "replace")


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def _let_go(child: subprocess.Popen[bytes]) -> None:
    if child.stdout is not None:
        with contextlib.suppress(OSError):
            child.stdout.close()
