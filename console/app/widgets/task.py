"""The task pane: what the chosen task asks for and what it has."""

from __future__ import annotations

import datetime

from console.app.draw import task as drawing
from console.app.line import Line
from console.app.widgets.lines import LinesView
from console.conductor.view import TaskView, View


class TaskPane(LinesView):
    """The cursor moves between typed records and deliverables."""

    def __init__(self, view: View, task: TaskView | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self.chosen = task
        self.command = ""

    def produce(self, width: int) -> list[Line]:
        return drawing.lines(self.view, self.chosen, width, self.glyphs, self.command) if self.chosen else []

    def show(self, view: View, task: TaskView | None, command: str, now: datetime.datetime) -> None:
        """A task at one moment; another task starts at its top."""
        other = (task and task.id) != (self.chosen and self.chosen.id)
        self.view, self.chosen, self.command = view, task, command
        if task is not None:
            self.entitle(drawing.title(task, self.glyphs, now))
        if other:
            self.scroll_to(y=0, animate=False)
            self.set_reactive(LinesView.cursor, -1)
            self.lines = []
            self.refresh()
        self.rebuild()
