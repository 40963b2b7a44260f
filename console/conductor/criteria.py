"""What the evidence says about a gate's criteria: met, not met, or not measured. Pure; a person decides."""

from __future__ import annotations

import datetime
import hashlib
import operator
from collections.abc import Callable
from typing import Any

import msgspec

from console.conductor import lineage, wording
from console.conductor.scene import Scene
from console.conductor.view import CriterionView
from console.journal.entries import Waiver
from console.journal.fold import Job
from console.plan.types import Criterion, Plan
from operations import registry, stats
from operations.contract import Kind, Value
from operations.events import Measured

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


def criteria(scene: Scene, gate: str, today: datetime.date) -> tuple[CriterionView, ...]:
    """Every criterion of the gate as it stands; waivers of the decision in force count while they have not expired."""
    then = scene.of_gate(gate)
    return tuple(_view(then, gate, name, c, today) for name, c in scene.plan.gate[gate].criterion.items())


def evidence(scene: Scene, gate: str) -> tuple[tuple[str, str, bool], ...]:
    """(criterion, job, stale) for each criterion: what a decision stands on."""
    found = []
    scene = scene.of_gate(gate)
    for name, criterion in scene.plan.gate[gate].criterion.items():
        job = _job(scene, criterion)
        source = scene.ran(criterion.task)
        found.append((name, job.started.job if job else "", bool(lineage.stale(scene, source))))
    return tuple(found)


def gate_digest(plan: Plan, gate: str) -> str:
    """SHA-256 over the gate's own part of the plan, so that a decision can tell whether its rules have changed."""
    return hashlib.sha256(msgspec.json.encode(plan.gate[gate], order="deterministic")).hexdigest()


def _view(scene: Scene, gate: str, name: str, criterion: Criterion, today: datetime.date) -> CriterionView:
    aside = scene.not_here.get(f"{gate}.{name}", "")
    job = _job(scene, criterion)
    measured = job.measure(criterion.measure) if job else None
    source = scene.ran(criterion.task)
    stale = lineage.stale(scene, source)
    value = measured.value if measured else None
    n, count = (measured.n, measured.count) if measured else (None, None)
    interval = stats.wilson(count, n) if n and count is not None else None
    proportion = _is_proportion(scene, criterion)
    met, reason = _verdict(criterion, job, measured, interval)
    if stale and met is not False:
        met, reason = None, f"stale: {stale[0]}"
    return CriterionView(
        name=name,
        label=criterion.label,
        value=value,
        shown=wording.value(value, measured.unit if measured else criterion.unit, n, count),
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
        waived=_waived(scene, gate, name, today),
        n=n,
        count=count,
        interval=interval,
        enough=_enough(criterion, n) if interval else None,
        task=source,
        measure=criterion.measure,
        job=job.started.job if job else "",
        host=job.started.host if job else "",
        measured_at=job.ended_at if job else "",
        ours=criterion.ours,
    )


def _job(scene: Scene, criterion: Criterion) -> Job | None:
    """The latest attempt that is to supply the measure; with two roles, the one that reported it."""
    jobs = list(scene.latest(scene.ran(criterion.task)).values())
    return next((job for job in jobs if job.measure(criterion.measure)), jobs[-1] if jobs else None)


def _verdict(
    criterion: Criterion, job: Job | None, measured: Measured | None, interval: tuple[float, float] | None
) -> tuple[bool | None, str]:
    if job is None:
        return None, f"{criterion.task} has not run"
    if job.finished is None:
        return None, f"{criterion.task} is running"
    if job.finished.outcome != "done":
        return None, f"job {job.started.job} {job.finished.outcome}: {job.finished.reason}"
    if measured is None:
        return None, f"job {job.started.job} did not measure it"
    if measured.value is None:
        return None, measured.reason or f"not a finite number ({measured.nonfinite})"
    if criterion.smallest_sample and (measured.n or 0) < criterion.smallest_sample:
        return None, f"{measured.n or 0} samples, at least {criterion.smallest_sample} are asked for"
    value: Value = measured.value
    if criterion.bound != "point":
        if interval is None:
            return None, "no interval: the measure has no sample size"
        value = interval[0] if criterion.bound == "lower" else interval[1]
    if isinstance(value, str) != isinstance(criterion.threshold, str) or isinstance(value, dict):
        return None, f"{criterion.measure} can't be compared with {criterion.threshold}"
    if _COMPARE[criterion.compare](value, criterion.threshold):
        return True, ""
    return False, f"{wording.value(value, measured.unit, measured.n, measured.count)}"


def _is_proportion(scene: Scene, criterion: Criterion) -> bool:
    name = scene.plan.task[criterion.task].operation
    declared = registry.find(name).measure(criterion.measure) if name in registry.names() else None
    return declared is not None and declared.kind is Kind.PROPORTION


def _enough(criterion: Criterion, n: int | None) -> int | None:
    """The count of ``n`` whose whole interval would meet the threshold."""
    if n is None or isinstance(criterion.threshold, bool | str) or criterion.compare not in (">=", ">"):
        return None
    return stats.enough(n, criterion.threshold)


def _waived(scene: Scene, gate: str, name: str, today: datetime.date) -> str:
    taken = scene.state.decision(gate)
    for waiver in taken.entry.waivers if taken else ():
        if waiver.criterion == name and today <= waiver.until:
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
        reasons.append(f"{criterion.label} {verdict}: {criterion.reason}, asks {criterion.asks}")
    return tuple(reasons)
