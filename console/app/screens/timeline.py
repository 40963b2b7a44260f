"""Planned and actual times, what slips, and what the end hangs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from console.app.draw import timeline
from console.app.line import Line, line
from console.app.widgets.lines import Bar, LinesView

if TYPE_CHECKING:
    from console.app.app import ConsoleApp
    from console.conductor.timeline import Timeline


class Times(LinesView):
    """One row a task; enter goes to it."""

    def __init__(self, found: Timeline, zone: str) -> None:
        super().__init__(id="times")
        self.found = found
        self._zone = zone

    def on_mount(self) -> None:
        self.entitle("Timeline")

    def produce(self, width: int) -> list[Line]:
        return timeline.lines(self.found, self._zone, width, self.glyphs)


class TimelineScreen(Screen[None]):
    """All tasks' times as of now."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,t,q", "dismiss", "back")]
    app: ConsoleApp

    def compose(self) -> ComposeResult:
        times = Times(self.app.service.timeline(), self.app.view.site.zone)
        times.start = self.app.console_screen.chosen
        times.add_class("pane")
        yield times
        yield Bar([line((" enter ", "accent"), "go to the task   ", ("escape ", "accent"), "back")], id="keys")

    def update_rows(self) -> None:
        """The times as of now."""
        times = self.query_one(Times)
        times.found = self.app.service.timeline()
        times.rebuild()

    def on_lines_view_chosen(self, event: LinesView.Chosen) -> None:
        self.dismiss()
        self.app.console_screen.go(str(event.key))
        self.app.console_screen.turn("task")
