"""Planned and actual times of the tasks, what slips, and where the end is to be expected. Pure.

The forecast is a forward pass over what each task waits for (the critical path method): a task begins when what it
waits for has ended, not before now and not before its planned time, and takes as long as the plan allows it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from console.conductor import wording
from console.conductor.moments import counts, due_at, moment, planned, span
from console.conductor.ready import gate_task, task_state
from console.conductor.scene import Scene
from console.conductor.view import TaskState
from console.plan.schedule import zone


@dataclass(frozen=True, slots=True)
class Times:
    """One task's times, all UTC."""

    task: str
    state: TaskState
    planned_start: datetime.datetime
    planned_end: datetime.datetime
    due: datetime.datetime | None
    started: datetime.datetime | None
    ended: datetime.datetime | None
    expected_end: datetime.datetime | None
    """None for a task that will not be done: skipped, or of a branch that is not taken."""
    overdue: bool
    critical: bool = False

    @property
    def slip(self) -> datetime.timedelta:
        """How much later than planned it ended or is expected to end; negative when earlier."""
        end = self.ended or self.expected_end
        return end - self.planned_end if end else datetime.timedelta()


@dataclass(frozen=True, slots=True)
class Reached:
    """A milestone: the day at whose end it is to be reached, and when it is expected, or was reached; UTC."""

    id: str
    title: str
    planned: datetime.datetime
    expected: datetime.datetime
    done: bool


@dataclass(frozen=True, slots=True)
class Adopted:
    """When another plan or site was put in force, and by whom; UTC."""

    at: datetime.datetime
    what: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All tasks' times, in the plan's order, and the end of the whole."""

    times: Mapping[str, Times]
    planned_end: datetime.datetime
    expected_end: datetime.datetime
    critical: tuple[str, ...]
    """The tasks that the expected end hangs on, first to last."""
    milestones: tuple[Reached, ...] = ()
    adopted: tuple[Adopted, ...] = ()
    """Plans and sites put in force since the beginning, oldest first."""


def timeline(scene: Scene) -> Timeline:
    """The programme's times as of the scene's moment."""
    now = scene.now
    expected: dict[str, datetime.datetime | None] = {}
    binding: dict[str, str] = {}
    for id in _order(scene):
        expected[id], binding[id] = _expected(scene, id, now, expected)
    counted = {id: end for id, end in expected.items() if end is not None}
    last = max(counted, key=counted.__getitem__, default="")
    critical: list[str] = []
    while last:
        if task_state(scene, last)[0] != "done":
            critical.insert(0, last)
        last = binding.get(last, "")
    times = {id: _times(scene, id, now, expected[id], id in critical) for id in scene.plan.task}
    planned = max((times[id].planned_end for id in counted), default=now)
    reached = tuple(_milestones(scene, counted))
    adopted = tuple(Adopted(moment(found.at), wording.adopted(found)) for found in scene.state.adoptions)
    return Timeline(times, planned, max(counted.values(), default=now), tuple(critical), reached, adopted)


def _milestones(scene: Scene, ends: Mapping[str, datetime.datetime]) -> Iterator[Reached]:
    """Each with the last end of the tasks of its phase, or of all phases."""
    local = zone(scene.site.zone)
    for id, milestone in scene.plan.milestone.items():
        of_it = [task for task in ends if milestone.phase in ("", scene.plan.task_phase[task])]
        day = scene.start + datetime.timedelta(days=milestone.offset + 1)
        planned = datetime.datetime.combine(day, datetime.time(), local).astimezone(datetime.UTC)
        expected = max((ends[task] for task in of_it), default=planned)
        done = all(task_state(scene, task)[0] in ("done", "skipped") for task in of_it)
        yield Reached(id, milestone.title, planned, expected, done)


def _times(scene: Scene, id: str, now: datetime.datetime, expected: datetime.datetime | None, critical: bool) -> Times:
    start, end = planned(scene, id)
    state = task_state(scene, id)[0]
    at = due_at(scene, id)
    began, ended = actual(scene, id)
    late = at is not None and now > at and state in ("ready", "running", "failed", "lost")
    return Times(id, state, start, end, at, began, ended, expected, late, critical)


def actual(scene: Scene, id: str) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """When the task's current round began, and ended well; None for what has not happened."""
    began, ended = span(scene, id)
    return began, ended if task_state(scene, id)[0] == "done" else None


def _expected(
    scene: Scene, id: str, now: datetime.datetime, known: Mapping[str, datetime.datetime | None]
) -> tuple[datetime.datetime | None, str]:
    """The task's expected end, and the task that it waits for longest."""
    state = task_state(scene, id)[0]
    began, ended = actual(scene, id)
    waits = {need: end for need in _waits_for(scene, id) if (end := known.get(need)) is not None}
    binding = max(waits, key=waits.__getitem__, default="")
    if state == "done":
        return ended or now, binding
    if state == "skipped" or not counts(scene, id):
        return None, ""
    start, end = planned(scene, id)
    takes = end - start if scene.task(id).minutes else datetime.timedelta()
    if began is not None and state == "running":
        return max(now, began + takes), binding
    begin = max([now, start, *waits.values()])
    if binding and begin > waits[binding]:
        binding = ""
    # What has no duration of its own fills the time that the plan has for it, and no more.
    return begin + takes if takes else max(begin, end), binding


def _waits_for(scene: Scene, id: str) -> Iterator[str]:
    task = scene.task(id)
    phase = scene.plan.phase[scene.plan.task_phase[id]]
    yield from task.needs
    if task.during:
        yield task.during
    for when in (task.when, phase.when):
        for term in when.replace(" and ", " or ").split(" or ") if when else ():
            gate = term.partition(" is ")[0]
            source = gate_task(scene.plan, gate) if gate in scene.plan.gate else ""
            if source:
                yield source


def _order(scene: Scene) -> list[str]:
    """The tasks, each after all it waits for; lint has seen to it that there is no cycle."""
    ordered: dict[str, None] = {}
    waiting = [(id, False) for id in reversed(scene.plan.task)]
    while waiting:
        id, ready = waiting.pop()
        if id in ordered:
            continue
        if ready:
            ordered[id] = None
            continue
        waiting.append((id, True))
        waiting += [(need, False) for need in _waits_for(scene, id) if need not in ordered]
    return list(ordered)
