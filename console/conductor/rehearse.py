"""A rehearsal: every task that has an operation, every gate by rule, with the verbs that an operator has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from console.conductor.errors import Refused, Unusable
from console.conductor.parameters import BadParameter, checked
from console.conductor.ready import aside
from console.conductor.verbs import Conductor
from console.conductor.view import TaskView, View

Sets = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Step:
    """What just happened to a task or a gate, for progress."""

    id: str
    title: str
    what: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended: through, at a NO-GO, at a task that did not end well, or with nothing left that may start."""

    kind: Literal["through", "no-go", "failed", "stuck"]
    at: str
    reason: str = ""


class Rehearsal:
    """One drive through a rehearsal's plan, from wherever the workspace stands."""

    def __init__(self, conductor: Conductor, sets: Sets, tell: Callable[[Step], None]) -> None:
        self._conductor = conductor
        self._sets = sets
        self._tell = tell
        _usable(conductor, sets)

    async def through(self, gate: str) -> Ending:
        """Goes on until the gate is decided or passed over; to the plan's end if ``gate`` is empty."""
        await self._conductor.reconcile()
        while True:
            view = self._conductor.workspace.view()
            if gate and view.gates[gate].state in ("go", "passed-over"):
                return Ending("through", gate)
            ending = await self._next(view)
            if ending is not None:
                return ending

    async def _next(self, view: View) -> Ending | None:
        retested = {view.plan.gate[g.id].retests for g in view.gates.values() if g.state != "closed"}
        for gate in view.gates.values():
            if gate.state == "no-go" and not gate.provisional and gate.id not in retested:
                return Ending("no-go", gate.id, "; ".join(gate.why_not))
        task = next((t for t in view.tasks.values() if self._startable(view, t)), None)
        if task is None:
            scene = self._conductor.workspace.scene()
            held = [t for t in view.tasks.values() if t.state == "locked" and not t.optional and not aside(scene, t.id)]
            if not held:
                return Ending("through", "")
            return Ending("stuck", held[0].id, "; ".join(held[0].why))
        if task.gate:
            return self._decide(view, task)
        if self._conductor.writes(task.id):
            files = self._conductor.write(task.id)
            self._tell(Step(task.id, task.title, f"written: {', '.join(files)}"))
            if self._conductor.workspace.view().tasks[task.id].state == "done":
                return None
        if not task.operation:
            self._conductor.skip_by_rule(task.id)
            self._tell(Step(task.id, task.title, "skipped: a person's task"))
            return None
        return await self._run(view, task)

    def _startable(self, view: View, task: TaskView) -> bool:
        if task.operation and view.plan.task[task.id].instead_of:
            return False
        return task.state in ("ready", "failed", "lost", "running")

    def _decide(self, view: View, task: TaskView) -> Ending | None:
        gate = view.gates[task.gate]
        outcome = "go" if gate.may_go else "no-go"
        shown = [f"{c.label} {c.shown} (asks {c.asks})" for c in gate.criteria if c.gates]
        reason = f"by the rehearsal's rule: {'; '.join(shown if gate.may_go else gate.why_not)}"
        self._conductor.decide(gate.id, outcome, reason, by_rule=True)
        decision = self._conductor.workspace.view().gates[gate.id].decision
        self._tell(Step(gate.id, gate.title, f"{decision.reads if decision else outcome.upper()}, {reason}"))
        return None

    async def _run(self, view: View, task: TaskView) -> Ending | None:
        """One task, and beside it those that observe its run, to their ends."""
        watching = [t for t in view.tasks.values() if view.plan.task[t.id].during == task.id and t.operation]
        if task.state == "running":
            jobs = [job.id for job in task.jobs if job.state == "running"]
        else:
            jobs = await self._start(task)
        started = {task.id: jobs}
        for other in watching:
            if self._conductor.workspace.view().tasks[other.id].state == "ready":
                started[other.id] = await self._start(other)
        await asyncio.gather(*(self._conductor.runs.see_to_end(job) for ids in started.values() for job in ids))
        ending = None
        for id in started:
            found = self._conductor.workspace.view().tasks[id]
            self._tell(Step(id, found.title, "; ".join((found.state, *found.why))))
            if found.state != "done":
                ending = ending or Ending("failed", id, "; ".join(found.why) or found.state)
        return ending

    async def _start(self, task: TaskView) -> list[str]:
        try:
            return await self._conductor.start(task.id, self._sets.get(task.id, {}))
        except Refused as refused:
            raise Refused(f"{task.id} can't start: {refused}") from refused


def _usable(conductor: Conductor, sets: Sets) -> None:
    """Raises Unusable before anything starts: for a site that is no rehearsal, or a parameter that can't be set."""
    scene = conductor.workspace.scene()
    if not scene.rehearsal:
        raise Unusable(f"{conductor.workspace.path}: its site is no rehearsal; use run and decide")
    lines: list[str] = []
    for task, given in sets.items():
        if task not in scene.plan.task:
            lines.append(f"--set {task}: no such task in this plan")
        elif not scene.task(task).operation:
            lines.append(f"--set {task}: has no operation, so it has no parameters")
        else:
            try:
                checked(scene, task, given)
            except BadParameter as bad:
                lines += [f"--set {line}" for line in bad.lines]
    if lines:
        raise Unusable(*lines)
