"""A task's records: what a job measured or a person typed, and whether it is what the plan expects. Pure."""

from __future__ import annotations

from console.conductor import wording
from console.conductor.occurrences import falls_due, occurrences
from console.conductor.scene import Scene
from console.conductor.view import RecordView, Row
from console.journal.fold import Job
from console.plan.types import Expectation, Record
from operations import stats
from operations.contract import Value
from operations.events import Measured

_BOUNDS = (("at_least", "≥"), ("above", ">"), ("at_most", "≤"), ("below", "<"), ("equals", "="))


def record(scene: Scene, task: str, slug: str, occurrence: str = "") -> RecordView:
    """The record in the task's current round; of a task that repeats day by day, on that one."""
    asked = scene.task(task).record[slug]
    if asked.written:
        return _written(scene, task, slug, asked)
    if not asked.measure:
        return _typed(scene, task, slug, asked, occurrence)
    job = _job(scene, task, asked)
    found = job.measure(asked.measure) if job else None
    value = found.value if found else None
    n, count = (found.n, found.count) if found else (None, None)
    return RecordView(
        slug=slug,
        label=asked.label,
        ref=asked.ref,
        typed=False,
        value=value,
        unit=(found.unit if found else "") or asked.unit,
        n=n,
        count=count,
        interval=stats.wilson(count, n) if n and count is not None else None,
        met=met(asked.expect, value),
        expected=expected(asked),
        source=job.started.job if job and found else "",
        reason=_reason(job, found),
        rows=_rows(job, asked) if asked.series else _looks(scene, task, asked, job),
    )


def _typed(scene: Scene, task: str, slug: str, asked: Record, occurrence: str) -> RecordView:
    signed = scene.state.records.get((task, scene.round(task), slug, occurrence))
    value = signed.value if signed else None
    return RecordView(
        slug=slug,
        label=asked.label,
        ref=asked.ref,
        typed=True,
        value=value,
        unit=asked.unit,
        met=met(asked.expect, value),
        expected=expected(asked),
        source=signed.operator if signed else "",
        reason="" if signed else "a person types it",
        rows=_days(scene, task, slug) if falls_due(scene.task(task)) else None,
    )


def _written(scene: Scene, task: str, slug: str, asked: Record) -> RecordView:
    made = scene.state.written.get((task, scene.round(task), asked.written))
    return RecordView(
        slug=slug,
        label=asked.label,
        ref=asked.ref,
        typed=False,
        written=True,
        value=f"attachments/{made.entry.file}" if made else None,
        source=made.operator if made else "",
        reason="" if made else "the program writes it (run)",
    )


def _days(scene: Scene, task: str, slug: str) -> tuple[Row, ...]:
    """What was typed on each of the task's days."""
    found = (
        (day.id, scene.state.records.get((task, scene.round(task), slug, day.id))) for day in occurrences(scene, task)
    )
    return tuple(Row(at, signed.value, label=day) for at, (day, signed) in enumerate(found, 1) if signed)


def _looks(scene: Scene, task: str, asked: Record, latest: Job | None) -> tuple[Row, ...] | None:
    """What each look of a task that a job does day by day, or week by week, has found; None for another task."""
    if scene.task(task).repeats not in ("daily", "weekly") or latest is None:
        return None
    jobs = (job for job in scene.attempts(task) if job.finished and job.started.role == latest.started.role)
    found = [(job.at[:10], measured) for job in jobs if (measured := job.measure(asked.measure))]
    return tuple(Row(at, one.value, one.reason, label=day) for at, (day, one) in enumerate(found, 1))


def _job(scene: Scene, task: str, asked: Record) -> Job | None:
    jobs = scene.latest(task)
    if asked.role:
        return jobs.get(asked.role)
    return next((job for job in jobs.values() if job.measure(asked.measure)), next(iter(jobs.values()), None))


def _reason(job: Job | None, found: Measured | None) -> str:
    if found is not None:
        return found.reason or (f"not a finite number ({found.nonfinite})" if found.nonfinite else "")
    if job is None:
        return "not reached"
    if job.finished is None:
        return "running"
    return f"job {job.started.job} {job.finished.outcome} without it"


def _rows(job: Job | None, asked: Record) -> tuple[Row, ...]:
    if job is None or job.finished is None:
        return ()
    by_step = {m.step: m for m in job.finished.measures if m.name == asked.measure and m.step is not None}
    return tuple(Row(step, m.value, m.reason) for step, m in sorted(by_step.items()))


def met(asked: Expectation | None, value: Value) -> bool | None:
    """Whether a value is as expected; None where nothing is expected or nothing is known."""
    if asked is None or value is None:
        return None
    if asked.equals is not None:
        return value == asked.equals
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return (
        (asked.at_least is None or value >= asked.at_least)
        and (asked.above is None or value > asked.above)
        and (asked.at_most is None or value <= asked.at_most)
        and (asked.below is None or value < asked.below)
    )


def expected(asked: Record) -> str:
    """The expectation as a person reads it: ``≥ 6 MB, ≤ 10 MB``."""
    if asked.expect is None:
        return ""
    found = ((sign, getattr(asked.expect, name)) for name, sign in _BOUNDS)
    return ", ".join(f"{sign} {wording.value(bound, asked.unit)}" for sign, bound in found if bound is not None)
