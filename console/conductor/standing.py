"""What a rehearsal leaves unproven: at a gate, behind it, and in all. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from console.conductor.scene import Scene, remembered
from console.plan.graph import Graph
from operations.contract import Standing


def standing(scene: Scene) -> Standing:
    """What evidence of this site stands for, for an operation that writes it down."""
    return Standing(scene.rehearsal, {f"{gate} {label}": reason for gate, label, reason in _aside(scene)})


@remembered
def not_proven(scene: Scene, gate: str) -> tuple[str, ...]:
    """``criterion: reason`` of what this rehearsal can't prove at the gate; then, with their gate, of those behind it.

    Behind a gate are all that it waits for: what they did not prove, no later decision has proven either.
    """
    behind = _behind(scene, gate)
    own = [f"{label}: {reason}" for at, label, reason in _aside(scene) if at == gate]
    return (*own, *(f"{at} {label}: {reason}" for at, label, reason in _aside(scene) if at in behind))


def reads(scene: Scene, gate: str, outcome: str) -> str:
    """A decision in words: ``NO-GO``, ``GO``, and on a rehearsal ``GO (rehearsal); not proven here: ...``."""
    if outcome != "go" or not scene.rehearsal:
        return outcome.upper()
    aside = "; ".join(not_proven(scene, gate))
    return f"GO (rehearsal){f'; not proven here: {aside}' if aside else ''}"


def _aside(scene: Scene) -> Iterator[tuple[str, str, str]]:
    """(gate, criterion's label, reason) of each criterion that the site sets aside, gates in the plan's order."""
    for gate, planned in scene.plan.gate.items():
        for name, criterion in planned.criterion.items():
            reason = scene.not_here.get(f"{gate}.{name}")
            if reason is not None:
                yield gate, criterion.label, reason


@remembered
def _behind(scene: Scene, gate: str) -> frozenset[str]:
    if not scene.not_here:
        return frozenset()
    graph = Graph(scene.plan)
    here = graph.deciders.get(gate, [])
    return frozenset(
        other
        for other, deciders in graph.deciders.items()
        if other != gate and any(graph.waits_for(task, decider) for task in here for decider in deciders)
    )
