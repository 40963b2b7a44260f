"""What must come before what in a plan."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from console.plan.types import Plan

_TERM = re.compile(r"([A-Za-z0-9._-]+) is (?:go|no-go|decided)")


def gates_in(condition: str) -> list[str]:
    """The gates that a condition names."""
    return _TERM.findall(condition)


@dataclass
class Graph:
    """Which tasks a task waits for; names that no table has are left out."""

    plan: Plan
    deciders: dict[str, list[str]] = field(init=False)
    """Gate -> the tasks at which it is decided."""
    waits: dict[str, set[str]] = field(init=False)
    """Task -> the tasks it waits for itself."""
    _others: dict[str, set[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        tasks = self.plan.task
        self.deciders = {}
        for id, task in tasks.items():
            if task.gate:
                self.deciders.setdefault(task.gate, []).append(id)
            if task.instead_of in tasks:
                self._others.setdefault(id, set()).add(task.instead_of)
                self._others.setdefault(task.instead_of, set()).add(id)
        self.waits = {}
        for id, task in tasks.items():
            phase = self.plan.phase.get(self.plan.task_phase.get(id, ""))
            asked = gates_in(task.when) + gates_in(phase.when if phase else "")
            named = {*task.needs, task.during, *(t for gate in asked for t in self.deciders.get(gate, ()))}
            self.waits[id] = named & tasks.keys()

    def alternatives(self, id: str) -> set[str]:
        """The task, and those that may be done instead of it or that it may be done instead of."""
        return {id, *self._others.get(id, ())}

    def waits_for(self, id: str, other: str) -> bool:
        """Whether ``other``, or an alternative of it, has started when ``id`` may. Works on cycles too."""
        found: set[str] = set()
        waiting = [id]
        while waiting:
            for task in self.waits[waiting.pop()] - found:
                if other in self.alternatives(task):
                    return True
                found.add(task)
                waiting.append(task)
        return False

    def cycles(self) -> list[list[str]]:
        """Each group of tasks that wait for each other, once, in the order they do."""
        found: list[list[str]] = []
        done: set[str] = set()
        for start in self.plan.task:
            trail = {start: iter(sorted(self.waits[start]))} if start not in done else {}
            while trail:
                task, waits = next(reversed(trail.items()))
                ahead = next(waits, None)
                if ahead is None:
                    del trail[task]
                    done.add(task)
                elif ahead in trail:
                    path = list(trail)
                    found.append(path[path.index(ahead) :])
                elif ahead not in done:
                    trail[ahead] = iter(sorted(self.waits[ahead]))
        return found
