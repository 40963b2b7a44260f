"""The view of a workspace, composed from the pure rules."""

from __future__ import annotations

from collections.abc import Mapping

from console.conductor import alerts, lineage
from console.conductor.attention import attention
from console.conductor.contingencies import contingency
from console.conductor.criteria import bound_to, criteria, describe, why_not_go
from console.conductor.occurrences import current, falls_due, occurrences
from console.conductor.parameters import parameters
from console.conductor.ready import condition, decision_stale, gate_state, gate_task, task_state
from console.conductor.records import record
from console.conductor.scene import Scene, remembered
from console.conductor.speaking import evidence
from console.conductor.standing import not_proven, reads
from console.conductor.view import (
    CriterionView,
    DecisionView,
    DeliverableView,
    GateView,
    JobView,
    Later,
    NoteView,
    TaskView,
    View,
)
from console.journal.entries import Noted
from console.journal.fold import Job, Remark
from console.plan.types import Gate
from operations import registry
from operations.events import Made


def view(scene: Scene, workspace: str) -> View:
    """Everything to show."""
    plan, state = scene.plan, scene.state
    tasks = {id: task_view(scene, id) for id in plan.task}
    gates = {id: gate_view(scene, id) for id in plan.gate}
    contingencies = {id: contingency(scene, id) for id in plan.contingency}
    counted = [t for t in tasks.values() if not t.optional]
    alerted = alerts.open_alerts(scene)
    return View(
        plan=plan,
        site=scene.site,
        workspace=workspace,
        rehearsal=scene.rehearsal,
        tasks=tasks,
        gates=gates,
        contingencies=contingencies,
        sequence=state.sequence,
        started=state.created_at,
        done=sum(t.state == "done" for t in counted),
        total=len(counted),
        next_gate=_next_gate(scene, gates),
        attention=(*alerts.needs(alerted), *attention(scene, tasks, gates, contingencies.values())),
        day=max(1, (scene.now.date() - scene.start).days + 1),
        alerts=alerted,
        limits={(one.id, one.host): one.why_not for one in alerts.watched(scene)},
    )


def task_view(scene: Scene, id: str, occurrence: str = "") -> TaskView:
    """One task in its current round, with the attempts of all rounds; of a repeated one, on that day or the current."""
    task = scene.task(id)
    state, why = task_state(scene, id)
    days = occurrences(scene, id) if falls_due(task) else ()
    on = occurrence or (current(scene, id) if days else "")
    return TaskView(
        id=id,
        title=task.title,
        phase=scene.plan.task_phase[id],
        day=task.day,
        state=state,
        why=why,
        stale=lineage.stale(scene, id),
        hosts=hosts(scene, id),
        operation=task.operation,
        gate=task.gate,
        optional=task.optional,
        round=scene.round(id),
        jobs=tuple(map(_job, scene.all_attempts(id))),
        records=Later(lambda: [record(scene, id, slug, on) for slug in task.record]) if task.record else (),
        deliverables=Later(lambda: [_deliverable(scene, id, d, text, on) for d, text in task.deliverable.items()])
        if task.deliverable
        else (),
        parameters=Later(lambda: parameters(scene, id)) if task.operation else (),
        contingencies=_befalls(scene).get(id, ()),
        notes=tuple(_note(remark) for remark in scene.state.notes.get(id, ())),
        occurrences=days,
        occurrence=on,
    )


@remembered
def _befalls(scene: Scene) -> Mapping[str, tuple[str, ...]]:
    """The contingencies of each task."""
    found: dict[str, tuple[str, ...]] = {}
    for id, planned in scene.plan.contingency.items():
        for task in planned.task:
            found[task] = (*found.get(task, ()), id)
    return found


def hosts(scene: Scene, id: str) -> tuple[str, ...]:
    """The hosts of the task, one a role."""
    named = scene.task(id).host
    return tuple(named) if isinstance(named, list) else (named,) if named else ()


def may_tick(scene: Scene, id: str) -> str:
    """Why a deliverable of the task can't be ticked now; empty when it can: nothing is ticked before it was done."""
    state, why = task_state(scene, id)
    if state == "locked":
        return f"{id} is locked: {'; '.join(why)}"
    if state == "skipped":
        return f"{id} is skipped: {'; '.join(why)}"
    if falls_due(scene.task(id)) and not current(scene, id):
        return f"the first day of {id} has not come"
    if scene.task(id).operation and not scene.attempts(id):
        return f"{id} has not run: nothing is there to tick"
    if scene.task(id).gate and state != "done":
        return f"{scene.task(id).gate} is not decided"
    return ""


def _deliverable(scene: Scene, id: str, deliverable: str, text: str, occurrence: str) -> DeliverableView:
    tick = scene.state.ticks.get((id, scene.round(id), deliverable, occurrence))
    why_not = may_tick(scene, id)
    return DeliverableView(
        id=deliverable,
        text=text,
        ticked_by=tick.operator if tick else "",
        ticked_at=tick.at if tick else "",
        may_tick=not why_not,
        why_not=why_not,
        evidence=evidence(scene, id, deliverable),
    )


def _note(remark: Remark) -> NoteView:
    entry = remark.entry
    if isinstance(entry, Noted):
        return NoteView(entry.text, remark.operator, remark.at)
    return NoteView(entry.name, remark.operator, remark.at, f"attachments/{entry.file}", entry.sha256, entry.size)


def _job(job: Job) -> JobView:
    started, finished = job.started, job.finished
    return JobView(
        id=started.job,
        task=started.task,
        round=started.round,
        occurrence=started.occurrence,
        role=started.role,
        host=started.host,
        attempt=started.attempt,
        operation=started.operation,
        state=finished.outcome if finished else "running",
        started=job.at,
        finished=job.ended_at,
        reason=finished.reason if finished else "",
        signal=finished.signal if finished else "",
        leaves=finished is not None and finished.outcome == "failed" and _leaves(started.operation, finished.artefacts),
        continues=started.continues,
        parameters=started.parameters,
        inputs=tuple((i.task, i.artefact, i.job, i.sha256) for i in started.inputs),
    )


def _leaves(operation: str, artefacts: list[Made]) -> bool:
    return (
        bool(artefacts) and operation in registry.names() and registry.find(operation).leaves(m.name for m in artefacts)
    )


def gate_view(scene: Scene, id: str) -> GateView:
    """One gate with its criteria as they stand today."""
    gate = scene.plan.gate[id]
    found = criteria(scene, id)
    task = gate_task(scene.plan, id)
    state = gate_state(scene, id)
    why_not = list(why_not_go(found))
    bound = bound_to(scene, id)
    if bound == "":
        why_not.append(nothing_bound(gate))
    if state == "closed":
        why_not.append("; ".join(task_state(scene, task)[1]) if task else "no task leads to it")
    if state == "passed-over":
        why_not.append("nothing that gates can be proven here: the rehearsal passes it over")
    return GateView(
        id=id,
        title=gate.title,
        task=task,
        state=state,
        provisional=gate.provisional,
        criteria=found,
        may_go=not why_not,
        why_not=tuple(why_not),
        decision=_decision(scene, id),
        stale=decision_stale(scene, id),
        also_ran=_who_ran(scene, found),
        not_proven=not_proven(scene, id),
        bound=bound,
        opens=_opens(scene, id),
    )


def nothing_bound(gate: Gate) -> str:
    """Why a gate that is decided for one thing alone can't be GO before that is there."""
    assert gate.binds is not None
    return f"{gate.binds.task} has no {gate.binds.measure} yet, and the decision is for that alone"


def _opens(scene: Scene, gate: str) -> tuple[str, ...]:
    """The tasks that wait for the gate; once it is decided, those that the outcome has opened."""
    waiting = (id for id, task in scene.plan.task.items() if f"{gate} is " in task.when)
    decided = scene.state.decision(gate) is not None
    return tuple(id for id in waiting if not decided or not condition(scene, scene.task(id).when))


def _next_gate(scene: Scene, gates: dict[str, GateView]) -> str:
    """The first gate to come; a retest counts once there is a NO-GO to take up again."""
    for gate in gates.values():
        retests = scene.plan.gate[gate.id].retests
        needed = not retests or gates[retests].state == "no-go"
        if gate.state in ("closed", "ready") and not gate.provisional and needed:
            return gate.id
    return ""


def _decision(scene: Scene, gate: str) -> DecisionView | None:
    taken = scene.state.decision(gate)
    if taken is None:
        return None
    entry = taken.entry
    return DecisionView(
        gate=gate,
        round=entry.round,
        outcome=entry.outcome,
        reads=reads(scene, gate, entry.outcome),
        bound=entry.bound,
        operator=taken.operator,
        reason=entry.reason,
        at=taken.at,
        also_ran=entry.also_ran,
        file=entry.file,
        signed=entry.signed,
        actor=entry.actor,
        waivers=tuple((w.criterion, describe(w)) for w in entry.waivers),
    )


def _who_ran(scene: Scene, found: tuple[CriterionView, ...]) -> tuple[str, ...]:
    """Operators who started a job that a criterion's evidence comes from, by its lineage of inputs."""
    seen: set[str] = set()
    waiting = [c.job for c in found if c.job]
    while waiting:
        id = waiting.pop()
        if id in seen or id not in scene.state.jobs:
            continue
        seen.add(id)
        waiting += [i.job for i in scene.state.jobs[id].started.inputs]
    return tuple(sorted({scene.state.jobs[id].operator for id in seen}))
