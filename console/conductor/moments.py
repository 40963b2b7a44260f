"""When tasks are to be done and when they were: the plan's times, the journal's, and what counts at all. Pure."""

from __future__ import annotations

import datetime

from console.conductor.scene import Scene, remembered
from console.plan.schedule import date_of, due, zone

_DAY = datetime.timedelta(days=1)


def moment(text: str) -> datetime.datetime:
    """A row's time."""
    return datetime.datetime.fromisoformat(text)


@remembered
def span(scene: Scene, id: str) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """First and last thing that was done for the task; the last is None while a job of it is not at its end."""
    task, round = scene.task(id), scene.round(id)
    if task.gate:
        taken = scene.state.decision(task.gate)
        return (moment(taken.at), moment(taken.at)) if taken else (None, None)
    jobs = scene.attempts(id)
    if jobs:
        ends = [job.ended_at for job in scene.latest(id).values()]
        return moment(jobs[0].at), max(map(moment, ends)) if all(ends) else None
    given = scene.given(id, round)
    return (moment(min(given)), moment(max(given))) if given else (None, None)


@remembered
def planned(scene: Scene, id: str) -> tuple[datetime.datetime, datetime.datetime]:
    """When the task is to begin and end: by its day, due time and duration, else with its phase."""
    task = scene.task(id)
    phase = scene.plan.phase[scene.plan.task_phase[id]]
    date = date_of(scene.plan, id, scene.start)
    local = zone(scene.site.zone)
    first = date or scene.start + datetime.timedelta(days=phase.offset)
    days = 1 if date else phase.days
    begin = datetime.datetime.combine(first, datetime.time(), local).astimezone(datetime.UTC)
    end = due_at(scene, id) or begin + days * _DAY
    if task.minutes:
        return end - datetime.timedelta(minutes=task.minutes[1]), end
    return begin, end


@remembered
def day_start(scene: Scene, id: str) -> datetime.datetime:
    """When the day of a task that has one begins."""
    date = date_of(scene.plan, id, scene.start) or scene.start
    return datetime.datetime.combine(date, datetime.time(), zone(scene.site.zone)).astimezone(datetime.UTC)


def due_at(scene: Scene, id: str) -> datetime.datetime | None:
    """When the task is due, UTC; None if the plan names no time."""
    return due(scene.plan, id, scene.start, scene.site.zone)


@remembered
def counts(scene: Scene, id: str) -> bool:
    """Whether the task is expected to be done: not optional ones, nor the branches behind a NO-GO not taken."""
    task = scene.task(id)
    if task.optional:
        return False
    conditions = (task.when, scene.plan.phase[scene.plan.task_phase[id]].when)
    return all(
        any(all(_likely(scene, term) for term in way.split(" and ")) for way in when.split(" or "))
        for when in conditions
        if when
    )


def _likely(scene: Scene, term: str) -> bool:
    """Whether a condition's term holds, or still may if all goes well."""
    gate, _, asked = term.partition(" is ")
    taken = scene.state.decision(gate)
    if taken is not None:
        return asked in ("decided", taken.entry.outcome)
    retests = scene.plan.gate[gate].retests
    if retests:
        first = scene.state.decision(retests)
        return asked != "no-go" and first is not None and first.entry.outcome == "no-go"
    return asked != "no-go"
