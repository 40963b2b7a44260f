"""The task pane: what the chosen task asks for and what it has."""

from __future__ import annotations

import datetime

from console.app.draw import task as drawing
from console.app.line import Line
from console.app.widgets.lines import LinesView
from console.conductor.view import View


class TaskPane(LinesView):
    """The cursor moves between typed records and deliverables."""

    def __init__(self, view: View, task: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self.chosen = task
        self.command = ""

    def produce(self, width: int) -> list[Line]:
        if self.chosen not in self.view.tasks:
            return []
        return drawing.lines(self.view, self.chosen, width, self.glyphs, self.command)

    def show(self, view: View, task: str, command: str, now: datetime.datetime) -> None:
        """A task at one moment; another task starts at its top."""
        other = task != self.chosen
        self.view, self.chosen, self.command = view, task, command
        if task in view.tasks:
            self.entitle(drawing.title(view.tasks[task], self.glyphs, now))
        if other:
            self.scroll_to(y=0, animate=False)
            self.set_reactive(LinesView.cursor, -1)
            self.lines = []
            self.refresh()
        self.rebuild()
