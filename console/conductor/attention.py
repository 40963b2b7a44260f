"""What needs a person, most pressing first. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping

from console.conductor.moments import counts, due_at, moment, planned
from console.conductor.occurrences import next_day
from console.conductor.ready import retested
from console.conductor.scene import Scene
from console.conductor.view import ContingencyView, GateView, TaskView
from console.plan.schedule import zone

_ORDER = ("failed", "lost", "contingency", "gate", "due", "stale", "person", "late", "tick")
_EVERY = datetime.timedelta(hours=2)

Found = tuple[str, tuple[str, str]]
"""How it presses, and (task, gate or contingency id, what needs a person)."""


def attention(
    scene: Scene, tasks: Mapping[str, TaskView], gates: Mapping[str, GateView], contingencies: Iterable[ContingencyView]
) -> tuple[tuple[str, str], ...]:
    """Every task, gate and contingency that waits for somebody."""
    found: list[Found] = [pair for task in tasks.values() for pair in _of_task(scene, task, tasks)]
    found += _of_gates(scene, gates)
    found += [
        ("late" if c.cause == "schedule" else "contingency", _called_for(c)) for c in contingencies if c.state == "open"
    ]
    found += _late(scene, tasks)
    found += _to_tick([task for task in tasks.values() if task.state == "done"])
    return tuple(need for _, need in sorted(found, key=lambda pair: _ORDER.index(pair[0])))


def _of_task(scene: Scene, task: TaskView, tasks: Mapping[str, TaskView]) -> Iterator[Found]:
    if task.state in ("failed", "lost"):
        held = _held_by(scene, task.id, tasks)
        holds = f" (holds {held[0]}{f' and {len(held) - 1} more' if len(held) > 1 else ''})" if held else ""
        yield task.state, (task.id, f"{task.state}: {'; '.join(task.why)}{holds}")
    elif task.stale:
        yield "stale", (task.id, f"stale: {task.stale[0]}")
    elif scene.task(task.id).repeats:
        yield from _due(scene, task)
    elif task.state == "ready" and not (task.operation or task.gate or task.optional):
        asked = [bool(record.source) for record in task.records] + [bool(d.ticked_by) for d in task.deliverables]
        written = any(record.written and not record.source for record in task.records)
        said = "the program writes it: run it" if written else f"a person's task: {sum(asked)} of {len(asked)} given"
        yield "person", (task.id, said)


def _held_by(scene: Scene, id: str, tasks: Mapping[str, TaskView]) -> list[str]:
    """The locked tasks that wait for it, by whatever way."""
    held: list[str] = []
    waiting = [id]
    while waiting:
        ahead = waiting.pop(0)
        more = [
            other.id
            for other in tasks.values()
            if other.state == "locked" and ahead in scene.task(other.id).needs and other.id not in held
        ]
        held += more
        waiting += more
    return held


def _due(scene: Scene, task: TaskView) -> Iterator[Found]:
    """The open day of a person's repeated task, its missed ones, or the next look of one that a job does."""
    if task.state not in ("ready", "done"):
        return
    missed = [day.id for day in task.occurrences if day.state == "missed"]
    if missed:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        yield "due", (task.id, f"missed on {missed[-1]}{more}")
    for day in task.occurrences:
        if day.state in ("open", "due"):
            since = "since" if day.state == "due" else "until"
            clock = f" {since} {day.due:%H:%M} UTC" if scene.task(task.id).due else ""
            yield "due", (task.id, f"due{clock} on {day.id}")
    if task.operation and (at := next_look(scene, task)) is not None:
        word = "due since" if scene.now >= at else "next at"
        date = "" if at.date() == scene.now.date() else f"{at:%Y-%m-%d} "
        every = _every(scene, task)
        yield "due" if scene.now >= at else "person", (task.id, f"{word} {date}{at:%H:%M} UTC: every {every}")


def _every(scene: Scene, task: TaskView) -> str:
    asked = scene.task(task.id)
    return asked.weekday.capitalize() or {"daily": "day", "weekly": "week"}.get(asked.repeats, asked.repeats)


def next_look(scene: Scene, task: TaskView) -> datetime.datetime | None:
    """When an operation that looks after a run again and again is due; None while that run does not go on."""
    asked = scene.task(task.id)
    run = scene.attempts(scene.ran(asked.during)) if asked.during else []
    if not run or run[-1].finished is not None:
        return None
    looks = scene.attempts(task.id)
    last = moment(looks[-1].at) if looks else None
    if asked.repeats in ("daily", "weekly"):
        return next_day(asked, moment(run[0].at), last, zone(scene.site.zone))
    return (last or moment(run[0].at)) + _EVERY


def _called_for(contingency: ContingencyView) -> tuple[str, str]:
    return (contingency.id, f"{contingency.condition}: {contingency.action}")


def _of_gates(scene: Scene, gates: Mapping[str, GateView]) -> Iterator[Found]:
    for gate in gates.values():
        if gate.stale:
            yield "stale", (gate.id, "decided on evidence that has changed")
        elif gate.state == "ready":
            yield "gate", (gate.id, "ready to be decided")
        elif gate.state == "no-go" and not (gate.provisional or retested(scene, gate.id)):
            yield "gate", (gate.id, "NO-GO: what is behind it stays locked")


def _late(scene: Scene, tasks: Mapping[str, TaskView]) -> Iterator[Found]:
    """One row for what is past its time, and one for what can't begin although its time has come."""
    overdue = [
        (at, task)
        for task in tasks.values()
        if task.state in ("ready", "running") and (at := due_at(scene, task.id)) is not None and scene.now > at
    ]
    if overdue:
        at, first = overdue[0]
        yield "late", (first.id, f"overdue since {at:%Y-%m-%d %H:%M} UTC{_more(len(overdue))}")
    tomorrow = (scene.now - datetime.datetime.combine(scene.start, datetime.time(), datetime.UTC)).days + 1
    begun = {id for id, day in scene.plan.day.items() if day.offset <= tomorrow}
    blocked = [
        task
        for task in tasks.values()
        if task.state == "locked"
        and task.day in begun
        and counts(scene, task.id)
        and scene.now > _latest_start(scene, task.id)
    ]
    if blocked:
        first = blocked[0]
        why = first.why[0] if first.why else "locked"
        yield "late", (first.id, f"should have begun, but {why}{_more(len(blocked))}")


def _latest_start(scene: Scene, id: str) -> datetime.datetime:
    start, end = planned(scene, id)
    return start if scene.task(id).minutes else end


def _more(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""


def _to_tick(done: list[TaskView]) -> Iterator[Found]:
    """One row for all boxes that wait: they press nobody, and would push out what does."""
    waiting = {task.id: n for task in done if (n := sum(not d.ticked_by for d in task.deliverables))}
    if waiting:
        boxes = sum(waiting.values())
        where = "" if len(waiting) == 1 else f" in {len(waiting)} tasks"
        yield "tick", (next(iter(waiting)), f"{boxes} box{'' if boxes == 1 else 'es'} to tick{where}")
