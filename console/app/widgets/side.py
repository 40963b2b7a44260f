"""Small panes: what needs a person, and the hosts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from console.app.draw import bars, hosts
from console.app.draw.readings import SPANS, Shown
from console.app.line import Line
from console.app.widgets.lines import LinesView
from console.conductor.view import View

if TYPE_CHECKING:
    from console.hosts.archive import History
    from console.hosts.archive import Span as Period

NEEDS = 6
"""Rows of what needs a person that are seen at once; the rest scrolls."""


class NeedsPane(LinesView):
    """What needs a person, most pressing first; enter goes there."""

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view

    def on_mount(self) -> None:
        self._retitle()

    def produce(self, width: int) -> list[Line]:  # noqa: ARG002
        return bars.needs(self.view)

    def show(self, view: View) -> None:
        self.view = view
        self.rebuild()
        self._retitle()
        self.styles.height = 2 + min(NEEDS, len(bars.needs(view)))

    def _retitle(self) -> None:
        more = len(bars.needs(self.view)) - NEEDS
        self.entitle("Needs you", f"+{more} more  n goes on" if more > 0 else "")


class HostsPane(LinesView):
    """Every host's readings now and over a span, with the reason of each that can't be had; enter plots one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "span", "span", tooltip="the last hour, the last day, the whole programme"),
    ]

    def __init__(
        self, view: View, history: Callable[[str, Period], History | None] | None = None, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self.view = view
        self.heard: Mapping[str, hosts.Heard] = {}
        self.span: Period = "hour"
        self._history = history
        self._plotted: Hashable = None

    def on_mount(self) -> None:
        self._retitle()

    def produce(self, width: int) -> list[Line]:
        past = self._history
        shown = Shown(self.span, lambda host: past(host, self.span) if past else None, self._plotted)
        return hosts.lines(self.view, self.heard, width, self.glyphs, shown)

    def show(self, view: View, heard: Mapping[str, hosts.Heard]) -> None:
        self.view, self.heard = view, heard
        if self.display:
            self.rebuild()

    def action_span(self) -> None:
        """The next span: hour, day, programme."""
        spans = list(SPANS)
        self.span = spans[(spans.index(self.span) + 1) % len(spans)]
        self._retitle()
        self.rebuild()

    def on_lines_view_chosen(self, event: LinesView.Chosen) -> None:
        """Plots the reading under the cursor below its row, or no more."""
        event.stop()
        self._plotted = None if event.key == self._plotted else event.key
        self.rebuild()

    def _retitle(self) -> None:
        self.entitle("Hosts", f"{SPANS[self.span]}  v span  enter plot")
