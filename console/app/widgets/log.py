"""The live log of a job: its newest lines from memory, older ones from the file, searched without being loaded."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.strip import Strip

from console.app.follow import BLOCK, Follower
from console.app.line import line
from console.app.widgets.lines import Scrolled

LEVELS = {"info": "", "measure": "dim", "warning": "warn", "error": "bad"}
PAUSE = 0.002
"""Seconds between two blocks of a search, so that keys are answered meanwhile."""


class LogPane(Scrolled, can_focus=True):
    """Follows until someone scrolls; End follows again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "by(-1)", "up", show=False),
        Binding("down", "by(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "top", "first line", show=False),
        Binding("end", "follow", "follow", show=False),
        Binding("n", "next(1)", "next match", show=False),
        Binding("N", "next(-1)", "previous match", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._source: Follower | None = None
        self._what = ""
        self._shown = 0
        self._following = True
        self._needle = ""
        self._matches: list[int] = []
        self._searched = 0
        self._at = -1
        self._search: asyncio.Task[None] | None = None

    def on_mount(self) -> None:
        self._retitle()

    def show(self, source: Follower | None, what: str) -> None:
        """Another job's log, or the same one with new lines."""
        if source is not self._source or what != self._what:
            self._source, self._what, self._shown, self._following = source, what, 0, True
            self._forget()
            self.virtual_size = Size(self.scrollable_content_region.width, 0)
            self.scroll_to(y=0, animate=False)
            self.refresh()
        self.flush()

    def flush(self) -> None:
        """Takes in the lines that came since the last time: called by the feed, 5 times a second at most."""
        count = self._source.count if self._source else 0
        if count == self._shown:
            self._retitle()
            return
        first, self._shown = self._shown, count
        self.virtual_size = Size(self.scrollable_content_region.width, count)
        if self._following:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        visible = int(self.scroll_y) + self.size.height
        for y in range(first, min(count, visible)):
            self.refresh_lines(y, 1)
        if self._needle and self._search is None:
            self._start_search()
        self._retitle()

    def find(self, text: str) -> None:
        """Looks for the text, upper and lower case alike, in the whole log, the newest match first."""
        self._forget()
        self._needle = text.casefold()
        if self._needle:
            self._start_search()
        self.refresh()
        self._retitle()

    def _forget(self) -> None:
        if self._search is not None:
            self._search.cancel()
        self._search, self._needle, self._matches, self._searched, self._at = None, "", [], 0, -1

    def _start_search(self) -> None:
        self._search = asyncio.create_task(self._look())

    async def _look(self) -> None:
        source, fresh = self._source, self._at < 0
        while source is not None and self._searched < source.count:
            block = self._searched // BLOCK
            held = source.block(block)
            first = block * BLOCK
            end = min(first + len(held), source.count)
            if end <= self._searched:
                break
            for number in range(self._searched, end):
                if self._needle in held[number - first].text.casefold():
                    self._matches.append(number)
            self._searched = end
            self._retitle()
            await asyncio.sleep(PAUSE)
        self._search = None
        if fresh and self._matches:
            self._go(len(self._matches) - 1)
        self._retitle()

    def action_next(self, step: int) -> None:
        if self._matches:
            self._go((self._at + step) % len(self._matches))

    def _go(self, place: int) -> None:
        self._at = place
        self._following = False
        middle = self._matches[place] - self.size.height // 2
        self.scroll_to(y=min(max(0, middle), self.max_scroll_y), animate=False, force=True)
        self.refresh()
        self._retitle()

    def _retitle(self) -> None:
        what = f"Log  {self._what}" if self._what else "Log"
        if self._source is None or not self._shown:
            self.entitle(what)
            return
        told = "following" if self._following else f"line {int(self.scroll_y) + 1:,} of {self._shown:,}, End follows"
        if self._needle:
            place = f"{self._at + 1:,} of " if self._at >= 0 else ""
            told = f"{place}{len(self._matches):,} {'found' if not place else 'matches'}  n N"
        self.entitle(what, told)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._needle:
            self._following = new_value >= self.max_scroll_y
        self._retitle()

    def action_by(self, step: int) -> None:
        self.scroll_to(y=self.scroll_y + step, animate=False)

    def action_page(self, direction: int) -> None:
        self.action_by(direction * max(1, self.size.height - 1))

    def action_top(self) -> None:
        self.scroll_to(y=0, animate=False)

    def action_follow(self) -> None:
        self._forget()
        self._following = True
        self.scroll_to(y=self.max_scroll_y, animate=False)
        self.refresh()
        self._retitle()

    def on_resize(self, _event: Resize) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self._shown)
        if self._following:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        number = y + int(self.scroll_y)
        said = self._source.line(number) if self._source is not None and number < self._shown else None
        if said is None:
            empty = line((" no job of this task has said anything", "dim")) if y == 0 and not self._shown else line("")
            return self._strip(empty, width)
        clock = (f"{said.clock:8} ", "dim")
        found = self._needle and self._needle in said.text.casefold()
        if not found:
            return self._strip(line(clock, (said.text, LEVELS.get(said.level, ""))), width)
        strip = self._strip(line(clock, *self._marked(said.text, LEVELS.get(said.level, ""))), width)
        current = self._at >= 0 and self._matches[self._at] == number
        return strip.apply_style(Style(bold=True)) if current else strip

    def _marked(self, text: str, style: str) -> list[tuple[str, str]]:
        """The text with each match marked."""
        spans, rest = [], text
        lower = text.casefold()
        if len(lower) != len(text):
            return [(text, "found")]
        while (place := lower.find(self._needle)) >= 0:
            end = place + len(self._needle)
            spans += [(rest[:place], style), (rest[place:end], "found")]
            rest, lower = rest[end:], lower[end:]
        return [*spans, (rest, style)]

    @property
    def plain(self) -> str:
        """The visible lines as text."""
        return "\n".join(
            (Segment.get_line_length(list(strip)) and strip.text.rstrip()) or ""
            for strip in (self.render_line(y) for y in range(self.size.height))
        )
