"""From a task to the jobs that do it: parameters checked, artefacts found on their host, the claim worded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from console.conductor import lineage
from console.conductor.compose import hosts
from console.conductor.errors import BadInput, Refused
from console.conductor.parameters import BadParameter, checked
from console.conductor.ready import task_state
from console.conductor.scene import Scene
from console.journal.entries import Input, JobStarted
from console.journal.fold import Job
from console.plan.types import ArtefactFrom, JobsOf
from operations import registry
from operations.contract import Artefact, Operation, Relayed, fields
from operations.job import JobFile


@dataclass(frozen=True, slots=True)
class Bound:
    """One job to start: its row of the journal, and its file for the host."""

    row: JobStarted
    file: JobFile
    relayed: bool = False
    """Whether the console carries what it and its partner say to each other."""

    @property
    def key(self) -> str:
        """Unique in the journal, so that two consoles can't start the same attempt."""
        row = self.row
        return f"job-started:{row.task}:{row.round}:{row.occurrence}:{row.role}:{row.attempt}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for: ``again`` runs a task anew that is done, ``fresh`` continues no earlier attempt."""

    sets: Mapping[str, object]
    again: bool = False
    fresh: bool = False


def bind(scene: Scene, task: str, wish: Wish, ids: list[str]) -> list[Bound]:
    """The jobs of one attempt, one a role, with the given ids. Raises Refused with every reason that can be seen."""
    if task not in scene.plan.task:
        raise BadInput(f"no task {task} in this plan")
    asked = scene.task(task)
    if not asked.operation:
        raise Refused(f"{task} has no operation: a person does it")
    _may_start(scene, task, wish)
    operation = registry.find(asked.operation)
    on = hosts(scene, task)
    if len(on) != len(operation.roles):
        raise Refused(f"{task}: {operation.name} needs {len(operation.roles)} hosts, the plan names {len(on)}")
    _free(scene, operation, on)
    try:
        values = checked(scene, task, wish.sets)
    except BadParameter as bad:
        raise BadInput("; ".join(bad.lines)) from bad
    relay = next((value for value in values.values() if isinstance(value, Relayed)), None)
    if relay:
        _on_loopback(scene, task, operation, on)
    before = scene.attempts(task)
    occurrence, attempt = _next(scene, task, before)
    bound = []
    for id, role, host in zip(ids, operation.roles, on, strict=True):
        given, inputs = _given(scene, values, on[-1])
        if role:
            given["role"] = role
        same_role = [job for job in before if job.started.role == role]
        earlier = _continues(same_role, given, operation, host, occurrence) if not wish.fresh else []
        continues = earlier[-1].started.job if earlier else ""
        row = JobStarted(
            job=id,
            task=task,
            round=scene.round(task),
            occurrence=occurrence,
            role=role,
            host=host,
            attempt=attempt,
            operation=operation.name,
            parameters=given,
            inputs=inputs,
            continues=continues,
        )
        file = JobFile(
            id=id,
            task=task,
            round=row.round,
            occurrence=occurrence,
            role=role,
            host=host,
            attempt=attempt,
            operation=operation.name,
            parameters=given,
            resume=tuple(_left_behind(earlier)),
            threads=scene.site.host[host].threads,
        )
        bound.append(Bound(row, file, relay is not None and not relay.here))
    return bound


def _may_start(scene: Scene, task: str, wish: Wish) -> None:
    state, why = task_state(scene, task)
    reason = "; ".join(why)
    if state == "running":
        raise Refused(f"{task} is running: job {scene.attempts(task)[-1].started.job}")
    if state == "locked":
        raise Refused(f"{task} is locked: {reason}")
    if state == "skipped":
        raise Refused(f"{task} is skipped: {reason}")
    if state == "done" and not wish.again and not scene.task(task).repeats:
        raise Refused(f"{task} is done; run it anew with --again, and what was made from it becomes stale")


def _on_loopback(scene: Scene, task: str, operation: Operation, on: tuple[str, ...]) -> None:
    """Raises Refused for a job in a container: the loopback there is not its host's, and SSH leads only to that."""
    if inside := [host for host in on if scene.site.host[host].contains(operation.name)]:
        raise Refused(
            f"{task} can't be relayed: on {inside[0]} {operation.name} runs in a container, whose network the console "
            f"does not reach: take it out of `contained`, or state `identity` for rsync or another `via` for {task}"
        )


def _free(scene: Scene, operation: Operation, on: tuple[str, ...]) -> None:
    for job in scene.state.open_jobs():
        started = job.started
        if operation.uses and started.host in on and registry.find(started.operation).uses == operation.uses:
            raise Refused(
                f"{started.host}'s {operation.uses} is used by {started.task} (job {started.job}); wait or stop it"
            )


def _next(scene: Scene, task: str, before: list[Job]) -> tuple[str, int]:
    """Occurrence and attempt of the next job: a task that repeats has a new occurrence each time one has ended well."""
    if not scene.task(task).repeats:
        return "", 1 + max((job.started.attempt for job in before), default=0)
    last = before[-1].started.occurrence if before else "1"
    same = [job for job in before if job.started.occurrence == last]
    if any(job.finished and job.finished.outcome == "done" for job in same):
        return str(int(last) + 1), 1
    return last, 1 + max((job.started.attempt for job in same), default=0)


def _given(scene: Scene, values: Mapping[str, object], host: str) -> tuple[dict[str, object], list[Input]]:
    """Values with references resolved; artefacts must be on ``host`` (with two roles, the one that sends)."""
    given: dict[str, object] = {}
    inputs = []
    for name, value in values.items():
        if isinstance(value, ArtefactFrom):
            artefact = _artefact(scene, value, host)
            given[name] = msgspec.to_builtins(artefact)
            inputs.append(Input(name, value.task, value.artefact, artefact.job, artefact.sha256))
        elif isinstance(value, JobsOf):
            ran = scene.ran(value.jobs_of)
            attempts = scene.attempts(ran)
            if not attempts:
                raise Refused(f"{value.jobs_of} has not started")
            elsewhere = {job.started.host for job in attempts} - {host}
            if elsewhere:
                raise Refused(f"{ran} runs on {', '.join(sorted(elsewhere))}, not on {host}")
            given[name] = {"jobs": [job.started.job for job in attempts]}
        else:
            given[name] = msgspec.to_builtins(value)
    return given, inputs


def _artefact(scene: Scene, wanted: ArtefactFrom, host: str) -> Artefact:
    try:
        found = lineage.resolve(scene, wanted)
    except lineage.Missing as missing:
        raise Refused(f"{wanted.artefact} of {wanted.task} is not there: {missing}") from missing
    if found.host != host:
        raise Refused(f"{wanted.artefact} of {found.task} is on {found.host}, not on {host}: transfer it first")
    return found.artefact


def _continues(
    before: list[Job], given: Mapping[str, object], operation: Operation, host: str, occurrence: str
) -> list[Job]:
    """The chain of attempts that the next one takes up, oldest first; empty for a start from nothing.

    ``before`` is of one role. One that failed by itself is taken up only if it left what is meant for that.
    """
    if not operation.resumable or not before:
        return []
    last = before[-1]
    end = last.finished
    interrupted = end is not None and (
        end.outcome in ("stopped", "lost")
        or (end.outcome == "failed" and (end.signal or operation.leaves(made.name for made in end.artefacts)))
    )
    ways = {field.name for field in fields(operation) if field.way}
    asked, now = (
        {name: v for name, v in some.items() if name not in ways} for some in (last.started.parameters, given)
    )
    same = asked == now and last.started.host == host and last.started.occurrence == occurrence
    if not interrupted or not same:
        return []
    chain = [last]
    by_id = {job.started.job: job for job in before}
    while chain[0].started.continues:
        chain.insert(0, by_id[chain[0].started.continues])
    return chain


def _left_behind(chain: list[Job]) -> list[Artefact]:
    return [
        Artefact(path=made.path, sha256=made.sha256, size=made.size, job=job.started.job, name=made.name)
        for job in chain
        if job.finished
        for made in job.finished.artefacts
    ]
