"""Where artefacts come from, and whether what was made from them still follows: by digests, never by clocks."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from console.conductor.scene import Scene, remembered
from console.journal.fold import Job
from console.plan.types import ArtefactFrom
from operations.contract import Artefact


class Missing(Exception):
    """An artefact that is not there yet, or not where it is needed: one short sentence."""


class Found(msgspec.Struct, frozen=True):
    """An artefact of a task's latest attempt."""

    artefact: Artefact
    task: str
    host: str


def resolve(scene: Scene, wanted: ArtefactFrom) -> Found:
    """The artefact of the task, or of the alternative that ran instead, in the current round. Raises Missing."""
    source = scene.ran(wanted.task)
    jobs = scene.latest(source)
    if not jobs:
        raise Missing(f"{wanted.task} has not run")
    for job in jobs.values():
        made = job.artefact(wanted.artefact)
        if made is not None and _done(job):
            return Found(
                Artefact(path=made.path, sha256=made.sha256, size=made.size, job=job.started.job, name=made.name),
                source,
                job.started.host,
            )
    if all(_done(job) for job in jobs.values()):
        raise Missing(f"{source} made no {wanted.artefact}")
    raise Missing(f"{source} is not done")


@remembered
def stale(scene: Scene, task: str) -> tuple[str, ...]:
    """Why what the task's latest attempt made no longer follows from its inputs; empty while it does, or before it ran.

    An input is stale when the task it came from has made something else since, or is stale itself. What the program
    wrote is stale when a task that it waited for has ended again since, by the journal's order. A task that repeats is
    never stale: each time it takes what is there then.
    """
    if scene.task(task).repeats:
        return ()
    reasons: dict[str, None] = dict.fromkeys(_overtaken(scene, task))
    for job in scene.latest(task).values():
        if job.finished is None:
            continue
        for taken in job.started.inputs:
            source = scene.ran(taken.task)
            if stale(scene, source):
                reasons[f"{source} is stale"] = None
                continue
            try:
                current = resolve(scene, ArtefactFrom(task=taken.task, artefact=taken.artefact)).artefact.sha256
            except Missing as missing:
                reasons[f"{taken.artefact}: {missing}"] = None
                continue
            if current != taken.sha256:
                reasons[f"{source} has made another {taken.artefact} since"] = None
    return tuple(reasons)


def _overtaken(scene: Scene, task: str) -> Iterator[str]:
    asked, round = scene.task(task), scene.round(task)
    written = {record.written for record in asked.record.values() if record.written}
    for made in (scene.state.written.get((task, round, what)) for what in written):
        for source in map(scene.ran, asked.needs if made else ()):
            assert made is not None
            if any(job.ended > made.sequence for job in scene.attempts(source)):
                yield f"{source} has ended again since it was written"
            elif stale(scene, source):
                yield f"{source} is stale"


def _done(job: Job) -> bool:
    return job.finished is not None and job.finished.outcome == "done"
