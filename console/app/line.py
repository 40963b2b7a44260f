"""Lines of styled text: what every pane is made of. Text enters a line cleaned and is never read as markup."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

from console.text import BLOCK_LIMIT, clean

_LONG = 4
"""Times its cells in characters, more than a line has but for stacks of marks: a long word is not measured whole."""
Span: TypeAlias = tuple[str, str]
"""Text and the name of its style in `console.app.palette`, or ""."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: spans from the left, spans at the right edge, and a key where a cursor may stand on it."""

    left: tuple[Span, ...] = ()
    right: tuple[Span, ...] = ()
    key: Hashable = None

    @property
    def plain(self) -> str:
        """The text alone, as tests and copies read it."""
        return "  ".join(filter(None, ("".join(t for t, _ in self.left), "".join(t for t, _ in self.right))))

    def fitted(self, width: int, ellipsis: str) -> tuple[Span, ...]:
        """Spans that fill exactly ``width`` cells: the right ones kept, the left ones cut."""
        right = _cut(self.right, max(0, width - 4), ellipsis)
        taken = sum(cell_len(text) for text, _ in right)
        room = width - taken - (1 if right else 0)
        left = _cut(self.left, max(0, room), ellipsis)
        pad = width - taken - sum(cell_len(text) for text, _ in left)
        return (*left, (" " * max(0, pad), ""), *right)


def span(text: object, style: str = "") -> Span:
    """A span, cleaned."""
    return clean(str(text)), style


def line(*parts: Span | str, right: Iterable[Span | str] = (), key: Hashable = None) -> Line:
    """A line of spans; plain strings take no style. Everything is cleaned here."""
    return Line(_spans(parts), _spans(right), key)


def wrapped(text: str, width: int, style: str = "", indent: str = "", first: str | None = None) -> Iterator[Line]:
    """The text as one paragraph on as many lines as it needs, broken at spaces; ``first`` stands before the first."""
    room = max(8, width - cell_len(indent))
    prefix = indent if first is None else first
    current = ""
    for given in clean(" ".join(text.splitlines()), BLOCK_LIMIT).split(" "):
        word = given
        while len(word) > _LONG * room or cell_len(word) > room:
            if current:
                yield Line(((prefix, style), (current, style)))
                prefix, current = indent, ""
            head = set_cell_size(word[: _LONG * room], room).rstrip() or word[:1]
            yield Line(((prefix, style), (head, style)))
            prefix, word = indent, word[len(head) :]
        joined = f"{current} {word}" if current else word
        if cell_len(joined) > room:
            yield Line(((prefix, style), (current, style)))
            prefix, joined = indent, word
        current = joined
    if current:
        yield Line(((prefix, style), (current, style)))


def _spans(parts: Iterable[Span | str]) -> tuple[Span, ...]:
    return tuple(span(part) if isinstance(part, str) else span(*part) for part in parts)


def _cut(spans: tuple[Span, ...], width: int, ellipsis: str) -> tuple[Span, ...]:
    if sum(cell_len(text) for text, _ in spans) <= width:
        return spans
    kept: list[Span] = []
    room = width - len(ellipsis)
    if room < 0:
        return ()
    for text, style in spans:
        size = cell_len(text)
        if size > room:
            return (*kept, (set_cell_size(text, room) + ellipsis, style))
        kept.append((text, style))
        room -= size
    return tuple(kept)
