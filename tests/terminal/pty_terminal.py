"""A terminal for tests: runs a command on a real pseudo-terminal and keeps the screen that a person would see.

Nothing here sleeps to wait: every wait is for output of the command, with a limit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte
from pyte.screens import Char

KEYS = {
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "enter": b"\r",
    "escape": b"\x1b",
    "space": b" ",
    "backspace": b"\x7f",
}
# What an xterm says when it is asked. An app that gets no answer waits for one, and its times are wrong.
ANSWERS = (
    (rb"\x1b\[0?c", b"\x1b[?62;22c"),
    (rb"\x1b\[>0?c", b"\x1b[>1;10;0c"),
    (rb"\x1b\[6n", b"\x1b[1;1R"),
    (rb"\x1b\[\?2026\$p", b"\x1b[?2026;2$y"),
    (rb"\x1b\[\?2048\$p", b"\x1b[?2048;0$y"),
    (rb"\x1b\[>0?q", b"\x1bP>|tests(1)\x1b\\"),
    (rb"\x1b\[\?u", b"\x1b[?0u"),
    (rb"\x1b\[16t", b"\x1b[6;20;10t"),
    (rb"\x1b\[14t", b"\x1b[4;800;1200t"),
    (rb"\x1b\]10;\?(?:\x07|\x1b\\)", b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\"),
    (rb"\x1b\]11;\?(?:\x07|\x1b\\)", b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\"),
)
_ANSWERS = [(re.compile(asked), answer) for asked, answer in ANSWERS]
# pyte prints what it can't parse: strings (DCS, OSC, SOS, PM, APC) and private control sequences are taken out before
_UNPARSED = re.compile(
    rb"\x1b[PX\]^_].*?(?:\x07|\x1b\\)|\x1b\[[<>=?][0-9;:]*[ -/]*[@-~]|\x1b\[[0-9;:]*[ -/]+[@-~]", re.S
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[PX\]^_](?:[^\x07\x1b]|\x1b(?!\\))*)?\Z")


class NotSeen(AssertionError):
    """What was waited for did not come; says what was on the screen."""


class Terminal:
    """A command on a terminal of ``columns`` x ``rows``; closing it hangs up and ends the command."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        self.received = 0
        """Bytes that the command has written so far."""
        self.heard = 0.0
        """When the last of them came, by `time.perf_counter`, as is ``started``."""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._rest = b""
        """The beginning of a sequence that has not come whole."""
        self._unread: list[tuple[float, bytes]] = []
        """What came, and when, that is not on the screen yet."""
        self._fd, slave = os.openpty()
        self._size(columns, rows)
        self.started = time.perf_counter()
        try:
            self.process = subprocess.Popen(
                list(command),
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=environment(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_control,  # noqa: PLW1509 - one system call, and no other way to a terminal of its own
            )
        finally:
            os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def pump(self, timeout: float) -> int:
        """Takes in what comes within ``timeout`` seconds, answers what is asked: the bytes that came, 0 for none."""
        came = self.hear(timeout)
        while self._unread:
            self._read()
        return came

    def hear(self, timeout: float) -> int:
        """As `pump`, but what came is only put on the screen when somebody pumps or asks `completed`.

        The command is then never held up by how slow this terminal reads.
        """
        if self._fd < 0 or not select.select([self._fd], [], [], timeout)[0]:
            return 0
        try:
            data = os.read(self._fd, 1 << 18)
        except OSError:  # Linux says end of file in this way once the last process has closed the terminal
            return 0
        self.heard = time.perf_counter()
        self.received += len(data)
        whole = self._rest + data
        cut = _UNFINISHED.search(whole)
        whole, self._rest = (whole[: cut.start()], whole[cut.start() :]) if cut else (whole, b"")
        for asked, answer in _ANSWERS:
            for _ in asked.findall(whole):
                os.write(self._fd, answer)
        self._unread.append((self.heard, whole))
        return len(data)

    def _read(self) -> float:
        """Puts the oldest bytes on the screen; when they came."""
        moment, data = self._unread.pop(0)
        self._stream.feed(_UNPARSED.sub(b"", data))
        return moment

    def completed(self, *texts: str, quiet: float = 0.25, timeout: float = 20.0) -> float:
        """When the bytes came that put the last of the texts on the screen, by `time.perf_counter`.

        Listens first, until nothing has come for ``quiet`` seconds, and reads then. Raises NotSeen.
        """
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            while self.hear(quiet):
                pass
            while self._unread:
                moment = self._read()
                if all(self.row(text) for text in texts):
                    return moment
        raise NotSeen(f"waited for {texts}: not in {timeout:g} s\n{self.text}")

    def screen(self) -> list[str]:
        """The rows as they stand, without spaces at their ends."""
        return [row.rstrip() for row in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.screen())

    def row(self, text: str) -> str:
        """The first row with the text, "" if there is none."""
        return next((row for row in self.screen() if text in row), "")

    def lit(self, text: str) -> bool:
        """Whether the text stands on another background than its row's first cell, as under a cursor."""
        return any(cells[x].bg != cells[0].bg for x, cells in self._cells(text))

    def look(self, text: str) -> Char | None:
        """The text's first cell, with its colours and style; None where the text stands nowhere."""
        return next((cells[x] for x, cells in self._cells(text)), None)

    def _cells(self, text: str) -> Sequence[tuple[int, Mapping[int, Char]]]:
        """Where the text stands first: its column, and its row's cells."""
        found = ((row.find(text), y) for y, row in enumerate(self._screen.display))
        return [(x, self._screen.buffer[y]) for x, y in found if x >= 0][:1]

    def wait_lit(self, text: str, timeout: float = 20.0) -> None:
        """Until the text stands under a cursor."""
        self.wait(lambda: self.lit(text), f"waited for the cursor on {text!r}", timeout)

    def wait(self, seen: Callable[[], object], what: str, timeout: float = 20.0) -> None:
        """Until ``seen()`` is true of the screen. Raises NotSeen after ``timeout`` s, or once the command ended."""
        limit = time.monotonic() + timeout
        while not seen():
            ended = self.process.poll() is not None
            left = limit - time.monotonic()
            if not self.pump(min(0.2, max(0.0, left))) and (left <= 0 or ended) and not seen():
                why = f"the command ended with {self.process.returncode}" if ended else f"not in {timeout:g} s"
                raise NotSeen(f"{what}: {why}\n{self.text}")

    def wait_for(self, *texts: str, timeout: float = 20.0) -> None:
        """Until all the texts stand on the screen, each within one row."""
        self.wait(lambda: all(self.row(text) for text in texts), f"waited for {texts}", timeout)

    def wait_gone(self, text: str, timeout: float = 20.0) -> None:
        """Until the text stands nowhere."""
        self.wait(lambda: not self.row(text), f"waited for {text!r} to go", timeout)

    def wait_end(self, timeout: float = 20.0) -> int:
        """Until the command has ended; its exit status, or minus the signal."""
        self.wait(lambda: self.process.poll() is not None, "waited for the end", timeout)
        while self.pump(0):
            pass
        return int(self.process.returncode)

    def settle(self, quiet: float = 0.3, timeout: float = 20.0) -> bool:
        """Until nothing has come for ``quiet`` seconds; False if it never got quiet."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            if not self.silence(quiet):
                return True
        return False

    def silence(self, seconds: float) -> int:
        """Listens for so long: the bytes that came."""
        before, limit = self.received, time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            if not self.pump(left) and self.process.poll() is not None:
                break
        return self.received - before

    def press(self, *keys: str) -> None:
        """Keys by name (``down``, ``ctrl+r``, ``a``); an escape key must be seen to work before another is pressed."""
        for key in keys:
            os.write(self._fd, _encoded(key))

    def type(self, text: str) -> None:
        """Text, character by character."""
        os.write(self._fd, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Another size; the command is told as a terminal tells it."""
        self._screen.resize(rows, columns)
        self._size(columns, rows)

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Signals the command alone and waits for its end."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def unplug(self) -> None:
        """The terminal is gone, as with a cut line: the command gets SIGHUP and reads end of file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        """Unplugs and makes sure that the command has ended."""
        self.unplug()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, as a terminal with 24-bit colour and UTF-8 sets it, and what ``env`` says."""
    taken = ("LINES", "COLUMNS", "NO_COLOR", "COLORFGBG", "TEXTUAL", "TEXTUAL_THEME", "TERM_PROGRAM")
    held = {name: value for name, value in os.environ.items() if name not in taken}
    return (
        held
        | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        | {**(env or {})}
    )


def _control() -> None:
    """Makes the terminal the new session's own, so that it hangs up with it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _encoded(key: str) -> bytes:
    if key in KEYS:
        return KEYS[key]
    if key.startswith("ctrl+"):
        return bytes([ord(key.removeprefix("ctrl+")) & 0x1F])
    if len(key) != 1:
        raise KeyError(key)
    return key.encode()
