"""One TOML file of a plan or a site, read whole and cleaned once."""

from __future__ import annotations

import datetime
import functools
import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli

from console.plan.faults import Fault, Finding, dotted
from console.plan.faults import Path as Keys
from console.plan.lines import error_line, lines_of, locate
from console.text import BLOCK_LIMIT, LINE_LIMIT, clean, clean_block

LIMIT = 1 << 20
"""Bytes that a file may have: twenty times the largest that ships."""
BLOCKS = frozenset({"about", "action", "go", "no_go"})
"""Keys whose text may have several lines."""
_NESTED = "nested too deeply"


@dataclass
class File:
    """A file's data, cleaned, and what is wrong with it so far."""

    name: str
    text: str = ""
    sha256: str = ""
    data: dict[str, Any] | None = None
    """None where the file can't be read as TOML at all."""
    faults: list[Fault] = field(default_factory=list)
    malformed: list[Keys] = field(default_factory=list)
    """Places that don't have the form they should."""

    def add(self, finding: Finding) -> None:
        """Adds what is wrong with the form of the data."""
        self.malformed.append(finding.path)
        self._report(finding)

    def judge(self, finding: Finding) -> None:
        """Adds what is wrong with the meaning, unless it hangs on a malformed place."""
        here = finding.path
        if self.data is not None and not any(p[: len(here)] == here or here[: len(p)] == p for p in self.malformed):
            self._report(finding)

    def _report(self, finding: Finding) -> None:
        line = locate(self.lines, finding.path)
        self.faults.append(Fault(self.name, line, dotted(finding.path), finding.what, finding.note))

    @functools.cached_property
    def lines(self) -> dict[Keys, int]:
        """Where keys stand, looked up once something is wrong."""
        return lines_of(self.text)


def read(path: Path) -> File:
    """The file; whatever is wrong with it is in ``faults``."""
    file = File(path.name)
    try:
        if not path.is_file():
            return _unreadable(file, 0, "no such file" if not path.exists() else "is no file")
        with path.open("rb") as stream:
            stored = stream.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        return _unreadable(file, 0, f"can't be read: {getattr(error, 'strerror', None) or error}")
    if len(stored) > LIMIT:
        return _unreadable(file, 0, f"has more than {LIMIT:,} bytes")
    file.sha256 = hashlib.sha256(stored).hexdigest()
    try:
        text = stored.decode()
    except UnicodeDecodeError as error:
        line = stored.count(b"\n", 0, error.start) + 1
        return _unreadable(file, line, f"is not UTF-8: byte 0x{stored[error.start]:02x}")
    if not text.strip():
        return _unreadable(file, 1, "is empty")
    file.text = text.replace("\r\n", "\n")
    try:
        data = tomli.loads(text)
        file.data = _swept(data, (), file)
    except RecursionError:
        return _unreadable(file, 1, _NESTED)
    except ValueError as error:
        return _unreadable(file, error_line(error, file.text), str(error).split(" (at ")[0])
    return file


def _unreadable(file: File, line: int, what: str) -> File:
    file.data = None
    file.faults.append(Fault(file.name, line, "", what))
    return file


def _clean(value: Any) -> bool:
    """Whether it is a text that cleaning would not change: nearly all that a plan holds."""
    return type(value) is str and len(value) <= LINE_LIMIT and value.isprintable()


def _swept(value: Any, path: Keys, file: File) -> Any:
    """The value with every text cleaned; keys and numbers that nothing can mean are findings."""
    if isinstance(value, str):
        if len(value) > BLOCK_LIMIT or max(map(len, value.split("\n"))) > LINE_LIMIT:
            file.add(Finding(path, f"has a line of more than {LINE_LIMIT:,} characters, or {BLOCK_LIMIT:,} in all"))
        return clean_block(value).strip() if path[-1] in BLOCKS else clean(value)
    if isinstance(value, dict):
        swept = {}
        for key, below in value.items():
            if not _clean(key):
                file.add(Finding((*path, key), "a key holds control characters"))
            elif _clean(below) and key not in BLOCKS:
                swept[key] = below
            else:
                swept[key] = _swept(below, (*path, key), file)
        return swept
    if isinstance(value, list):
        if all(map(_clean, value)):
            return value
        return [_swept(below, (*path, at), file) for at, below in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        file.add(Finding(path, f"expected a finite number, got {value}"))
        return 0.0
    if isinstance(value, int) and abs(value) >= 2**63:
        file.add(Finding(path, "expected a whole number of at most 63 bits"))
        return 0
    if isinstance(value, datetime.datetime | datetime.time):
        file.add(Finding(path, "expected no time here; write it as text"))
        return ""
    return value
