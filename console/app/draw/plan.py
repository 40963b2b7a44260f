"""The plan pane: phases, days and tasks, what is open shown, each with its state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from rich.cells import cell_len

from console.app.draw import bars
from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.conductor.view import TaskView, View

SETTLED = ("done", "skipped")
FILTERS = ("all", "open", "needs you")


@dataclass(frozen=True, slots=True)
class Branch:
    """A phase or a day: what it is called, and the tasks below it."""

    key: tuple[str, str]
    title: str
    tasks: tuple[TaskView, ...]
    days: tuple[Branch, ...] = ()
    loose: tuple[TaskView, ...] = ()
    """Tasks of a phase that belong to no day."""


def branches(view: View) -> list[Branch]:
    """Phases in the plan's order; days inside them in the order of their first task."""
    found = []
    for phase_id, phase in view.plan.phase.items():
        tasks = tuple(task for task in view.tasks.values() if task.phase == phase_id)
        days: dict[str, list[TaskView]] = {}
        for task in tasks:
            if task.day:
                days.setdefault(task.day, []).append(task)
        found.append(
            Branch(
                ("phase", phase_id),
                phase.title,
                tasks,
                tuple(
                    Branch(("day", id), view.plan.day[id].title if id in view.plan.day else id, tuple(held))
                    for id, held in days.items()
                ),
                tuple(task for task in tasks if not task.day),
            )
        )
    return found


def opening(view: View) -> set[tuple[str, str]]:
    """What is unfolded at first: whatever holds a task that is neither locked nor settled."""
    opened = set()
    for phase in branches(view):
        for branch in (phase, *phase.days):
            if any(task.state not in ("locked", *SETTLED) for task in branch.tasks):
                opened.add(branch.key)
    return opened


def parents(view: View, task: str) -> set[tuple[str, str]]:
    """What must be unfolded for the task to be seen."""
    held = view.tasks[task]
    return {("phase", held.phase)} | ({("day", held.day)} if held.day else set())


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
    wanted = view.tasks.keys() if only is None else only

    def shown(tasks: Collection[TaskView]) -> list[TaskView]:
        return [task for task in tasks if task.id in wanted]

    for phase in branches(view):
        if only is not None and not shown(phase.tasks):
            continue
        unfolded = only is not None or phase.key in opened
        drawn += _branch(view, phase, 0, unfolded, width, glyphs)
        if not unfolded:
            continue
        for day in phase.days:
            if only is not None and not shown(day.tasks):
                continue
            unfolded = only is not None or day.key in opened
            drawn += _branch(view, day, 1, unfolded, width, glyphs)
            if unfolded:
                drawn.extend(_tasks(view, shown(day.tasks), 2, live, by_gate, glyphs))
        drawn.extend(_tasks(view, shown(phase.loose), 1, live, by_gate, glyphs))
    return drawn


def chosen(view: View, filter: str) -> Collection[str] | None:
    """The tasks that a filter keeps; None for all of them."""
    if filter == "open":
        return {task.id for task in view.tasks.values() if task.state not in ("locked", *SETTLED)}
    if filter == "needs you":
        return {bars.task_of(view, id) for id, _ in view.attention}
    return None


def _branch(view: View, branch: Branch, depth: int, opened: bool, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """A title that is too long for one row goes on below: nothing else on the screen says it."""
    settled = sum(task.state in SETTLED for task in branch.tasks)
    locked = bool(branch.tasks) and all(task.state == "locked" for task in branch.tasks)
    behind = _behind(view, branch) if locked else ""
    fold = glyphs.open if opened else glyphs.closed
    sign = (f"{glyphs.state['locked']} ", "locked") if locked else ("", "")
    right: list[Span] = [(f"behind {behind}", "dim")] if behind else [(f"{settled}/{len(branch.tasks)}", "dim")]
    style = "locked" if locked else ("head" if depth == 0 else "")
    indent = "  " * (depth + 1)
    room = width - len(sign[0]) - cell_len(right[0][0]) - 1
    first, *rest = (drawn.plain.strip() for drawn in wrapped(branch.title, room, "", indent))
    yield line(f"{'  ' * depth}{fold} ", sign, (first, style), right=right, key=branch.key)
    for text in rest:
        yield line(f"{indent}{' ' * len(sign[0])}", (text, style))


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
            "  " * depth,
            (glyphs.state[task.state], task.state),
            (f" {task.id}", "dim" if locked else "accent"),
            (f" {task.title}", "locked" if locked else ""),
            right=_beside(view, task, live, by_gate, glyphs),
            key=("task", task.id),
        )


def _beside(
    view: View, task: TaskView, live: Mapping[str, str], by_gate: Mapping[str, str], glyphs: Glyphs
) -> list[Span]:
    if task.stale:
        return [("stale", "warn")]
    if task.state == "running":
        return [(live.get(task.id, "running"), "running")]
    if task.state in ("failed", "lost"):
        return [(task.state, task.state)]
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
