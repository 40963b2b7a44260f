"""What speaks for a deliverable before a person ticks it: gates with their criteria, and records. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from console.conductor import wording
from console.conductor.criteria import criteria
from console.conductor.ready import gate_state
from console.conductor.records import record
from console.conductor.scene import Scene
from console.conductor.standing import reads

_VERDICT = {True: "met", False: "NOT met", None: "not measured"}


def evidence(scene: Scene, task: str, deliverable: str) -> tuple[str, ...]:
    """One line for each thing that the plan names for the deliverable, as it stands; empty if it names none.

    A gate that is NO-GO stands with its retests, once these are open.
    """
    found: list[str] = []
    for name in scene.task(task).shown_by.get(deliverable, ()):
        found += _gate(scene, name) if name in scene.plan.gate else [_record(scene, name)]
    return tuple(found)


def _gate(scene: Scene, id: str) -> Iterator[str]:
    taken = scene.state.decision(id)
    said = reads(scene, id, taken.entry.outcome) if taken else gate_state(scene, id)
    yield f"{id} {scene.plan.gate[id].title}: {said}"
    for criterion in criteria(scene, id):
        aside = "" if criterion.gates else ", gates nothing here"
        verdict = f"{_VERDICT[criterion.met]}{', stale' if criterion.stale else ''}{aside}"
        yield f"{id} {criterion.label}: {criterion.shown}, asks {criterion.asks}: {verdict}"
    if taken is not None and taken.entry.outcome == "no-go":
        for other, planned in scene.plan.gate.items():
            if planned.retests == id and gate_state(scene, other) != "closed":
                yield from _gate(scene, other)


def _record(scene: Scene, name: str) -> str:
    task, _, slug = name.rpartition(".")
    ran = scene.ran(task)
    found = record(scene, ran if slug in scene.task(ran).record else task, slug)
    shown = wording.value(found.value, found.unit, found.n, found.count)
    why = f" ({found.reason})" if found.value is None and found.reason else ""
    expected = f", expected {found.expected}" if found.expected else ""
    return f"{task} {found.label}: {shown}{why}{expected}"
