"""Cuts streams of bytes into lines in bounded memory, whatever comes."""

from __future__ import annotations

import re

from operations.events import LINE_LIMIT, TEXT_LIMIT

CUT = " … (cut)"
REPEAT_SECONDS = 5.0
"""A progress bar that redraws itself with carriage returns is told at most this often."""
_HELD = TEXT_LIMIT * 4  # as many bytes as TEXT_LIMIT characters can take in UTF-8
_ENDS = re.compile(rb"[\r\n]")


def cut(text: str) -> str:
    """The text, at most TEXT_LIMIT characters of it and no lone surrogate in it, so that it fits a log event."""
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT - len(CUT)] + CUT
    return text.encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    """The text as a reason: one line of it, cut."""
    return cut(" ".join(text.split())) or "no reason given"


def described(error: BaseException) -> str:
    """An exception as a reason: its type and what it says."""
    text = str(error)
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


class TextLines:
    """Lines of a program's output, decoded and cut; of what ``\\r`` redraws the last, and now and then one."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._skipping = False
        self._drawn = b""
        self._told = b""
        self._told_at = float("-inf")

    def feed(self, data: bytes, now: float) -> list[str]:
        """The lines that ``data`` completes; ``now``, in seconds, paces what redraws itself."""
        found: list[str] = []
        start = 0
        for end in _ENDS.finditer(data):
            self._hold(data[start : end.start()], found)
            start = end.end()
            if end.group() == b"\n":
                self._newline(found)
            else:
                self._redraw(now, found)
        self._hold(data[start:], found)
        return found

    def close(self) -> list[str]:
        """What was left without a newline."""
        found: list[str] = []
        if self._line or self._drawn:
            self._newline(found)
        return found

    def _hold(self, part: bytes, found: list[str]) -> None:
        if self._skipping or not part:
            return
        self._line += part[: _HELD + 1 - len(self._line)]
        if len(self._line) > _HELD:
            found.append(cut(self._line.decode("utf-8", "replace")))
            self._line.clear()
            self._drawn, self._skipping = b"", True

    def _redraw(self, now: float, found: list[str]) -> None:
        self._skipping = False
        if not self._line:
            return
        self._drawn = bytes(self._line)
        self._line.clear()
        if now - self._told_at >= REPEAT_SECONDS and self._drawn != self._told:
            found.append(cut(self._drawn.decode("utf-8", "replace")))
            self._told, self._told_at = self._drawn, now

    def _newline(self, found: list[str]) -> None:
        last = bytes(self._line) or self._drawn
        told = self._skipping or (last and last == self._told and not self._line)
        if not told:
            found.append(cut(last.decode("utf-8", "replace")))
        self._line.clear()
        self._drawn, self._told, self._skipping = b"", b"", False


class WholeLines:
    """Whole lines without their newline; None for one that was longer than ``limit`` bytes and is dropped."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._line = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes | None]:
        """The lines that ``data`` completes."""
        found: list[bytes | None] = []
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._hold(part)
            found.append(None if self._skipping else bytes(self._line))
            self._line.clear()
            self._skipping = False
        self._hold(rest)
        return found

    def _hold(self, part: bytes) -> None:
        if self._skipping or len(self._line) + len(part) >= self._limit:
            self._line.clear()
            self._skipping = True
        else:
            self._line += part
