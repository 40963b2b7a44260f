"""Which contingencies are called for: by a task's state or time, a value, a NO-GO; and what was answered. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from console.conductor import wording
from console.conductor.moments import counts, day_start, planned
from console.conductor.occurrences import current
from console.conductor.ready import retested, task_state
from console.conductor.records import met
from console.conductor.scene import Scene
from console.conductor.view import ContingencyView, NoteView
from console.plan.types import Contingency, Sign
from operations.contract import Value


def contingency(scene: Scene, id: str) -> ContingencyView:
    """One contingency as it stands: quiet, open while a sign of it is unanswered, else answered."""
    asked = scene.plan.contingency[id]
    over = asked.until and task_state(scene, scene.ran(asked.until))[0] in ("done", "skipped")
    signs = () if over else tuple(_signs(scene, asked))
    answers = scene.state.answers.get(id, [])
    known = {sign for answer in answers for sign in answer.entry.signs}
    return ContingencyView(
        id=id,
        cause=asked.cause,
        condition=asked.condition,
        action=" ".join(asked.action.split()),
        impact=asked.impact,
        tasks=tuple(asked.task),
        state="quiet" if not signs else "answered" if known.issuperset(signs) else "open",
        signs=signs,
        answers=tuple(NoteView(answer.entry.text, answer.operator, answer.at) for answer in answers),
    )


def _signs(scene: Scene, asked: Contingency) -> Iterator[str]:
    """What calls for it, each in words that stay the same while it is the same."""
    taken = scene.state.decision(asked.gate) if asked.gate else None
    if taken is not None and taken.entry.outcome == "no-go" and not retested(scene, asked.gate):
        yield f"{asked.gate} is NO-GO, by {taken.operator} at {taken.at}"
    for sign in asked.sign:
        if found := _sign(scene, sign):
            yield found


def _sign(scene: Scene, sign: Sign) -> str:
    """The sign as it is there; empty where it is not."""
    if sign.schedule:
        return _by_time(scene, sign)
    ran = scene.ran(sign.task)
    if sign.state:
        jobs = [
            job
            for job in scene.latest(ran).values()
            if (job.finished.outcome if job.finished else "running") == sign.state
        ]
        if scene.task(ran).operation:
            return f"{ran} {sign.state}: job {jobs[0].started.job}" if jobs else ""
        return f"{ran} {sign.state}" if task_state(scene, ran)[0] == sign.state else ""
    value, source = _measured(scene, ran, sign.measure) if sign.measure else _typed(scene, ran, sign.record)
    if not met(sign.value, value):
        return ""
    return f"{ran} {sign.measure or sign.record}: {wording.value(value)}, {source}"


def _measured(scene: Scene, task: str, measure: str) -> tuple[Value, str]:
    for job in scene.latest(task).values():
        found = job.measure(measure)
        if found is not None and found.value is not None:
            return found.value, f"job {job.started.job}"
    return None, ""


def _typed(scene: Scene, task: str, record: str) -> tuple[Value, str]:
    signed = scene.state.records.get((task, scene.round(task), record, current(scene, task)))
    return (signed.value, f"typed by {signed.operator} at {signed.at}") if signed else (None, "")


def _by_time(scene: Scene, sign: Sign) -> str:
    """On the task's day: whether all that the plan has before it in the phase is done."""
    state, _ = task_state(scene, sign.task)
    if state in ("done", "skipped") or scene.now < day_start(scene, sign.task):
        return ""
    phase = scene.plan.task_phase[sign.task]
    before = [
        id
        for id in scene.plan.task
        if scene.plan.task_phase[id] == phase
        and scene.task(id).day
        and planned(scene, id)[1] <= day_start(scene, sign.task)
        and counts(scene, id)
    ]
    open_tasks = [id for id in before if task_state(scene, id)[0] not in ("done", "skipped")]
    if not before or bool(open_tasks) is not (sign.schedule == "late"):
        return ""
    return f"the day of {sign.task} has come: all before it is {'not ' if open_tasks else ''}done"
