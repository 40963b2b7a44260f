"""Which tasks may start, which gates may be decided, and what holds the others. Pure."""

from __future__ import annotations

from console.conductor.criteria import bound_to, evidence, gate_digest
from console.conductor.occurrences import falls_due, occurrences, over
from console.conductor.scene import Scene, remembered
from console.conductor.view import GateState, TaskState
from console.plan.types import Plan

_SATISFIES = ("done", "skipped")


@remembered
def task_state(scene: Scene, id: str) -> tuple[TaskState, tuple[str, ...]]:
    """The task's state in its current round, and why where a state needs a reason."""
    task = scene.task(id)
    skipped = scene.state.skipped.get((id, scene.round(id), ""))
    if skipped:
        return "skipped", (str(skipped.value),)
    if task.gate:
        return _gate_task(scene, id, task.gate)
    if scene.attempts(id):
        return _attempted(scene, id)
    other = scene.ran(id)
    if other != id:
        return "skipped", (f"{other} was done instead",)
    held = _held(scene, id)
    if held:
        return "locked", held
    if falls_due(task):
        return _repeated(scene, id)
    if not task.operation and scene.all_given(id):
        return "done", ()
    return "ready", ()


def _repeated(scene: Scene, id: str) -> tuple[TaskState, tuple[str, ...]]:
    """A task that falls due day by day is done once no more days come and none was missed."""
    days = occurrences(scene, id)
    missed = [day.id for day in days if day.state == "missed"]
    open_days = [day for day in days if day.state in ("open", "due")]
    if over(scene, id) and not missed and not open_days:
        return "done", ()
    more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
    return "ready", (f"missed: {', '.join(missed[-3:])}{more}",) if missed else ()


def _attempted(scene: Scene, id: str) -> tuple[TaskState, tuple[str, ...]]:
    jobs = list(scene.latest(id).values())
    if any(job.finished is None for job in jobs):
        return "running", ()
    ends = {job.finished.outcome: job.finished for job in jobs if job.finished}
    if "lost" in ends:
        return "lost", (ends["lost"].reason,)
    if "failed" in ends:
        return "failed", (ends["failed"].reason,)
    if "stopped" in ends:
        held = _held(scene, id)
        return ("locked", held) if held else ("ready", (f"stopped: {ends['stopped'].reason}",))
    return "done", ()


def _gate_task(scene: Scene, id: str, gate: str) -> tuple[TaskState, tuple[str, ...]]:
    state = gate_state(scene, gate)
    if state in ("go", "no-go", "passed-over"):
        return "done", ()
    held = held_gate(scene, id, gate)
    return ("locked", held) if held else ("ready", ())


def held_gate(scene: Scene, task: str, gate: str) -> tuple[str, ...]:
    """What keeps a gate from being decided: what holds its task, and for a retest that none has been opened."""
    held = _held(scene, task)
    if scene.plan.gate[gate].retests and not any(o.entry.gate == gate for o in scene.openings):
        held = (*held, "no retest has been opened")
    return held


@remembered
def _held(scene: Scene, id: str) -> tuple[str, ...]:
    task = scene.task(id)
    phase = scene.plan.phase[scene.plan.task_phase[id]]
    reasons = [r for r in (condition(scene, phase.when), condition(scene, task.when)) if r]
    for need in task.needs:
        if not satisfied(scene, need):
            state, _ = task_state(scene, need)
            reasons.append(f"needs {need}, which is {state}")
    if task.during and not scene.attempts(scene.ran(task.during)):
        reasons.append(f"{task.during} has not started")
    return tuple(reasons)


def satisfied(scene: Scene, need: str) -> bool:
    """Whether a need is met: done, skipped, an optional task, or an alternative of it done."""
    if scene.task(need).optional:
        return True
    return any(task_state(scene, id)[0] in _SATISFIES for id in scene.alternatives(need))


def condition(scene: Scene, when: str) -> str:
    """Why the condition does not hold; empty when it does. ``and`` binds tighter than ``or``."""
    if not when:
        return ""
    reasons = []
    for alternative in when.split(" or "):
        failing = [reason for term in alternative.split(" and ") if (reason := _term(scene, term))]
        if not failing:
            return ""
        reasons += failing
    return "; ".join(dict.fromkeys(reasons))


def aside(scene: Scene, id: str) -> bool:
    """Whether the task stands in a branch that a decision has left aside: its condition asks for another one."""
    for when in (scene.plan.phase[scene.plan.task_phase[id]].when, scene.task(id).when):
        alternatives = [alternative.split(" and ") for alternative in when.split(" or ")] if when else []
        if alternatives and all(any(_decided_otherwise(scene, term) for term in terms) for terms in alternatives):
            return True
    return False


def _decided_otherwise(scene: Scene, term: str) -> bool:
    gate, _, asked = term.partition(" is ")
    state = gate_state(scene, gate)
    return state in ("go", "no-go") and asked not in (state, "decided")


def _term(scene: Scene, term: str) -> str:
    gate, _, asked = term.partition(" is ")
    state = gate_state(scene, gate)
    if state in ("closed", "ready"):
        return f"{gate} is not decided"
    if state == "passed-over":
        return "" if asked in ("go", "decided") else f"{gate} is passed over"
    if state == "go" and asked != "no-go" and decision_stale(scene, gate):
        return f"the GO at {gate} stands on evidence that has changed: decide again"
    return "" if asked in (state, "decided") else f"{gate} is {state}"


@remembered
def gate_state(scene: Scene, id: str) -> GateState:
    """closed until the gate's task may be done; then ready, decided, or passed over where nothing here can gate."""
    taken = scene.state.decision(id)
    if taken is not None:
        return taken.entry.outcome
    task = gate_task(scene.plan, id)
    if not task or held_gate(scene, task, id):
        return "closed"
    criteria = scene.plan.gate[id].criterion
    if scene.rehearsal and criteria and all(f"{id}.{name}" in scene.not_here for name in criteria):
        return "passed-over"
    return "ready"


def retested(scene: Scene, gate: str) -> bool:
    """Whether a NO-GO at the gate was taken up again and is GO by now."""
    return any(planned.retests == gate and gate_state(scene, id) == "go" for id, planned in scene.plan.gate.items())


def gate_task(plan: Plan, gate: str) -> str:
    """The task at which the gate is decided; empty if the plan names none."""
    return next((id for id, task in plan.task.items() if task.gate == gate), "")


@remembered
def decision_stale(scene: Scene, gate: str) -> bool:
    """Whether the evidence that the decision in force stood on has changed since."""
    taken = scene.state.decision(gate)
    if taken is None:
        return False
    stood = tuple((c.name, c.job or c.typed, c.stale) for c in taken.entry.criteria)
    if taken.entry.outcome == "go" and taken.entry.bound != (bound_to(scene, gate) or ""):
        return True
    return stood != evidence(scene, gate) or taken.entry.gate_digest != gate_digest(scene.plan, gate)
