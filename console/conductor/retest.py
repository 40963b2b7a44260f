"""A retest after a NO-GO: a corrective option, and the tasks that begin anew in the next round. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from console.conductor.errors import BadInput, Refused
from console.conductor.parameters import BadParameter, checked
from console.conductor.ready import gate_state, gate_task, task_state
from console.conductor.scene import Scene
from console.journal.entries import RoundOpened, Scalar
from console.plan.types import ArtefactFrom, JobsOf, Plan

Sets = Mapping[str, Mapping[str, object]]


def open_round(scene: Scene, gate: str, option: str, sets: Sets) -> RoundOpened:
    """The row that opens the gate's next round. Raises Refused, or BadInput for an option or value there is not."""
    plan = scene.plan
    if gate not in plan.gate:
        raise BadInput(f"no gate {gate} in this plan; it has {', '.join(plan.gate) or 'none'}")
    retests = plan.gate[gate].retests
    if not retests:
        raise BadInput(f"{gate} is no retest")
    options = plan.gate[gate].option
    if option not in options:
        raise BadInput(f"{gate} has no option {option}; it has {', '.join(options) or 'none'}")
    _may_open(scene, gate, retests)
    chosen = options[option]
    values: dict[str, dict[str, object]] = {task: dict(given) for task, given in chosen.parameters.items()}
    for task, given in sets.items():
        values.setdefault(task, {}).update(given)
    if not values and not chosen.again:
        raise BadInput(f"{gate}: {chosen.title}: say what it sets, as TASK.name=value ({chosen.about})")
    parameters = {task: _scalars(scene, task, given) for task, given in values.items()}
    rounds = [o.entry.round for o in scene.openings]
    return RoundOpened(
        gate=gate,
        round=max(rounds, default=1) + 1,
        tasks=affected(plan, {*parameters, *chosen.again}, gate),
        option=option,
        parameters=parameters,
    )


def _may_open(scene: Scene, gate: str, retests: str) -> None:
    earlier = gate if any(o.entry.gate == gate for o in scene.openings) else retests
    if gate_state(scene, earlier) != "no-go":
        raise Refused(f"{gate} retests a NO-GO, and {earlier} is {gate_state(scene, earlier)}")
    for need in scene.task(gate_task(scene.plan, gate)).needs:
        state, why = task_state(scene, need)
        if state not in ("done", "skipped"):
            raise Refused(f"{gate} needs {need} first, which is {state}{': ' if why else ''}{'; '.join(why)}")


def _scalars(scene: Scene, task: str, given: Mapping[str, object]) -> dict[str, Scalar]:
    if task not in scene.plan.task or not scene.task(task).operation:
        raise BadInput(f"{task}: no task with parameters in this plan")
    try:
        values = checked(scene, task, given)
    except BadParameter as bad:
        raise BadInput("; ".join(bad.lines)) from bad
    plain = {name: msgspec.to_builtins(values[name]) for name in given}
    return {name: value for name, value in plain.items() if isinstance(value, bool | int | float | str)}


def affected(plan: Plan, changed: set[str], gate: str) -> list[str]:
    """The tasks that begin anew, in the plan's order.

    They are the changed ones, all whose parameters come from them by whatever way, and what lies between them and the
    tasks that the gate's criteria name.
    """
    between = _between(plan, changed, {criterion.task for criterion in plan.gate[gate].criterion.values()})
    takes = {
        id: {
            value.task if isinstance(value, ArtefactFrom) else value.jobs_of
            for value in task.parameters.values()
            if isinstance(value, ArtefactFrom | JobsOf)
        }
        for id, task in plan.task.items()
    }
    stand_in: dict[str, set[str]] = {}
    for id, task in plan.task.items():
        if task.instead_of:
            stand_in.setdefault(task.instead_of, set()).add(id)
    found = changed | between
    while True:
        more = {id for id, sources in takes.items() if sources & found}
        more |= {other for id in found | more for other in stand_in.get(id, ())}
        if more <= found:
            return [id for id in plan.task if id in found]
        found |= more


def _between(plan: Plan, changed: set[str], ends: set[str]) -> set[str]:
    """The tasks on every way by needs from a changed one to one of ``ends``, these included."""
    after = _reached(changed, {id: {n for n in plan.task if id in plan.task[n].needs} for id in plan.task})
    before = _reached(ends, {id: set(task.needs) & plan.task.keys() for id, task in plan.task.items()})
    return after & before


def _reached(starts: set[str], ways: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            waiting += ways.get(id, ())
    return found
