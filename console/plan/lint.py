"""What is wrong with the meaning of a plan or a site: names that lead nowhere, cycles, contradictions.

Faults keep a plan from loading; notes only deserve a look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.plan import limits, lint_operations, reach
from console.plan.faults import Finding
from console.plan.graph import Graph, gates_in
from console.plan.schedule import zone
from console.plan.sites import Host, Site, matches
from console.plan.types import Condition, Plan, Task, within
from operations import registry

_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # as Docker has them; none is taken for an option


def lint_plan(plan: Plan) -> Iterator[Finding]:
    """Everything that is wrong with a plan, in no order."""
    graph = Graph(plan)
    yield from _phases(plan)
    for id, task in plan.task.items():
        yield from _names(plan, id, task)
        yield from _times(plan, id, task)
    cycles = graph.cycles()
    yield from _cycles(plan, cycles)
    if not cycles:
        yield from reach.unreachable(graph)
    yield from _unique(plan)
    yield from _gates(plan, graph)
    yield from _contingencies(plan)
    yield from _register(plan)
    yield from _addendum(plan)
    yield from _without_end(plan)
    yield from limits.in_plan(plan)
    yield from lint_operations.in_plan(plan, graph)


def lint_site(site: Site, plan: Plan | None = None) -> Iterator[Finding]:
    """Everything that is wrong with a site, by itself or for that plan, in no order."""
    yield from _hosts(site)
    try:
        zone(site.zone)
    except ValueError as error:
        yield Finding(("zone",), f"{error} on this machine; expected one such as UTC or Europe/Paris")
    if site.not_here and not site.rehearsal:
        yield Finding(("not_here",), "only a site with rehearsal = true may set criteria aside")
    if plan is not None:
        yield from _not_here(site, plan)
        yield from _named_hosts(site, plan)
        yield from limits.in_site(site, plan)
        yield from lint_operations.in_site(site, plan)


def _phases(plan: Plan) -> Iterator[Finding]:
    for id, phase in plan.phase.items():
        yield from _condition(plan, ("phase", id, "when"), phase.when)
        if 0 < plan.days < phase.offset + phase.days:  # 0 stands for days that could not be read
            end = phase.offset + phase.days
            yield Finding(("phase", id, "days"), f"ends after day {end}, the plan after day {plan.days}")
    for id, day in plan.day.items():
        if 0 < plan.days <= day.offset:
            yield Finding(("day", id, "offset"), f"expected less than the plan's {plan.days} days, got {day.offset}")
        if day.within and day.within not in plan.day:
            yield Finding(("day", id, "within"), f'no day "{day.within}"')
        elif id in within(plan, id):
            yield Finding(("day", id, "within"), "is a part of itself")


def _names(plan: Plan, id: str, task: Task) -> Iterator[Finding]:
    place = ("task", id)
    for at, need in enumerate(task.needs):
        if need == id:
            yield Finding((*place, "needs", at), "a task can't need itself")
        elif need not in plan.task:
            yield Finding((*place, "needs", at), f'no task "{need}"')
    for key in ("during", "instead_of"):
        named = getattr(task, key)
        if named and (named not in plan.task or named == id):
            yield Finding((*place, key), f'no other task "{named}"')
    if task.instead_of in plan.task and plan.task[task.instead_of].instead_of:
        yield Finding((*place, "instead_of"), f"{task.instead_of} stands instead of another itself; name that one")
    yield from _condition(plan, (*place, "when"), task.when)
    if task.gate and task.gate not in plan.gate:
        yield Finding((*place, "gate"), f'no gate "{task.gate}"')
    if task.day and task.day not in plan.day:
        yield Finding((*place, "day"), f'no day "{task.day}"')


def _condition(plan: Plan, place: tuple[str, ...], when: Condition) -> Iterator[Finding]:
    for gate in gates_in(when):
        if gate not in plan.gate:
            yield Finding(place, f'no gate "{gate}"')
        elif plan.gate[gate].provisional:
            yield Finding(place, f"{gate} is provisional: it unlocks nothing")


def _times(plan: Plan, id: str, task: Task) -> Iterator[Finding]:
    if task.due and not (task.day or task.repeats):
        yield Finding(("task", id, "due"), "has no day to be due on")
    if task.minutes and task.minutes[0] > task.minutes[1]:
        yield Finding(("task", id, "minutes"), f"expected least and most, got {task.minutes[0]} and {task.minutes[1]}")
    if task.until and (task.until not in plan.task or task.until == id):
        yield Finding(("task", id, "until"), f'no other task "{task.until}"')
    if task.until and (task.operation or task.repeats not in ("daily", "weekly")):
        yield Finding(("task", id, "until"), "only a person's task that repeats daily or weekly has an end to its days")
    if task.weekday and task.repeats != "weekly":
        yield Finding(("task", id, "weekday"), "only a task that repeats weekly falls on a weekday")
    day, phase = plan.day.get(task.day), plan.phase.get(plan.task_phase.get(id, ""))
    if day and phase and not phase.offset <= day.offset < phase.offset + max(1, phase.days):
        yield Finding(("task", id, "day"), f'day "{task.day}" is not among those of phase "{plan.task_phase[id]}"')


def _cycles(plan: Plan, cycles: list[list[str]]) -> Iterator[Finding]:
    for cycle in cycles:
        key = "needs" if plan.task[cycle[0]].needs else "when"
        yield Finding(("task", cycle[0], key), f"waits for itself: {' -> '.join([*cycle, cycle[0]])}")


def _unique(plan: Plan) -> Iterator[Finding]:
    for kind, what in (("deliverable", "deliverable"), ("step", "step")):
        first: dict[str, str] = {}
        for id, task in plan.task.items():
            for name in getattr(task, kind):
                if name in first:
                    yield Finding(("task", id, kind, name), f"{what} {name} is at {first[name]} already")
                first.setdefault(name, id)


def _gates(plan: Plan, graph: Graph) -> Iterator[Finding]:
    for id, gate in plan.gate.items():
        deciders = graph.deciders.get(id, [])
        if not deciders:
            yield Finding(("gate", id), f'no task has gate = "{id}", so it can never be decided')
        for other in deciders[1:]:
            yield Finding(("task", other, "gate"), f"{id} is decided at {deciders[0]} already")
        if gate.retests and gate.retests not in plan.gate:
            yield Finding(("gate", id, "retests"), f'no gate "{gate.retests}"')
        if gate.option and not gate.retests:
            yield Finding(("gate", id, "option"), "only a gate that retests another may offer options")
        if not gate.criterion:
            yield Finding(("gate", id), "has no criterion, so nothing can show that it may be opened")
        for name, criterion in gate.criterion.items():
            place = ("gate", id, "criterion", name, "task")
            if criterion.task not in plan.task:
                yield Finding(place, f'no task "{criterion.task}"')
            elif deciders and criterion.task != deciders[0] and not graph.waits_for(deciders[0], criterion.task):
                yield Finding(place, f"{deciders[0]}, where {id} is decided, does not wait for {criterion.task}")


def _contingencies(plan: Plan) -> Iterator[Finding]:
    for id, contingency in plan.contingency.items():
        for at, task in enumerate(contingency.task):
            if task not in plan.task:
                yield Finding(("contingency", id, "task", at), f'no task "{task}"')
        if contingency.gate and contingency.gate not in plan.gate:
            yield Finding(("contingency", id, "gate"), f'no gate "{contingency.gate}"')
        if not contingency.sign and not contingency.gate:
            yield Finding(
                ("contingency", id), "has neither sign nor gate: only a person can tell that it is there", True
            )
        if contingency.until and contingency.until not in plan.task:
            yield Finding(("contingency", id, "until"), f'no task "{contingency.until}"')
        for at, sign in enumerate(contingency.sign):
            yield from lint_operations.sign(("contingency", id, "sign", at), plan, sign)


def _register(plan: Plan) -> Iterator[Finding]:
    for id, risk in plan.risk.items():
        if risk.contingency not in plan.contingency:
            yield Finding(("risk", id, "contingency"), f'no contingency "{risk.contingency}"')
    for id, milestone in plan.milestone.items():
        if milestone.phase and milestone.phase not in plan.phase:
            yield Finding(("milestone", id, "phase"), f'no phase "{milestone.phase}"')


def _addendum(plan: Plan) -> Iterator[Finding]:
    asked = plan.addendum
    if asked and asked.gate not in plan.gate:
        yield Finding(("addendum", "gate"), f'no gate "{asked.gate}"')
    if asked and asked.phase not in plan.phase:
        yield Finding(("addendum", "phase"), f'no phase "{asked.phase}"')


def _without_end(plan: Plan) -> Iterator[Finding]:
    for id, task in plan.task.items():
        if not (task.operation or task.gate or task.record or task.deliverable):
            yield Finding(("task", id), "has neither operation, gate, record nor deliverable: nothing can finish it")


def _hosts(site: Site) -> Iterator[Finding]:
    if not site.host:
        yield Finding(("host",), "expected at least one host")
    roots: dict[tuple[str, str], str] = {}
    for id, host in site.host.items():
        place = ("host", id)
        parts = host.root.split("/")
        if host.link == "ssh":
            for key in ("address", "known_hosts"):
                if not getattr(host, key):
                    yield Finding((*place, key), "missing; a host over SSH needs it")
            if not host.root.startswith("/") or ".." in parts:
                yield Finding((*place, "root"), f'expected an absolute path, got "{host.root}"')
        elif not host.root or ".." in parts:
            yield Finding((*place, "root"), f'expected a path without "..", got "{host.root}"')
        where = (host.address, host.root.rstrip("/"))
        if where in roots:
            yield Finding((*place, "root"), f"is the root of {roots[where]} already; each host needs its own")
        roots.setdefault(where, id)
        yield from _container(place, host)


def _container(place: tuple[str, ...], host: Host) -> Iterator[Finding]:
    if host.container and not host.container_root.startswith("/"):
        yield Finding((*place, "container_root"), "expected the root's absolute path inside the container")
    if host.container and not _CONTAINER.fullmatch(host.container):
        yield Finding((*place, "container"), f'expected a container\'s name or id, got "{host.container}"')
    for key in ("container_python", "docker"):
        if host.container and not getattr(host, key):
            yield Finding((*place, key), "empty; a host with a container needs it")
    if host.contained and not host.container:
        yield Finding((*place, "contained"), "names operations but there is no container")
    for at, pattern in enumerate(host.contained):
        if not any(matches(pattern, name) for name in registry.names()):
            yield Finding((*place, "contained", at), f'no operation "{pattern}"; expected one, or a group as dataset.*')


def _not_here(site: Site, plan: Plan) -> Iterator[Finding]:
    for key in site.not_here:
        if limits.aside(key):
            continue
        gate, _, name = key.rpartition(".")
        criterion = plan.gate[gate].criterion.get(name) if gate in plan.gate else None
        if criterion is None:
            yield Finding(("not_here", key), "no such criterion; expected GATE.criterion")
        elif criterion.kind != "facility":
            yield Finding(("not_here", key), "is a software criterion: it gates everywhere")


def _named_hosts(site: Site, plan: Plan) -> Iterator[Finding]:
    asked: dict[str, str] = {}
    for id, task in plan.task.items():
        for host in task.host if isinstance(task.host, list) else [task.host]:
            asked.setdefault(host, id)
    for host, first in asked.items():
        if host and host not in site.host:
            yield Finding(("host",), f'no host "{host}", which task {first} runs on')
