"""Where keys stand in a TOML file: `tomli` tells lines of syntax errors only.

Looked up once something is wrong, so that a sound plan never pays for it.
"""

from __future__ import annotations

import re

import tomli

from console.plan.faults import Path

_TOKEN = re.compile(
    r"(?P<blank>[ \t\r]+|\#[^\n]*)"
    r"|(?P<newline>\n)"
    r'|(?P<string>"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}" + r'|"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*')"
    r"|(?P<bare>[A-Za-z0-9_-]+)"
    r"|(?P<mark>.)",
    re.DOTALL,
)
_ENDED = re.compile(r"at line (\d+)")


def error_line(error: ValueError, text: str) -> int:
    """The line that a ``tomli`` error names, from 1."""
    found = _ENDED.search(str(error))
    return int(found[1]) if found else text.count("\n") + (not text.endswith("\n"))


def locate(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest table or key around it; 1 if there is none."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def lines_of(text: str) -> dict[Path, int]:
    """Line, from 1, of every table and key of a text that ``tomli`` has read; inline tables' keys are left out."""
    found: dict[Path, int] = {}
    table: Path = ()
    line, depth = 1, 0
    keys: list[str] = []
    marks = ""
    in_value = False
    for token in _TOKEN.finditer(text):
        kind, said = token.lastgroup, token.group()
        if kind == "newline":
            line += 1
            if depth == 0 and not in_value and marks.startswith("["):
                table = tuple(keys)
            if depth == 0:
                keys, marks, in_value = [], "", False
        elif kind == "blank":
            continue
        elif in_value:
            depth += (said in "[{") - (said in "]}") if kind == "mark" else 0
            line += said.count("\n")
        elif kind == "mark":
            marks += said
            if said == "=":
                _note(found, (*table, *keys), line, len(table))
                in_value = True
            elif said == "]":
                _note(found, tuple(keys), line, 0)
        else:
            keys.append(_key(said) if kind == "string" else said)
    return found


def _note(found: dict[Path, int], path: Path, line: int, known: int) -> None:
    for length in range(known + 1, len(path) + 1):
        found.setdefault(path[:length], line)


def _key(quoted: str) -> str:
    return str(tomli.loads(f"k = {quoted}")["k"])
