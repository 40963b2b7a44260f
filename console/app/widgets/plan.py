"""The plan pane: the checklist, always there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import ClassVar

from textual.binding import Binding, BindingType

from console.app.draw import plan
from console.app.line import Line, line
from console.app.widgets.lines import LinesView
from console.conductor.view import View


class PlanPane(LinesView):
    """Phases, days and tasks. Enter, left and right fold; a task under the cursor is what the other panes show."""

    keeps_cursor = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "fold(True)", "unfold", show=False),
        Binding("left", "fold(False)", "fold", show=False),
        Binding("plus,minus", "fold_all", "unfold or fold all", show=False, key_display="+ -"),
    ]

    def __init__(self, view: View, start: Hashable = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.start = start
        self.view = view
        self.live: Mapping[str, str] = {}
        self.filter = plan.FILTERS[0]
        self._opened = plan.opening(view)
        if isinstance(start, tuple) and start[1] in view.tasks:
            self._opened |= plan.parents(view, start[1])
        self._states = {task.id: task.state for task in view.tasks.values()}

    def on_mount(self) -> None:
        self.entitle_plain()

    def entitle_plain(self) -> None:
        """The title while nothing is looked for: what the signs mean."""
        if self.filter != plan.FILTERS[0]:
            self.entitle("Plan", f"only: {self.filter}  f goes on")
            return
        signs = self.glyphs.state
        self.entitle("Plan", f"{signs['ready']} ready  {signs['done']} done  {signs['locked']} locked")

    def produce(self, width: int) -> list[Line]:
        only = plan.chosen(self.view, self.filter)
        drawn = plan.lines(self.view, self._opened, self.live, width, self.glyphs, only)
        return drawn or [line((f"no task: {self.filter}", "dim"))]

    def show(self, view: View, live: Mapping[str, str]) -> None:
        """Another moment; what became ready or runs since is unfolded, the rest stays as the person left it."""
        self.view, self.live = view, live
        for task in view.tasks.values():
            was, self._states[task.id] = self._states.get(task.id), task.state
            if was != task.state and task.state not in ("locked", *plan.SETTLED):
                self._opened |= plan.parents(view, task.id)
        self.rebuild()

    def turn_filter(self) -> None:
        """The next of the filters."""
        self._keep(plan.FILTERS[(plan.FILTERS.index(self.filter) + 1) % len(plan.FILTERS)])

    def _keep(self, filter: str) -> None:
        self.filter = filter
        self.entitle_plain()
        self.rebuild()

    def go(self, task: str) -> bool:
        """Unfolds and puts the cursor on a task, even on one that the filter hides: then it keeps all again."""
        if task not in self.view.tasks:
            return False
        only = plan.chosen(self.view, self.filter)
        if only is not None and task not in only:
            self._keep(plan.FILTERS[0])
        self._opened |= plan.parents(self.view, task)
        self.rebuild()
        return self.seek(("task", task))

    def find(self, text: str, after: str, step: int = 1) -> tuple[str, int, int]:
        """The next task whose id or title has the text: (id, its place from 1, how many there are)."""
        wanted = text.casefold()
        ids = [t.id for t in self.view.tasks.values() if wanted in f"{t.id} {t.title}".casefold()]
        if not ids:
            return "", 0, 0
        order = list(self.view.tasks)
        here = order.index(after) if after in order else -1
        if step > 0:
            found = next((i for i in ids if order.index(i) > here), ids[0])
        else:
            found = next((i for i in reversed(ids) if order.index(i) < here), ids[-1])
        return found, ids.index(found) + 1, len(ids)

    def action_choose(self) -> None:
        key = self.key
        if isinstance(key, tuple) and key[0] != "task":
            self.action_fold(key not in self._opened)
        else:
            super().action_choose()

    def action_fold(self, open: bool) -> None:
        key = self.key
        if not isinstance(key, tuple):
            return
        if not open and (key[0] == "task" or key not in self._opened):
            self._to_parent()
            return
        if key[0] == "task" or (key in self._opened) is open:
            return
        self._opened ^= {key}
        self.rebuild()

    def action_fold_all(self) -> None:
        """Unfolds everything; once that is so, folds it."""
        every = {branch.key for phase in plan.branches(self.view) for branch in phase.all()}
        self._opened = set() if every <= self._opened else every
        self.rebuild()

    def _to_parent(self) -> None:
        depth = _indent(self.lines[self.cursor])
        for y in range(self.cursor - 1, -1, -1):
            if _indent(self.lines[y]) < depth:
                self.cursor = y
                return


def _indent(line: Line) -> int:
    text = line.left[0][0]
    return len(text) - len(text.lstrip(" "))
