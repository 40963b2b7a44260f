"""Widgets that draw lines of styled text and repaint only the rows whose text changed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip
from textual.widget import Widget

from console.app import palette
from console.app.glyphs import ASCII, UNICODE, Glyphs
from console.app.line import Line
from console.text import clean


class Painter(Widget):
    """What both kinds share: the signs of this terminal, and lines turned into strips in the theme's colours."""

    @property
    def glyphs(self) -> Glyphs:
        """The signs that this terminal can show; the app knows."""
        found = getattr(self.app, "glyphs", UNICODE)
        return found if isinstance(found, Glyphs) else UNICODE

    def entitle(self, title: str, subtitle: str = "") -> None:
        """Sets the border's texts; they are cleaned and never read as markup."""
        plain = self.glyphs.plain
        if (new := Content(plain(clean(title)))) != self._border_title:
            self.border_title = new
        if (new := Content(plain(clean(subtitle)))) != self._border_subtitle:
            self.border_subtitle = new

    def _strip(self, line: Line, width: int, cursor: Style | None = None) -> Strip:
        base, named = self.rich_style, palette.of(self.app)
        segments = []
        for text, name in line.fitted(width, self.glyphs.ellipsis):
            style = base + named[name] if name else base
            segments.append(Segment(self.glyphs.plain(text), style + cursor if cursor else style))
        return Strip(segments).adjust_cell_length(width, base)


class Bar(Painter):
    """A fixed number of lines, usually one, that takes no focus."""

    DEFAULT_CSS = "Bar { height: 1; }"

    def __init__(self, lines: Sequence[Line] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines = list(lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Shows these; only rows that differ are repainted."""
        old, self._lines = self._lines, list(lines)
        changed = [
            Region(0, y, self.size.width, 1)
            for y in range(max(len(old), len(self._lines)))
            if y >= len(old) or y >= len(self._lines) or old[y] != self._lines[y]
        ]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        if y < len(self._lines):
            return self._strip(self._lines[y], self.size.width)
        return Strip.blank(self.size.width, self.rich_style)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return max(1, len(self._lines))

    @property
    def plain(self) -> str:
        return "\n".join(line.plain for line in self._lines)


class _PlainBar(ScrollBarRender):
    """A scrollbar without block characters, for terminals that have none."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class Scrolled(ScrollView, Painter):
    """A painter whose rows scroll."""

    DEFAULT_CSS = "Scrolled { overflow-x: hidden; }"

    def on_mount(self) -> None:
        if self.glyphs is ASCII:
            self.vertical_scrollbar.renderer = _PlainBar  # type: ignore[misc] # as Textual's documentation has it


class LinesView(Scrolled, can_focus=True):
    """A scrolling pane of lines; where lines have keys, a cursor moves between them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "edge(-1)", "first", show=False),
        Binding("end", "edge(1)", "last", show=False),
        Binding("enter", "choose", "choose", show=False),
    ]
    # room for the scrollbar is always kept: lines are made for a width that does not depend on how many there are
    DEFAULT_CSS = "LinesView { scrollbar-gutter: stable; }"
    cursor: reactive[int] = reactive(-1, repaint=False)
    keeps_cursor: ClassVar[bool] = False
    """Whether the cursor is seen, faintly, while another pane has the focus."""

    class Moved(Message):
        """The cursor stands on another key."""

        def __init__(self, view: LinesView, key: Hashable) -> None:
            super().__init__()
            self.view = view
            self.key = key

        @property
        def control(self) -> LinesView:
            return self.view

    class Chosen(Moved):
        """Enter or a click on the line under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []
        self.start: Hashable = None
        """The key on which the cursor stands at first."""
        self._width = 0

    def produce(self, width: int) -> list[Line]:  # noqa: ARG002
        """The lines to show at that width; a pane overrides this."""
        return self.lines

    def rebuild(self) -> None:
        """Asks for the lines anew and repaints the rows that differ; the cursor keeps its key."""
        if not self._width:
            return
        old, key, before = self.lines, self.key if self.lines else self.start, self.cursor
        self.lines = self.produce(self._width)
        self.virtual_size = Size(self._width, len(self.lines))
        self._place(key)
        if not old and self.cursor > 0:
            self.call_after_refresh(self.scroll_to_region, Region(0, self.cursor, 1, 1), animate=False, force=True)
        top, bottom = int(self.scroll_y), int(self.scroll_y) + self.size.height
        for y in range(max(0, top), bottom):
            was = old[y] if y < len(old) else None
            now = self.lines[y] if y < len(self.lines) else None
            if was != now or (before != self.cursor and y in (before, self.cursor)):
                self.refresh_lines(y, 1)

    @property
    def key(self) -> Hashable:
        """What the cursor stands on; None where nothing can be chosen."""
        return self.lines[self.cursor].key if 0 <= self.cursor < len(self.lines) else None

    def seek(self, key: Hashable) -> bool:
        """Puts the cursor on the line with that key and shows it; False if there is none."""
        for y, line in enumerate(self.lines):
            if line.key == key:
                self.cursor = y
                return True
        return False

    def _place(self, key: Hashable) -> None:
        keys = [y for y, line in enumerate(self.lines) if line.key is not None]
        if not keys:
            self.set_reactive(LinesView.cursor, -1)
        elif key is not None and (same := next((y for y in keys if self.lines[y].key == key), None)) is not None:
            self.set_reactive(LinesView.cursor, same)
        elif self.cursor not in keys:
            self.set_reactive(LinesView.cursor, min(keys, key=lambda y: abs(y - self.cursor)))

    def watch_cursor(self, old: int, new: int) -> None:
        self.refresh_lines(old, 1)
        self.refresh_lines(new, 1)
        if 0 <= new < len(self.lines):
            self.scroll_to_region(Region(0, new, 1, 1), animate=False, force=True)
            self.post_message(self.Moved(self, self.key))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Painted before a resize is heard of, as at the start, the pane has its lines all the same."""
        self._fit()
        return super().render_lines(crop)

    def on_resize(self, _event: Resize) -> None:
        if self._fit():
            self.refresh()

    def _fit(self) -> bool:
        """Makes the lines anew if the width is another one; whether it was."""
        width = self.scrollable_content_region.width
        if width == self._width:
            return False
        self._width = width
        self.rebuild()
        return True

    def on_focus(self) -> None:
        self.refresh_lines(self.cursor, 1)

    def on_blur(self) -> None:
        self.refresh_lines(self.cursor, 1)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        row = y + int(self.scroll_y)
        if row >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        return self._strip(self.lines[row], width, self._cursor_style(row))

    def _cursor_style(self, row: int) -> Style | None:
        if row != self.cursor:
            return None
        if not self.has_focus and not self.keeps_cursor:
            return None
        return palette.of(self.app)["cursor" if self.has_focus else "cursor-blurred"]

    def _keyed(self, start: int, step: int) -> int | None:
        y = start + step
        while 0 <= y < len(self.lines):
            if self.lines[y].key is not None:
                return y
            y += step
        return None

    def action_move(self, step: int) -> None:
        found = self._keyed(self.cursor, step) if self.cursor >= 0 else None
        far = found is None or abs(found - self.cursor) > self.size.height // 2
        if far:
            self.scroll_to(y=self.scroll_y + step, animate=False)
        if found is not None and (not far or self.shows(found)):
            self.cursor = found

    def shows(self, y: int) -> bool:
        """Whether the line of that number is on the screen."""
        return 0 <= y - self.scroll_y < self.size.height

    def action_page(self, direction: int) -> None:
        step = direction * max(1, self.size.height - 1)
        if self.cursor < 0:
            self.scroll_to(y=self.scroll_y + step, animate=False)
            return
        wanted = min(max(0, self.cursor + step), len(self.lines) - 1)
        found = self._keyed(wanted + direction, -direction)
        if found is not None:
            self.cursor = found

    def action_edge(self, direction: int) -> None:
        """The first or last line that can be chosen, and what stands before or behind it."""
        found = self._keyed(-1, 1) if direction < 0 else self._keyed(len(self.lines), -1)
        if self.cursor >= 0 and found is not None:
            self.cursor = found
        self.scroll_to(y=0 if direction < 0 else self.max_scroll_y, animate=False)

    def action_choose(self) -> None:
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        row = offset.y + int(self.scroll_y)
        if row < len(self.lines) and self.lines[row].key is not None:
            self.cursor = row
            self.action_choose()

    @property
    def plain(self) -> str:
        """All lines as text."""
        return "\n".join(line.plain for line in self.lines)
