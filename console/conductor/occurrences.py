"""The days on which a person's repeated task falls due: what is open, what was given, what was missed. Pure.

A task falls due on every day, or on its weekday, from the moment all that it waits for was done until the task that
it names by ``until`` is done, or the run that it accompanies has ended; without either, until its phase's days are
over. Days are the site's; an occurrence is named after its day.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from console.conductor.moments import span
from console.conductor.scene import Scene, remembered
from console.conductor.view import Occurrence
from console.plan.schedule import date_of, zone
from console.plan.types import Task

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = datetime.timedelta(days=1)


def falls_due(task: Task) -> bool:
    """Whether a person does the task again on each of its days."""
    return task.repeats in ("daily", "weekly") and not task.operation


@remembered
def occurrences(scene: Scene, id: str) -> tuple[Occurrence, ...]:
    """All up to now, oldest first, and the next one to come; none before the task may begin."""
    task = scene.task(id)
    if not falls_due(task) or not _may_begin(scene, id):
        return ()
    local = zone(scene.site.zone)
    begin, end = _window(scene, id, local)
    found = []
    for day in _days(task, begin.astimezone(local).date()):
        opens = max(begin, _at(day, datetime.time(), local))
        closes = _at(day + _DAY, datetime.time(), local)
        due = _at(day, datetime.time.fromisoformat(task.due), local) if task.due else closes
        if opens >= end:
            break
        if due > begin:
            found.append(_occurrence(scene, id, day.isoformat(), opens, due, closes))
        if opens > scene.now:
            break
    return tuple(found)


def current(scene: Scene, id: str) -> str:
    """The occurrence that what a person gives now belongs to: the open one, else the last; "" where none is."""
    begun = [o for o in occurrences(scene, id) if o.state != "coming"]
    return begun[-1].id if begun else ""


def over(scene: Scene, id: str) -> bool:
    """Whether no more of them will come."""
    return scene.now >= _window(scene, id, zone(scene.site.zone))[1]


def next_day(
    task: Task, began: datetime.datetime, last: datetime.datetime | None, local: datetime.tzinfo
) -> datetime.datetime:
    """When a look that a job takes daily or weekly is due next, UTC: a look is that of its day, at whatever time.

    The day begins at the task's due time, else at midnight; none is due before what it looks after ``began``.
    """
    first = began.astimezone(local).date()
    if last is not None:
        after = 7 if task.repeats == "weekly" and not task.weekday else 1
        first = last.astimezone(local).date() + after * _DAY
    clock = datetime.time.fromisoformat(task.due) if task.due else datetime.time()
    return next(at for day in _days(task, first) if (at := _at(day, clock, local)) >= began)


def _occurrence(
    scene: Scene, id: str, day: str, opens: datetime.datetime, due: datetime.datetime, closes: datetime.datetime
) -> Occurrence:
    skipped = (id, scene.round(id), day) in scene.state.skipped
    if scene.all_given(id, day) or skipped:
        return Occurrence(day, opens, due, "skipped" if skipped else "done")
    if scene.now < opens:
        return Occurrence(day, opens, due, "coming")
    return Occurrence(day, opens, due, "missed" if scene.now >= closes else "due" if scene.now >= due else "open")


def _may_begin(scene: Scene, id: str) -> bool:
    """Whether all that the task waits for was done, or is not to be done."""
    task = scene.task(id)
    accompanied = span(scene, scene.ran(task.during))[0] if task.during else scene.now
    return accompanied is not None and all(
        _done(scene, need) or scene.task(need).optional or (need, scene.round(need), "") in scene.state.skipped
        for need in task.needs
    )


def _window(scene: Scene, id: str, local: datetime.tzinfo) -> tuple[datetime.datetime, datetime.datetime]:
    """From when, and until when, the task falls due; the end is far away while it is not known."""
    task = scene.task(id)
    phase = scene.plan.phase[scene.plan.task_phase[id]]
    first = date_of(scene.plan, id, scene.start) or scene.start + datetime.timedelta(days=phase.offset)
    accompanied = scene.ran(task.during) if task.during else ""
    began = [span(scene, accompanied)[0]] if accompanied else []
    began += [span(scene, scene.ran(need))[1] for need in task.needs]
    known = [moment for moment in began if moment is not None]
    begin = max(known) if known else _at(first, datetime.time(), local)
    never = datetime.datetime.max.replace(tzinfo=datetime.UTC) - 2 * _DAY
    if task.until or accompanied:
        return begin, (_done(scene, task.until) if task.until else span(scene, accompanied)[1]) or never
    return begin, _at(first + max(1, phase.days) * _DAY, datetime.time(), local)


def _done(scene: Scene, id: str) -> datetime.datetime | None:
    """When the task was done; None while it is not."""
    ran = scene.ran(id)
    task, jobs = scene.task(ran), scene.latest(ran).values()
    well = all(job.finished and job.finished.outcome == "done" for job in jobs)
    given = bool(task.gate or task.operation) or scene.all_given(ran)
    return span(scene, ran)[1] if well and given else None


def _days(task: Task, first: datetime.date) -> Iterator[datetime.date]:
    day = first
    while True:
        if not task.weekday or _WEEKDAYS[day.weekday()] == task.weekday:
            yield day
        day += _DAY if task.repeats == "daily" or task.weekday else 7 * _DAY


def _at(day: datetime.date, clock: datetime.time, local: datetime.tzinfo) -> datetime.datetime:
    return datetime.datetime.combine(day, clock, local).astimezone(datetime.UTC)
