"""What a person gives to the plan: values, ticks, days left out, answers. Each as the row that says it. Pure."""

from __future__ import annotations

import math

from console.conductor.compose import may_tick
from console.conductor.contingencies import contingency
from console.conductor.errors import BadInput, Refused
from console.conductor.occurrences import current, falls_due, occurrences
from console.conductor.ready import task_state
from console.conductor.scene import Scene
from console.journal.entries import Answered, RecordTyped, Scalar, Skipped, Ticked
from console.plan.types import Record, Task
from console.text import BLOCK_LIMIT, LINE_LIMIT, clean

_DIGITS = 40
"""Characters of a number that are read: a double has seventeen digits."""
_YES_NO = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False}


def record(scene: Scene, task: str, slug: str, text: str, occurrence: str = "") -> RecordTyped:
    """What a person measured or saw. Raises Refused, or BadInput for what is not there or can't be read."""
    asked = task_of(scene, task).record.get(slug)
    if asked is None:
        raise BadInput(f"{task} has no record {slug}; it has {', '.join(scene.task(task).record) or 'none'}")
    if asked.measure:
        raise Refused(f"{task}.{slug} is measured by {scene.task(task).operation}; it can't be typed")
    if asked.written:
        raise Refused(f"{task}.{slug} is written by the program: run {task}; it can't be typed")
    value = parsed(f"{task}.{slug}", asked, text)
    state, why = task_state(scene, task)
    if state in ("locked", "skipped"):
        raise Refused(f"{task} is {state}: {'; '.join(why)}")
    on = _taken(scene, task, occurrence)
    return RecordTyped(task=task, round=scene.round(task), record=slug, value=value, occurrence=on)


def tick(scene: Scene, task: str, deliverable: str, *, undo: bool, occurrence: str = "") -> Ticked:
    """A deliverable that a person saw, or its tick taken back. Raises Refused, BadInput."""
    if deliverable not in task_of(scene, task).deliverable:
        has = ", ".join(scene.task(task).deliverable) or "none"
        raise BadInput(f"{task} has no deliverable {deliverable}; it has {has}")
    on = _taken(scene, task, occurrence)
    ticked = (task, scene.round(task), deliverable, on) in scene.state.ticks
    if undo and not ticked:
        raise Refused(f"{deliverable} of {task} is not ticked")
    if not undo:
        if ticked:
            raise Refused(f"{deliverable} of {task} is ticked already")
        if why_not := may_tick(scene, task):
            raise Refused(f"{deliverable} can't be ticked: {why_not}")
    return Ticked(task=task, round=scene.round(task), deliverable=deliverable, undo=undo, occurrence=on)


def skip(scene: Scene, task: str, reason: str, occurrence: str = "") -> Skipped:
    """An optional task, or a day of one that repeats, left out. Raises Refused, BadInput."""
    asked = task_of(scene, task)
    if not falls_due(asked):
        if occurrence:
            raise BadInput(f"{task} does not repeat day by day")
        if not asked.optional:
            raise Refused(f"{task} is not optional: it can't be skipped")
        return skip_whole(scene, task, reason)
    on = _on(scene, task, occurrence)
    state = next(day.state for day in occurrences(scene, task) if day.id == on)
    if state in ("done", "skipped"):
        raise Refused(f"{task} on {on} is {state}: it can't be skipped")
    return Skipped(task=task, round=scene.round(task), reason=_said(task, reason), occurrence=on)


def skip_whole(scene: Scene, task: str, reason: str) -> Skipped:
    """A task left out. Raises Refused unless it has not begun."""
    state, _ = task_state(scene, task)
    if state not in ("ready", "locked"):
        raise Refused(f"{task} is {state}: it can't be skipped")
    return Skipped(task=task, round=scene.round(task), reason=_said(task, reason))


def answer(scene: Scene, id: str, text: str) -> Answered:
    """What was done about a contingency that something calls for. Raises Refused, BadInput."""
    if id not in scene.plan.contingency:
        raise BadInput(f"no contingency {id} in this plan; it has {', '.join(scene.plan.contingency) or 'none'}")
    said = block(id, text)
    if not said:
        raise BadInput(f"{id}: say what was done")
    found = contingency(scene, id)
    if found.state == "quiet":
        raise Refused(f"{id}: nothing calls for it ({found.condition})")
    return Answered(contingency=id, signs=list(found.signs), text=said)


def task_of(scene: Scene, task: str) -> Task:
    """The plan's task. Raises BadInput if there is none of that id."""
    if task not in scene.plan.task:
        raise BadInput(f"no task {task} in this plan")
    return scene.task(task)


def _on(scene: Scene, task: str, occurrence: str) -> str:
    """The day that what is given belongs to; "" for a task that does not repeat day by day."""
    if not falls_due(scene.task(task)):
        if occurrence:
            raise BadInput(f"{task} does not repeat day by day")
        return ""
    begun = [day.id for day in occurrences(scene, task) if day.state != "coming"]
    if occurrence and occurrence not in begun:
        raise BadInput(f"{task} has no day {occurrence}; it has {', '.join(begun[-7:]) or 'none yet'}")
    on = occurrence or current(scene, task)
    if not on:
        raise Refused(f"the first day of {task} has not come")
    return on


def _taken(scene: Scene, task: str, occurrence: str) -> str:
    """The day for a value or a tick. Raises Refused for one that was left out."""
    on = _on(scene, task, occurrence)
    if on and (task, scene.round(task), on) in scene.state.skipped:
        raise Refused(f"{task} on {on} was left out")
    return on


def line(label: str, text: str) -> str:
    """One line that a person typed, cleaned. Raises BadInput if it is too long to be kept whole."""
    if len(text) > LINE_LIMIT:
        raise BadInput(f"{label}: {len(text):,} characters, at most {LINE_LIMIT:,} can be kept")
    return clean(text).strip()


def block(label: str, text: str) -> str:
    """A text of one or more lines that a person typed, cleaned. Raises BadInput if it is too long."""
    if len(text) > BLOCK_LIMIT:
        raise BadInput(f"{label}: {len(text):,} characters, at most {BLOCK_LIMIT:,} can be kept")
    return "\n".join(clean(part, BLOCK_LIMIT) for part in text.split("\n")).strip()


def _said(task: str, reason: str) -> str:
    said = line(task, reason)
    if not said:
        raise BadInput(f"{task}: skipping needs a reason")
    return said


def parsed(name: str, asked: Record, text: str) -> Scalar:
    """What was typed, as the record asks for it: yes or no, a number, or text. Raises BadInput."""
    cleaned = line(name, text)
    if not cleaned:
        raise BadInput(f"{name}: nothing was given")
    if asked.typed_as == "text":
        return cleaned
    if asked.typed_as == "flag":
        try:
            return _YES_NO[cleaned.lower()]
        except KeyError:
            raise BadInput(f"{name}: {cleaned!r} is neither yes nor no") from None
    plain = cleaned.replace(",", "")
    if len(plain) > _DIGITS:
        raise BadInput(f"{name}: a number of {len(plain):,} characters, at most {_DIGITS} are read")
    try:
        return int(plain)
    except ValueError:
        pass
    try:
        found = float(plain)
    except ValueError:
        found = math.nan
    vanished = found == 0 and any(digit in "123456789" for digit in plain.lower().partition("e")[0])
    if vanished or not math.isfinite(found):
        raise BadInput(f"{name}: {cleaned!r} is no number{f' of {asked.unit}' if asked.unit else ''}")
    return found
