"""The signs that stand for states, in two sets: for terminals that show Unicode and for those that can't."""

from __future__ import annotations

import codecs
import locale
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from console.conductor.view import GateState, TaskState


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs; every sign is one cell wide."""

    state: Mapping[TaskState, str]
    gate: Mapping[GateState, str]
    open: str
    closed: str
    typed: str
    ellipsis: str
    dot: str
    check: str
    empty: str
    arrow: str
    branch: str
    cut: str
    at_least: str
    levels: str
    """Eight heights of a sparkline, lowest first."""
    border: str
    """Textual's name of the border."""
    names: Mapping[str, str] = field(default_factory=dict)

    def plain(self, text: str) -> str:
        """The text with the few signs that the program itself writes replaced by what this set has for them."""
        for sign, substitute in self.names.items():
            text = text.replace(sign, substitute)
        return text


UNICODE = Glyphs(
    state={"ready": "○", "running": "◐", "done": "●", "failed": "✕", "lost": "?", "skipped": "◌", "locked": "▪"},
    gate={"closed": "▪", "ready": "○", "go": "●", "no-go": "✕", "passed-over": "◌"},
    open="▾",
    closed="▸",
    typed="✎",
    ellipsis="…",
    dot="·",
    check="x",
    empty=" ",
    arrow="→",
    branch="↳",
    cut="│",
    at_least="≥",
    levels="▁▂▃▄▅▆▇█",
    border="round",
)
ASCII = Glyphs(
    state={"ready": "o", "running": "*", "done": "x", "failed": "X", "lost": "?", "skipped": "-", "locked": "#"},
    gate={"closed": "#", "ready": "o", "go": "x", "no-go": "X", "passed-over": "-"},
    open="v",
    closed=">",
    typed="e",
    ellipsis="~",
    dot="-",
    check="x",
    empty=" ",
    arrow=">",
    branch="+",
    cut="|",
    at_least=">=",
    levels="_.,-=+*#",
    border="ascii",
    names={"≥": ">=", "≤": "<=", "…": "~", "·": "-", "→": "->", "°": "", "×": "x", "–": "-", "✎": "e", "≈": "~"},
)


_BARE = {"C", "POSIX"}


def for_terminal(environ: Mapping[str, str] = os.environ) -> Glyphs:
    """Unicode where the locale's encoding has it and the terminal is not Linux's text console, else ASCII."""
    if environ.get("TERM") in {"linux", "dumb", "vt100", "vt220"}:
        return ASCII
    names = [environ.get(key, "") for key in ("LC_ALL", "LC_CTYPE", "LANG")]
    if names[0] in _BARE or (not names[0] and names[2] in _BARE):  # the interpreter itself sets LC_CTYPE there
        return ASCII
    name = next(filter(None, names), "")
    encoding = name.partition(".")[2].partition("@")[0] or locale.getpreferredencoding(False)
    try:
        return UNICODE if codecs.lookup(encoding).name == "utf-8" else ASCII
    except LookupError:
        return ASCII
