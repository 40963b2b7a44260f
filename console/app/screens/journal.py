"""The journal, row by row, the newest last."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import Screen

from console.app.draw import times
from console.app.line import Line, line, wrapped
from console.app.widgets.lines import Bar, LinesView
from console.journal.entries import Row

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

KEPT = 20_000
"""Newest rows shown; the audit reads them all."""
NARROW = 100
"""Columns below which a row takes two lines."""


class Rows(LinesView):
    """One line a row; enter shows the whole of it."""

    def __init__(self) -> None:
        super().__init__(id="rows")
        self._rows: dict[int, Row] = {}
        self._kept: list[Row] = []
        self._drawn: list[Line] = []
        self._narrow = False
        self._last = ""
        self._back: set[int] = set()
        """Rows whose time lies before that of the row before them."""

    def take(self, rows: list[Row]) -> None:
        """Adds rows at the end; the cursor goes along if it stood on the last."""
        if not rows:
            return
        following = self.cursor < 0 or self.cursor == self._keyed(len(self.lines), -1)
        for row in rows:
            self._rows[row.sequence] = row
            if row.time < self._last:
                self._back.add(row.sequence)
            self._last = row.time
            self._drawn += self._lines(row)
        self._kept = [*self._kept, *rows][-KEPT:]
        self._drawn = self._drawn[-KEPT * (1 + self._narrow) :]
        self.entitle("Journal", f"{len(self._kept):,} rows")
        self.rebuild()
        if following:
            self.call_after_refresh(self.action_edge, 1)

    def row(self, sequence: int) -> Row:
        return self._rows[sequence]

    def produce(self, width: int) -> list[Line]:
        if (width < NARROW) is not self._narrow:
            self._narrow = not self._narrow
            self._drawn = [drawn for row in self._kept for drawn in self._lines(row)]
        return self._drawn

    def _lines(self, row: Row) -> list[Line]:
        return _lines(row, narrow=self._narrow, back=row.sequence in self._back)

    def watch_cursor(self, old: int, new: int) -> None:
        super().watch_cursor(old, new)
        if self._narrow and 0 <= new < len(self.lines):
            self.scroll_to_region(Region(0, new, 1, 2), animate=False, force=True)


class JournalScreen(Screen[None]):
    """Everything that happened; rows that others write appear as they come."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,j,q", "dismiss", "back")]
    app: ConsoleApp

    def compose(self) -> ComposeResult:
        rows = Rows()
        rows.add_class("pane")
        yield rows
        yield Bar([line((" enter ", "accent"), "whole row   ", ("escape ", "accent"), "back")], id="keys")

    def on_mount(self) -> None:
        self.seen = 0
        self.update_rows()

    def update_rows(self) -> None:
        """Reads the rows that came since the last time."""
        rows = list(self.app.service.rows(self.seen))
        if rows:
            self.seen = rows[-1].sequence
            self.query_one(Rows).take(rows)

    def on_lines_view_chosen(self, event: LinesView.Chosen) -> None:
        from console.app.screens.text import TextScreen

        row = self.query_one(Rows).row(int(str(event.key)))
        text = msgspec.json.format(msgspec.json.encode(row), indent=2).decode()

        def write(width: int) -> list[Line]:
            parts = ((part.lstrip(" "), " " * (len(part) - len(part.lstrip(" ")))) for part in text.split("\n"))
            return [drawn for part, indent in parts for drawn in wrapped(part, width, "", f"{indent}  ", indent)]

        self.app.push_screen(TextScreen(f"Row {row.sequence}", write))


def _lines(row: Row, *, narrow: bool, back: bool) -> list[Line]:
    """Who did what when, and the facts of it: beside it, or where that is narrow below.

    ``back`` says that a clock jumped: the order is the sequence's all the same.
    """
    data = msgspec.to_builtins(row.entry)
    kind = data.pop("kind", "")
    facts = "  ".join(f"{name} {_short(value)}" for name, value in data.items() if value not in ("", [], {}, None))
    head = (
        (f"{row.sequence:>6}  ", "dim"),
        (f"{times.stamp(row.time)}  ", "dim"),
        (f"{row.operator:12}  ", "typed"),
        (f"{kind:14}  ", "title"),
        ("clock went back  " if back else "", "warn"),
    )
    if narrow:
        return [line(*head, key=row.sequence), line("  ", facts)]
    return [line(*head, facts, key=row.sequence)]


def _short(value: object) -> str:
    if isinstance(value, list | dict):
        return f"({len(value)})"
    text = str(value)
    return text if len(text) <= 48 else f"{text[:47]}…"
