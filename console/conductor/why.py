"""The chain from a gate's criterion back to the files it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from console.conductor.verbs import Conductor
from console.conductor.view import CriterionView
from console.journal.fold import State


def why(conductor: Conductor, gate: str) -> Iterator[str]:
    """Lines to print: each criterion, its verdict, its job, the job's events and, indented, every input behind it."""
    view = conductor.workspace.view().gates[gate]
    state = conductor.workspace.scene().state
    yield f"{view.id} {view.title}: {view.state}{' (stale)' if view.stale else ''}"
    if view.decision:
        made = view.decision
        who = f"rule, in a rehearsal that {made.operator} started" if made.actor == "rule" else made.operator
        yield f"  decided {made.reads}. By {who}, {made.at}: {made.reason}"
        if made.bound:
            yield f"  for this and nothing else: {made.bound}"
        yield f"  decisions/{made.file}, {'signed' if made.signed else 'unsigned'}"
    for criterion in view.criteria:
        yield from _criterion(conductor, state, criterion)
    for reason in view.why_not:
        yield f"  GO is off: {reason}"


def speaks(conductor: Conductor, task: str) -> Iterator[str]:
    """Lines to print: each deliverable of a task, and what speaks for it."""
    view = conductor.workspace.view().tasks[task]
    yield f"{view.id} {view.title}: {view.state}"
    for held in view.deliverables:
        box = f"[x] {held.ticked_by}" if held.ticked_by else "[ ]"
        yield f"  {held.id} {held.text} {box}"
        for line in held.evidence:
            yield f"      {line}"


def _criterion(conductor: Conductor, state: State, criterion: CriterionView) -> Iterator[str]:
    verdict = {True: "met", False: "not met", None: "not measured"}[criterion.met]
    aside = "" if criterion.gates else ", gates nothing here"
    yield f"  {criterion.label}: {criterion.shown}, asks {criterion.asks}: {verdict}{aside}"
    if criterion.reason and criterion.met is not False:
        yield f"    {criterion.reason}"
    if criterion.typed:
        yield f"    ✎ {criterion.measure} of {criterion.task} typed by {criterion.typed}"
    if criterion.job:
        yield f"    {criterion.task} measured {criterion.measure}"
        yield from _job(conductor, state, criterion.job, "    ", set())


def _job(conductor: Conductor, state: State, id: str, indent: str, seen: set[str]) -> Iterator[str]:
    job = state.jobs[id]
    started, finished = job.started, job.finished
    end = finished.outcome if finished else "running"
    again = " (above)" if id in seen else ""
    yield f"{indent}job {id}: {started.task} {started.operation} on {started.host}, {end}, by {job.operator}{again}"
    if again:
        return
    seen.add(id)
    if finished and finished.events_sha256:
        path = _short(conductor, conductor.runs.events_file(started.host, id))
        yield f"{indent}  {path}  {finished.events_bytes:,} bytes  sha256 {finished.events_sha256}"
    for taken in started.inputs:
        yield f"{indent}  took {taken.artefact} of {taken.task}  sha256 {taken.sha256}"
        if taken.job in state.jobs:
            yield from _job(conductor, state, taken.job, indent + "    ", seen)


def _short(conductor: Conductor, path: Path) -> str:
    try:
        return str(path.relative_to(conductor.workspace.path))
    except ValueError:
        return str(path)
