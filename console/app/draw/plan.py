"""The plan pane: phases, days and tasks, what is open shown, each with its state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from console.app.draw import bars
from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.conductor.view import TaskView, View
from console.plan.types import within

SETTLED = ("done", "skipped")
FILTERS = ("all", "open", "needs you", "running", "failed", "done", "locked")
"""What a filter keeps; a state by its name, lost tasks with the failed ones."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A phase or a day: what it is called, all tasks below it, the days in it, and the tasks in none of these."""

    key: tuple[str, str]
    title: str
    tasks: tuple[TaskView, ...]
    days: tuple[Branch, ...] = ()
    loose: tuple[TaskView, ...] = ()

    def all(self) -> Iterator[Branch]:
        """The branch and every one below it."""
        yield self
        for day in self.days:
            yield from day.all()


def branches(view: View) -> list[Branch]:
    """Phases in the plan's order; days inside them in the order of their first task."""
    tasks: dict[str, list[TaskView]] = {id: [] for id in view.plan.phase}
    for task in view.tasks.values():
        tasks[task.phase].append(task)
    return [_nested(view, ("phase", id), phase.title, tasks[id], 0) for id, phase in view.plan.phase.items()]


def _path(view: View, day: str) -> list[str]:
    """The days from the phase down to that one."""
    return [*reversed(within(view.plan, day)), day] if day else []


def _nested(view: View, key: tuple[str, str], title: str, tasks: Sequence[TaskView], depth: int) -> Branch:
    days: dict[str, list[TaskView]] = {}
    loose = []
    for task in tasks:
        path = _path(view, task.day)
        if len(path) > depth:
            days.setdefault(path[depth], []).append(task)
        else:
            loose.append(task)
    below = (
        _nested(view, ("day", id), view.plan.day[id].title if id in view.plan.day else id, held, depth + 1)
        for id, held in days.items()
    )
    return Branch(key, title, tuple(tasks), tuple(below), tuple(loose))


def opening(view: View) -> set[tuple[str, str]]:
    """What is unfolded at first: whatever holds a task that is neither locked nor settled."""
    opened = set()
    for phase in branches(view):
        for branch in phase.all():
            if any(task.state not in ("locked", *SETTLED) for task in branch.tasks):
                opened.add(branch.key)
    return opened


def parents(view: View, task: str) -> set[tuple[str, str]]:
    """What must be unfolded for the task to be seen."""
    held = view.tasks[task]
    return {("phase", held.phase), *(("day", day) for day in _path(view, held.day))}


def lines(
    view: View,
    opened: Collection[tuple[str, str]],
    live: Mapping[str, str],
    width: int,
    glyphs: Glyphs,
    only: Collection[str] | None = None,
) -> list[Line]:
    """The pane's rows; ``live`` says what a running task reports, ``60 %``; ``only`` these tasks, all unfolded."""
    by_gate = {task: gate.id for gate in view.gates.values() if gate.state == "no-go" for task in gate.opens}
    drawn: list[Line] = []

    def draw(branch: Branch, depth: int) -> None:
        tasks = branch.tasks if only is None else [task for task in branch.tasks if task.id in only]
        if only is not None and not tasks:
            return
        unfolded = only is not None or branch.key in opened
        drawn.extend(_branch(view, branch, depth, unfolded, width, glyphs))
        if unfolded:
            for day in branch.days:
                draw(day, depth + 1)
            loose = [task for task in branch.loose if only is None or task.id in only]
            drawn.extend(_tasks(view, loose, depth + 1, live, by_gate, glyphs))

    for phase in branches(view):
        draw(phase, 0)
    return drawn


def chosen(view: View, filter: str) -> Collection[str] | None:
    """The tasks that a filter keeps; None for all of them."""
    if filter == "open":
        return {task.id for task in view.tasks.values() if task.state not in ("locked", *SETTLED)}
    if filter == "needs you":
        return {bars.task_of(view, id) for id, _ in view.attention}
    if filter == "all":
        return None
    kept = (filter, "lost") if filter == "failed" else (filter,)
    return {task.id for task in view.tasks.values() if task.state in kept}


def _branch(view: View, branch: Branch, depth: int, opened: bool, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """A title that is too long for one row goes on below: nothing else on the screen says it."""
    settled = sum(task.state in SETTLED for task in branch.tasks)
    locked = bool(branch.tasks) and all(task.state == "locked" for task in branch.tasks)
    behind = _behind(view, branch) if locked else ""
    fold = glyphs.open if opened else glyphs.closed
    sign = (f"{glyphs.state['locked']} ", "locked") if locked else ("", "")
    right: list[Span] = [(f"behind {behind}", "dim")] if behind else [(f"{settled}/{len(branch.tasks)}", "dim")]
    style = "locked" if locked else ("head" if depth == 0 else "")
    indent = _indent(depth + 1)
    room = width - len(sign[0]) - cell_len(right[0][0]) - 1
    first, *rest = (drawn.plain.strip() for drawn in wrapped(branch.title, room, "", indent))
    yield line(f"{_indent(depth)}{fold} ", sign, (first, style), right=right, key=branch.key)
    for text in rest:
        yield line(f"{indent}{' ' * len(sign[0])}", (text, style))


def _indent(depth: int) -> str:
    """Two columns a level; where a plan is deep, one: ten levels leave room for a title."""
    return " " * (2 * min(depth, 3) + max(0, depth - 3))


def _behind(view: View, branch: Branch) -> str:
    kind, id = branch.key
    when = view.plan.phase[id].when if kind == "phase" else ""
    return when.split(" ", 1)[0] if when else ""


def _tasks(
    view: View,
    tasks: Collection[TaskView],
    depth: int,
    live: Mapping[str, str],
    by_gate: Mapping[str, str],
    glyphs: Glyphs,
) -> Iterator[Line]:
    for task in tasks:
        locked = task.state == "locked"
        yield line(
            _indent(depth),
            (glyphs.state[task.state], task.state),
            (f" {task.id}", "dim" if locked else "accent"),
            (f" {task.title}", "locked" if locked else ""),
            right=_beside(view, task, live, by_gate, glyphs),
            key=("task", task.id),
        )


def _day(task: TaskView) -> list[Span]:
    """How a repeated task stands with its days."""
    states = [day.state for day in task.occurrences]
    missed: list[Span] = [(f"{states.count('missed')} missed ", "bad")] if "missed" in states else []
    if "due" in states or "open" in states:
        return [*missed, ("due", "warn")]
    return missed or [(f"next {task.occurrences[-1].id[5:]}", "dim")]


def _beside(
    view: View, task: TaskView, live: Mapping[str, str], by_gate: Mapping[str, str], glyphs: Glyphs
) -> list[Span]:
    if task.stale:
        return [("stale", "warn")]
    if task.state == "running":
        return [(live.get(task.id, "running"), "running")]
    if task.state in ("failed", "lost"):
        return [(task.state, task.state)]
    if task.occurrences and task.state == "ready":
        return _day(task)
    gate = view.gates.get(task.gate)
    if gate is not None and gate.state in ("go", "no-go", "passed-over"):
        return [(f"{gate.id} {gate.state.upper()}", "bad" if gate.state == "no-go" else "good")]
    if task.id in by_gate and task.state != "locked":
        return [(f"{glyphs.branch} {by_gate[task.id]} NO-GO", "bad")]
    if gate is not None:
        return [(gate.id, "dim" if task.state == "locked" else "title")]
    if task.optional and task.state in ("ready", "locked"):
        return [("optional", "dim")]
    return []
