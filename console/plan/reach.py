"""Tasks that can never start, because what they wait for can't all hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from console.plan.faults import Finding
from console.plan.graph import Graph

World: TypeAlias = frozenset[tuple[str, str]]
"""Outcomes of gates, as (gate, ``go`` or ``no-go``), under which something may happen."""

_TERM = re.compile(r"([A-Za-z0-9._-]+) is (go|no-go|decided)")
_ANY: frozenset[World] = frozenset([frozenset()])
_MOST = 64
"""With more ways than these to reach a task its gates are not looked at any further."""


def unreachable(graph: Graph) -> Iterator[Finding]:
    """Each task that can never start although all that it waits for can. The graph has no cycle."""
    worlds: dict[str, frozenset[World]] = {}
    for id in _in_order(graph):
        task = graph.plan.task[id]
        if task.during in graph.plan.task and not graph.plan.task[task.during].operation:
            yield Finding(("task", id, "during"), f"{task.during} has no operation, so there is no run to be during")
        asked = _asked(graph, id, worlds)
        held = _all(asked)
        if not held:
            phase = graph.plan.phase.get(graph.plan.task_phase.get(id, ""))
            pairs = {pair for ways in asked for world in ways for pair in world}
            pairs |= {*_TERM.findall(task.when), *_TERM.findall(phase.when if phase else "")}
            both = " and ".join(sorted(gate for gate, outcome in pairs if outcome == "go" and (gate, "no-go") in pairs))
            key = "when" if task.when else "needs"
            yield Finding(
                ("task", id, key), f"can never start: what it waits for asks for different outcomes of {both}"
            )
        worlds[id] = held or _ANY


def _in_order(graph: Graph) -> list[str]:
    """Tasks after those they wait for, alternatives of these included where that leads in no circle."""
    order: dict[str, None] = {}
    for start in graph.plan.task:
        stack = [start]
        entered: set[str] = set()
        while stack:
            id = stack[-1]
            ahead = {other for wait in graph.waits[id] for other in graph.alternatives(wait)} - order.keys() - entered
            if id in order or not ahead or id in entered:
                order.setdefault(stack.pop())
            else:
                entered.add(id)
                stack += sorted(ahead)
    return list(order)


def _asked(graph: Graph, id: str, worlds: dict[str, frozenset[World]]) -> list[frozenset[World]]:
    """What each thing that the task waits for asks of the gates."""
    plan = graph.plan
    task = plan.task[id]
    phase = plan.phase.get(plan.task_phase.get(id, ""))
    asked = [_condition(graph, when, worlds) for when in (phase.when if phase else "", task.when) if when]
    for other in (*task.needs, task.during):
        if other in plan.task and not (other in task.needs and plan.task[other].optional):
            asked.append(frozenset().union(*(worlds.get(a, _ANY) for a in graph.alternatives(other))))
    return [ways for ways in asked if frozenset() not in ways]


def _condition(graph: Graph, when: str, worlds: dict[str, frozenset[World]]) -> frozenset[World]:
    found: set[World] = set()
    for alternative in when.split(" or "):
        terms = []
        for gate, outcome in _TERM.findall(alternative):
            reached = [worlds.get(decider, _ANY) for decider in graph.deciders.get(gate, ())]
            terms += [ways for ways in reached if frozenset() not in ways]
            if outcome != "decided":
                terms.append(frozenset([frozenset([(gate, outcome)])]))
        found |= _all(terms)
    return frozenset(found)


def _all(asked: Iterable[frozenset[World]]) -> frozenset[World]:
    """The ways in which all of it holds; none if there is no such way."""
    held = _ANY
    for ways in asked:
        together = (one | other for one in held for other in ways)
        held = frozenset(world for world in together if len(dict(world)) == len(world))
        if len(held) > _MOST:
            return _ANY
    return held
