"""Small panes: what needs a person, and the hosts."""

from __future__ import annotations

from collections.abc import Mapping

from console.app.draw import bars, hosts
from console.app.line import Line
from console.app.widgets.lines import LinesView
from console.conductor.view import View

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
    """Every host's readings, with the reason of each that can't be had."""

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self.heard: Mapping[str, hosts.Heard] = {}

    def on_mount(self) -> None:
        self.entitle("Hosts")

    def produce(self, width: int) -> list[Line]:
        return hosts.lines(self.view, self.heard, width, self.glyphs)

    def show(self, view: View, heard: Mapping[str, hosts.Heard]) -> None:
        self.view, self.heard = view, heard
        if self.display:
            self.rebuild()
