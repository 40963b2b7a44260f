"""What the evidence says about a gate's criteria: met, not met, or not measured. Pure; a person decides."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable
from typing import Any

import msgspec

from console.conductor import lineage, wording
from console.conductor.occurrences import current
from console.conductor.scene import Scene
from console.conductor.view import CriterionView
from console.journal.entries import Waiver
from console.plan.types import Criterion, Plan
from operations import registry, stats
from operations.contract import Kind, Value

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


def criteria(scene: Scene, gate: str) -> tuple[CriterionView, ...]:
    """Every criterion of the gate as it stands; waivers of the decision in force count while they have not expired."""
    then = scene.of_gate(gate)
    return tuple(_view(then, gate, name, c) for name, c in scene.plan.gate[gate].criterion.items())


def evidence(scene: Scene, gate: str) -> tuple[tuple[str, str, bool], ...]:
    """(criterion, job, stale) for each criterion: what a decision stands on."""
    found = []
    scene = scene.of_gate(gate)
    for name, criterion in scene.plan.gate[gate].criterion.items():
        given = _given(scene, criterion)
        found.append((name, given.job or given.typed, bool(lineage.stale(scene, given.task))))
    return tuple(found)


def bound_to(scene: Scene, gate: str) -> str | None:
    """What the gate is decided for and nothing else, such as ``digest of W7.3: 3f…``.

    "" while its task has not measured it, or no longer follows from its inputs; None for a gate that binds nothing.
    """
    binds = scene.plan.gate[gate].binds
    if binds is None:
        return None
    then = scene.of_gate(gate)
    given = _from_job(then, then.ran(binds.task), binds.measure)
    if given.missing or given.value is None or lineage.stale(then, given.task):
        return ""
    return f"{binds.measure} of {given.task}: {wording.value(given.value)}"


def gate_digest(plan: Plan, gate: str) -> str:
    """SHA-256 over the gate's own part of the plan, so that a decision can tell whether its rules have changed."""
    return hashlib.sha256(msgspec.json.encode(plan.gate[gate], order="deterministic")).hexdigest()


class _Given(msgspec.Struct, frozen=True):
    """What there is to compare: a value from a job or a person, or why there is none."""

    task: str
    value: Value = None
    missing: str = ""
    unit: str = ""
    n: int | None = None
    count: int | None = None
    job: str = ""
    host: str = ""
    at: str = ""
    typed: str = ""
    """Who typed it, and when."""

    @property
    def interval(self) -> tuple[float, float] | None:
        return stats.wilson(self.count, self.n) if self.n and self.count is not None else None


def _given(scene: Scene, criterion: Criterion) -> _Given:
    source = scene.ran(criterion.task)
    if criterion.record and not scene.task(source).record[criterion.record].measure:
        return _from_person(scene, source, criterion.record)
    measure = criterion.measure or scene.task(source).record[criterion.record].measure
    return _from_job(scene, source, measure)


def _from_person(scene: Scene, task: str, record: str) -> _Given:
    signed = scene.state.records.get((task, scene.round(task), record, current(scene, task)))
    unit = scene.task(task).record[record].unit
    if signed is None:
        return _Given(task, missing=f"nobody has typed {record} of {task}", unit=unit)
    return _Given(task, signed.value, unit=unit, typed=f"{signed.operator}, {signed.at}", at=signed.at)


def _from_job(scene: Scene, task: str, measure: str) -> _Given:
    """From the latest attempt alone; with two roles, from the one that reported it."""
    jobs = list(scene.latest(task).values())
    job = next((job for job in jobs if job.measure(measure)), jobs[-1] if jobs else None)
    if job is None:
        return _Given(task, missing=f"{task} has not run")
    found = _Given(task, job=job.started.job, host=job.started.host, at=job.ended_at)
    if job.finished is None:
        return msgspec.structs.replace(found, missing=f"{task} is running")
    measured = job.measure(measure)
    if measured is not None:
        found = msgspec.structs.replace(
            found, value=measured.value, unit=measured.unit, n=measured.n, count=measured.count
        )
    if job.finished.outcome != "done":
        missing = f"job {job.started.job} {job.finished.outcome}: {job.finished.reason}"
    elif measured is None:
        missing = f"job {job.started.job} did not measure it"
    elif measured.value is None:
        missing = measured.reason or f"not a finite number ({measured.nonfinite})"
    else:
        missing = ""
    return msgspec.structs.replace(found, missing=missing)


def _view(scene: Scene, gate: str, name: str, criterion: Criterion) -> CriterionView:
    aside = scene.not_here.get(f"{gate}.{name}", "")
    given = _given(scene, criterion)
    stale = lineage.stale(scene, given.task)
    met, reason = _verdict(criterion, given)
    if stale and met is not False:
        met, reason = None, f"stale: {stale[0]}"
    proportion = _is_proportion(scene, criterion)
    return CriterionView(
        name=name,
        label=criterion.label,
        value=given.value,
        shown=wording.value(given.value, given.unit or criterion.unit, given.n, given.count),
        threshold=criterion.threshold,
        compare=criterion.compare,
        asks=wording.rule(criterion.compare, criterion.threshold, criterion.unit, proportion=proportion),
        unit=criterion.unit,
        kind=criterion.kind,
        gates=not aside,
        met=met,
        reason="; ".join(r for r in (reason, aside and f"not proven here: {aside}") if r),
        stale=bool(stale),
        waivable=criterion.waivable,
        waived=_waived(scene, gate, name),
        n=given.n,
        count=given.count,
        interval=given.interval,
        enough=_enough(criterion, given.n) if given.interval else None,
        task=given.task,
        measure=criterion.measure or criterion.record,
        job=given.job,
        host=given.host,
        measured_at=given.at,
        typed=given.typed,
        ours=criterion.ours,
    )


def _verdict(criterion: Criterion, given: _Given) -> tuple[bool | None, str]:
    if given.missing:
        return None, given.missing
    if criterion.smallest_sample and (given.n or 0) < criterion.smallest_sample:
        return None, f"{given.n or 0} samples, at least {criterion.smallest_sample} are asked for"
    value = given.value
    if criterion.bound != "point":
        if given.interval is None:
            return None, "no interval: the value has no sample size"
        value = given.interval[0] if criterion.bound == "lower" else given.interval[1]
    if _sort(value) != _sort(criterion.threshold):
        return None, f"{wording.value(value)} can't be compared with {wording.value(criterion.threshold)}"
    if _COMPARE[criterion.compare](value, criterion.threshold):
        return True, ""
    return False, wording.value(value, given.unit or criterion.unit, given.n, given.count)


def _sort(value: Value) -> str:
    """Only values of one sort can be compared: True is no 1."""
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _is_proportion(scene: Scene, criterion: Criterion) -> bool:
    name = scene.plan.task[criterion.task].operation
    declared = registry.find(name).measure(criterion.measure) if name in registry.names() else None
    return declared is not None and declared.kind is Kind.PROPORTION


def _enough(criterion: Criterion, n: int | None) -> int | None:
    """The count of ``n`` whose whole interval would meet the threshold."""
    if n is None or isinstance(criterion.threshold, bool | str) or criterion.compare not in (">=", ">"):
        return None
    return stats.enough(n, criterion.threshold)


def _waived(scene: Scene, gate: str, name: str) -> str:
    taken = scene.state.decision(gate)
    for waiver in taken.entry.waivers if taken else ():
        if waiver.criterion == name and scene.now.date() <= waiver.until:
            return describe(waiver)
    return ""


def describe(waiver: Waiver) -> str:
    """A waiver in one line."""
    return f"{waiver.reason} (until {waiver.until.isoformat()})"


def why_not_go(found: tuple[CriterionView, ...], waivers: tuple[Waiver, ...] = ()) -> tuple[str, ...]:
    """One sentence for each gating criterion that is neither met nor waived; GO is possible when there is none.

    A gate where nothing gates has nothing to show for a GO: it is passed over in a rehearsal, else it stays shut.
    """
    if not any(criterion.gates for criterion in found):
        return ("no criterion gates here, so nothing can show that it may be opened",)
    waived = {w.criterion for w in waivers}
    reasons = []
    for criterion in found:
        excused = criterion.waivable and (criterion.waived or criterion.name in waived)
        if not criterion.gates or criterion.met or excused:
            continue
        unmet = "not met" if criterion.met is False else "not measured"
        verdict = "stale" if criterion.stale else unmet
        why = criterion.reason.removeprefix("stale: ") if criterion.stale else criterion.reason
        reasons.append(f"{criterion.label} {verdict}: {why}, asks {criterion.asks}")
    return tuple(reasons)
