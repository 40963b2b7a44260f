"""Whether what a plan or a site says of operations is what those operations declare."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import msgspec

from console.plan.faults import Finding, Path
from console.plan.graph import Graph
from console.plan.sites import Site
from console.plan.tables import choices
from console.plan.types import ArtefactFrom, Binds, Criterion, Expectation, Gate, JobsOf, Plan, Record, Sign, Task
from operations import registry
from operations.contract import Field, Kind, Measure, Operation, fields

_ORDERED = (Kind.NUMBER, Kind.COUNT, Kind.PROPORTION)


def in_plan(plan: Plan, graph: Graph) -> Iterator[Finding]:
    """Operations, parameters, records and criteria against the declarations."""
    for id, task in plan.task.items():
        place: Path = ("task", id)
        operation = _find(task)
        if operation:
            yield from _hosts(place, task, operation)
            yield from _parameters(plan, graph, id, task, operation)
        elif task.operation:
            yield Finding((*place, "operation"), f'no operation "{task.operation}"')
        elif task.parameters:
            yield Finding((*place, "parameters"), "has no operation to take them")
        yield from _shown_by((*place, "shown_by"), task, plan)
        if operation or not task.operation:
            for slug, record in task.record.items():
                yield from _record((*place, "record", slug), record, operation)
                if record.written and (task.operation or task.gate or task.repeats or record.measure):
                    what = "only a task that has no operation and no gate, and does not repeat, has it written"
                    yield Finding((*place, "record", slug, "written"), what)
    for id, gate in plan.gate.items():
        yield from _gate(("gate", id), gate, plan)


def _shown_by(place: Path, task: Task, plan: Plan) -> Iterator[Finding]:
    """Whether each thing that speaks for a deliverable is in the plan."""
    for deliverable, named in task.shown_by.items():
        if deliverable not in task.deliverable:
            yield Finding((*place, deliverable), f'no deliverable "{deliverable}" in this task')
        for at, name in enumerate(named):
            other, _, record = name.rpartition(".")
            if name not in plan.gate and not (other in plan.task and record in plan.task[other].record):
                yield Finding((*place, deliverable, at), f'"{name}" is neither a gate nor a TASK.record of this plan')


def _gate(place: Path, gate: Gate, plan: Plan) -> Iterator[Finding]:
    for name, criterion in gate.criterion.items():
        yield from _criterion((*place, "criterion", name), criterion, plan)
    if gate.binds is not None:
        yield from _binds((*place, "binds"), gate.binds, plan)
    for name, option in gate.option.items():
        here = (*place, "option", name)
        for other, values in option.parameters.items():
            yield from _values((*here, "parameters", other), plan, other, values, amounts=False)
        for at, other in enumerate(option.again):
            if other not in plan.task:
                yield Finding((*here, "again", at), f'no task "{other}"')


def in_site(site: Site, plan: Plan) -> Iterator[Finding]:
    """A site's parameters: only amounts of operations that the plan runs. And the addresses that those need."""
    for task, values in site.parameters.items():
        yield from _values(("parameters", task), plan, task, values, amounts=True)
    yield from _own_addresses(site, plan)


def _own_addresses(site: Site, plan: Plan) -> Iterator[Finding]:
    """A far host whose jobs listen for another host's: on its loopback they would hear nobody."""
    told: set[str] = set()
    for id, task in plan.task.items():
        operation = _find(task)
        first = task.host[0] if isinstance(task.host, list) and task.host else ""
        host = site.host.get(first)
        if operation is None or host is None or host.link == "local" or host.wired or first in told:
            continue
        given = {**task.parameters, **site.parameters.get(id, {})}
        if operation.relays and operation.relays(given):
            continue
        if any(field.own_address and field.name not in given for field in fields(operation)):
            told.add(first)
            yield Finding(("host", first, "wired"), f"missing; {id} listens there for the other hosts")


def sign(place: Path, plan: Plan, asked: Sign) -> Iterator[Finding]:
    """Whether a contingency's sign can ever be there."""
    task = plan.task.get(asked.task)
    if task is None:
        yield Finding((*place, "task"), f'no task "{asked.task}"')
        return
    if sum(map(bool, (asked.state, asked.schedule, asked.measure, asked.record))) != 1:
        yield Finding(place, "expected exactly one of state, schedule, measure and record")
    elif bool(asked.value) is not bool(asked.measure or asked.record):
        what = "says no value: give one, such as { equals = true }" if not asked.value else "has no value to compare"
        yield Finding((*place, "value") if asked.value else place, what)
    elif asked.schedule and not task.day:
        yield Finding((*place, "schedule"), f"{asked.task} has no day")
    elif asked.measure:
        operation = _find(task)
        if operation is None or operation.measure(asked.measure) is None:
            yield Finding((*place, "measure"), f'{asked.task} measures no "{asked.measure}"')
    elif asked.record and (asked.record not in task.record or task.record[asked.record].measure):
        yield Finding((*place, "record"), f'{asked.task} has no record "{asked.record}" that a person types')


def _find(task: Task | None) -> Operation | None:
    return registry.find(task.operation) if task and task.operation in registry.names() else None


def _hosts(place: Path, task: Task, operation: Operation) -> Iterator[Finding]:
    named = task.host if isinstance(task.host, list) else [task.host]
    if "" in named or len(named) != len(operation.roles):
        roles = ", ".join(operation.roles) if len(operation.roles) > 1 else ""
        expected = f"{len(operation.roles)} hosts, in the order {roles}" if roles else "one host"
        yield Finding((*place, "host"), f"expected {expected} for {operation.name}")


def _parameters(plan: Plan, graph: Graph, id: str, task: Task, operation: Operation) -> Iterator[Finding]:
    place = ("task", id, "parameters")
    declared = {field.name: field for field in fields(operation)}
    for name, value in task.parameters.items():
        here = (*place, name)
        field = declared.get(name)
        if field is None:
            yield Finding(here, f"{operation.name} has no such parameter; it has {', '.join(declared)}")
        elif isinstance(value, ArtefactFrom):
            if field.takes != "artefact":
                yield Finding(here, "takes no artefact")
            yield from _artefact(here, plan, graph, id, value)
        elif isinstance(value, JobsOf):
            if field.takes != "jobs":
                yield Finding(here, "takes no jobs")
            yield from _jobs(here, plan, graph, id, value)
        else:
            yield from _value(here, operation, field, value)
    for field in declared.values():
        if field.required and field.takes != "standing" and field.name not in task.parameters:
            yield Finding(place, f"{operation.name} needs {field.name}: {field.about}")


def _artefact(place: Path, plan: Plan, graph: Graph, id: str, value: ArtefactFrom) -> Iterator[Finding]:
    source = plan.task.get(value.task)
    if source is None:
        yield Finding((*place, "task"), f'no task "{value.task}"')
        return
    operation = _find(source)
    if operation is None or operation.output(value.artefact) is None:
        made = ", ".join(o.name for o in operation.outputs) if operation and operation.outputs else "no artefact"
        yield Finding((*place, "artefact"), f'{value.task} makes no "{value.artefact}"; it makes {made}')
    yield from _waits(place, graph, id, value.task)
    if source.optional:
        yield Finding((*place, "task"), f"{value.task} is optional: what it makes may never be there")
    here, there = plan.task[id].host, source.host
    needed = here[-1] if isinstance(here, list) and here else here
    if needed and there and needed not in (there if isinstance(there, list) else [there]):
        shown = " and ".join(there) if isinstance(there, list) else there
        yield Finding((*place, "task"), f"{value.artefact} of {value.task} is on {shown}, needed on {needed}")


def _jobs(place: Path, plan: Plan, graph: Graph, id: str, value: JobsOf) -> Iterator[Finding]:
    if value.jobs_of not in plan.task:
        yield Finding((*place, "jobs_of"), f'no task "{value.jobs_of}"')
    elif not plan.task[value.jobs_of].operation:
        yield Finding((*place, "jobs_of"), f"{value.jobs_of} has no operation, so it has no jobs")
    else:
        yield from _waits(place, graph, id, value.jobs_of)


def _waits(place: Path, graph: Graph, id: str, source: str) -> Iterator[Finding]:
    if not graph.waits_for(id, source):
        yield Finding(place, f"{id} does not wait for {source}; name it in needs")


def _value(place: Path, operation: Operation, field: Field, value: object) -> Iterator[Finding]:
    if field.takes == "artefact":
        yield Finding(place, "expected { task, artefact }")
    elif field.takes == "jobs":
        yield Finding(place, "expected { jobs_of }")
    elif field.takes == "standing":
        yield Finding(place, "is what the site stands for: the console fills it in")
    elif field.takes == "relay":
        yield Finding(place, "says whether the console relays: the console fills it in, by the other parameters")
    else:
        wanted = _types(operation.parameters)[field.name]
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            message = str(error).split(" - at ")[0].replace("`", "")
            if some := choices(wanted):
                message = f"expected {some}"
            yield Finding(place, f"{message[0].lower()}{message[1:]}, got {value!r}")


@functools.cache
def _types(parameters: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(parameters)}


def _values(place: Path, plan: Plan, id: str, values: dict[str, Any], *, amounts: bool) -> Iterator[Finding]:
    """Values for a task from outside it."""
    if id not in plan.task:
        yield Finding(place, f'no task "{id}"')
        return
    operation = _find(plan.task[id])
    if operation is None:
        if not plan.task[id].operation:
            yield Finding(place, f"{id} has no operation to take parameters")
        return
    declared = {field.name: field for field in fields(operation)}
    for name, value in values.items():
        field = declared.get(name)
        if field is None:
            yield Finding((*place, name), f"{operation.name} has no such parameter; it has {', '.join(declared)}")
        elif amounts and not field.amount:
            allowed = ", ".join(f.name for f in declared.values() if f.amount) or "none"
            yield Finding((*place, name), f"is no amount, so a site can't set it; of {id} it can set {allowed}")
        else:
            yield from _value((*place, name), operation, field, value)


def _record(place: Path, record: Record, operation: Operation | None) -> Iterator[Finding]:
    if not record.measure:
        yield from _typed(place, record)
        return
    measure = operation.measure(record.measure) if operation else None
    if operation is None:
        yield Finding((*place, "measure"), "the task has no operation to measure it")
    elif measure is None:
        has = ", ".join(m.name for m in operation.measures)
        yield Finding((*place, "measure"), f'{operation.name} has no measure "{record.measure}"; it has {has}')
    else:
        if record.series != measure.series:
            what = "a series: say series = true" if measure.series else "no series"
            yield Finding((*place, "series" if record.series else "measure"), f"{measure.name} is {what}")
        if record.unit and record.unit != measure.unit:
            what = f'"{measure.unit}"' if measure.unit else "no unit"
            yield Finding((*place, "unit"), f"{measure.name} is measured in {what}")
        if record.role and record.role not in operation.roles:
            yield Finding((*place, "role"), f"{operation.name} has no role {record.role}")
        if record.expect:
            yield from _expect((*place, "expect"), record.expect, measure)


def _typed(place: Path, record: Record) -> Iterator[Finding]:
    for key in ("role", "series"):
        if getattr(record, key):
            yield Finding((*place, key), "only a record with a measure can have it")
    equals = record.expect.equals if record.expect else None
    if record.typed_as == "text" and isinstance(equals, int | float):
        yield Finding((*place, "expect"), "expects a number, but what is typed is read as text: give it a unit")


def _expect(place: Path, expect: Expectation, measure: Measure) -> Iterator[Finding]:
    for key in ("at_least", "at_most", "above", "below"):
        bound = getattr(expect, key)
        if bound is not None and measure.kind not in _ORDERED:
            yield Finding((*place, key), f"{measure.name} is a {measure.kind}: it has no order")
        elif bound is not None and measure.kind is Kind.PROPORTION and not 0 <= bound <= 1:
            yield Finding((*place, key), f"{measure.name} is a proportion: expected 0 to 1, got {bound}")


def _criterion(place: Path, criterion: Criterion, plan: Plan) -> Iterator[Finding]:
    if bool(criterion.measure) == bool(criterion.record):
        what = "expected a measure or a record, got both" if criterion.measure else "expected a measure or a record"
        yield Finding((*place, "record") if criterion.record else place, what)
        return
    task = plan.task.get(criterion.task)
    operation = _find(task)
    if task is not None and criterion.record:
        yield from _on_record(place, criterion, task)
    if task is None or criterion.record or (task.operation and operation is None):
        return
    measure = operation.measure(criterion.measure) if operation else None
    if operation is None:
        yield Finding((*place, "task"), f"{criterion.task} has no operation to measure anything")
    elif measure is None:
        has = ", ".join(m.name for m in operation.measures)
        yield Finding((*place, "measure"), f'{operation.name} has no measure "{criterion.measure}"; it has {has}')
    elif measure.kind is Kind.TABLE or measure.series:
        yield Finding((*place, "measure"), f"{measure.name} is many values: a criterion needs one")
    else:
        yield from _threshold(place, criterion, measure.name, measure.kind)


def _binds(place: Path, binds: Binds, plan: Plan) -> Iterator[Finding]:
    task = plan.task.get(binds.task)
    operation = _find(task)
    measure = operation.measure(binds.measure) if operation else None
    if task is None:
        yield Finding((*place, "task"), f'no task "{binds.task}"')
    elif measure is None:
        yield Finding((*place, "measure"), f'{binds.task} measures no "{binds.measure}"')
    elif measure.series or measure.kind is Kind.TABLE:
        yield Finding((*place, "measure"), f"{measure.name} is many values: a decision is for one")


def _on_record(place: Path, criterion: Criterion, task: Task) -> Iterator[Finding]:
    record = task.record.get(criterion.record)
    if record is None:
        has = ", ".join(task.record) or "none"
        yield Finding((*place, "record"), f'{criterion.task} has no record "{criterion.record}"; it has {has}')
    elif record.written:
        yield Finding((*place, "record"), f"{criterion.record} is a file: there is nothing to compare")
    elif record.measure:
        yield Finding((*place, "record"), f"{criterion.record} is measured: name its measure, {record.measure}")
    else:
        if criterion.unit != record.unit:
            what = f'"{record.unit}"' if record.unit else "without a unit"
            yield Finding((*place, "unit"), f"{criterion.record} is typed in {what}, and so is its threshold")
        yield from _threshold(place, criterion, criterion.record, Kind(record.typed_as))


def _threshold(place: Path, criterion: Criterion, name: str, kind: Kind) -> Iterator[Finding]:
    threshold = criterion.threshold
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if kind in _ORDERED:
        if not number:
            yield Finding((*place, "threshold"), f"{name} is a {kind}: expected a number")
        elif kind is Kind.PROPORTION and not 0 <= float(threshold) <= 1:
            yield Finding((*place, "threshold"), f"{name} is a proportion: expected 0 to 1, got {threshold}")
        elif criterion.record and criterion.unit == "%" and not 0 <= float(threshold) <= 100:
            yield Finding((*place, "threshold"), f"{name} is typed in %: expected 0 to 100, got {threshold}")
    else:
        right = bool if kind is Kind.FLAG else str
        if not isinstance(threshold, right):
            expected = "true or false" if right is bool else "text"
            yield Finding((*place, "threshold"), f"{name} is a {kind}: expected {expected}")
        if criterion.compare != "==":
            yield Finding((*place, "compare"), f"{name} is a {kind}: only == can compare it")
    if kind is not Kind.PROPORTION:
        for key, plain in (("smallest_sample", 0), ("bound", "point")):
            if getattr(criterion, key) != plain:
                yield Finding((*place, key), f"{name} is no proportion: it has no sample")
