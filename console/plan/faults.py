"""What is wrong with a plan or a site: file, line, key and what was expected, all of it at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from console.text import clean

Path: TypeAlias = tuple[str | int, ...]
"""Keys from the file's top, and positions in arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, by its place in the data."""

    path: Path
    what: str
    note: bool = False
    """True for what only deserves a look: it keeps nothing from loading."""


class Fault(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong, by its place in a file; ``line`` is 0 where there is none."""

    file: str
    line: int
    key: str
    what: str
    note: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        said = f"note: {self.what}" if self.note else self.what
        return clean(": ".join(part for part in (where, self.key, said) if part))


class Faults(Exception):
    """Everything that keeps a plan or a site from loading, sorted by file, line and key; one line each."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(map(str, self.faults)))


def dotted(path: Path) -> str:
    """The path as TOML would write it: ``task."W0.1.1".needs[0]``."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += ("." if shown else "") + (part if _BARE.fullmatch(part) else f'"{part}"')
    return shown
