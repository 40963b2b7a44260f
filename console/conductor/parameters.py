"""A task's parameters: what the operation offers, what plan, site, a retest's option and the operator set. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from console.conductor.scene import Scene
from console.conductor.standing import standing
from console.conductor.view import ParameterView
from console.plan.tables import choices
from console.plan.types import ArtefactFrom, JobsOf
from operations import registry
from operations.contract import Field, Relayed, Standing, fields

Source = Literal["operation", "plan", "site", "option", "set"]


_FILLED = {"standing": "what the site stands for", "relay": "what the console says of its relay"}
"""Of what a parameter takes, what nobody sets."""


class BadParameter(Exception):
    """One line for each parameter that can't be used: name, value and what was expected."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def parameters(scene: Scene, task: str, sets: Mapping[str, object] | None = None) -> tuple[ParameterView, ...]:
    """Every parameter of the task's operation with its value in force, later sources winning; unchecked."""
    name = scene.task(task).operation
    if name not in registry.names():
        return ()
    layers = _layers(scene, task, sets or {})
    return tuple(_view(field, layers) for field in fields(registry.find(name)))


def checked(scene: Scene, task: str, sets: Mapping[str, object]) -> dict[str, object]:
    """The values as the operation takes them, artefacts and jobs left as references. Raises BadParameter.

    Text is converted to the declared type, so that a form and ``--set`` need not know it.
    """
    operation = registry.find(scene.task(task).operation)
    declared = {field.name: field for field in fields(operation)}
    types = {f.name: f.type for f in msgspec.structs.fields(operation.parameters)}
    faults = [
        f"{task}.{name}: {operation.name} has no such parameter; it has {', '.join(declared)}"
        for name in sets
        if name not in declared
    ]
    values: dict[str, object] = {}
    for view in parameters(scene, task, sets):
        if view.source == "operation":
            if view.required:
                faults.append(f"{task}.{view.name}: needs a value ({view.about})")
            continue
        if isinstance(view.value, ArtefactFrom | JobsOf | Standing | Relayed):
            values[view.name] = view.value
        elif view.takes != "value":
            of = _FILLED.get(view.takes, f"{view.takes} of a task")
            faults.append(f"{task}.{view.name}: takes {of} and can't be set by hand")
        else:
            try:
                values[view.name] = _converted(view.value, types[view.name])
            except (msgspec.ValidationError, ValueError) as error:
                faults.append(f"{task}.{view.name} = {view.value!r}: {_plainly(error, types[view.name])}")
    if faults:
        raise BadParameter(faults)
    return values


def _layers(scene: Scene, task: str, sets: Mapping[str, object]) -> dict[Source, Mapping[str, object]]:
    option: dict[str, object] = {}
    for opening in scene.openings:
        if task in opening.entry.tasks and opening.entry.round == scene.round(task):
            option = dict(opening.entry.parameters.get(task, {}))
    plan, site = scene.task(task).parameters, scene.site.parameters.get(task, {})
    return {
        "plan": plan,
        "site": {
            **_own_address(scene, task),
            **_of_hosts(scene, task),
            **_standing(scene, task),
            **_relay(scene, task, {**plan, **site, **option, **sets}),
            **site,
        },
        "option": option,
        "set": sets,
    }


def _own_address(scene: Scene, task: str) -> Mapping[str, object]:
    """Where the first role's job listens, as the site says it of that job's host."""
    named = scene.task(task).host
    first = scene.site.host.get(named[0] if isinstance(named, list) and named else "")
    if first is None or not first.wired:
        return {}
    operation = registry.find(scene.task(task).operation)
    return {field.name: first.wired for field in fields(operation) if field.own_address}


def _of_hosts(scene: Scene, task: str) -> Mapping[str, object]:
    """What the site says of each host of the task, in the roles' order."""
    named = scene.task(task).host
    names = [named] if isinstance(named, str) else named
    hosts = [scene.site.host[name] for name in names if name in scene.site.host]
    operation = registry.find(scene.task(task).operation)
    return {f.name: [getattr(host, f.of_hosts) for host in hosts] for f in fields(operation) if f.of_hosts}


def _standing(scene: Scene, task: str) -> Mapping[str, object]:
    """What evidence of this site stands for, for an operation that writes it down; the journal's first row fixed it."""
    operation = registry.find(scene.task(task).operation)
    return {field.name: standing(scene) for field in fields(operation) if field.takes == "standing"}


def _relay(scene: Scene, task: str, given: Mapping[str, object]) -> Mapping[str, object]:
    """Whether the console brings the task's jobs together, by what is set for it."""
    named = scene.task(task).host
    hosts = [scene.site.host[name] for name in named if name in scene.site.host] if isinstance(named, list) else []
    operation = registry.find(scene.task(task).operation)
    if operation.relays is None:
        return {}
    why = operation.relays({name: value.strip() if isinstance(value, str) else value for name, value in given.items()})
    if not why:
        return {}
    relay = Relayed(why, here=all(host.link == "local" for host in hosts))
    return {field.name: relay for field in fields(operation) if field.takes == "relay"}


def _view(field: Field, layers: Mapping[Source, Mapping[str, object]]) -> ParameterView:
    value, source = field.default, "operation"
    for name, layer in layers.items():
        if field.name in layer:
            value, source = layer[field.name], name
    return ParameterView(
        name=field.name,
        value=value,
        plan=layers["plan"].get(field.name, field.default),
        source=source,  # type: ignore[arg-type]
        amount=field.amount,
        about=field.about,
        required=field.required,
        takes=field.takes,
    )


_SORTS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "array": "a list"}


def _plainly(error: Exception, wanted: Any) -> str:
    """What the library says of a value, in words for a person: ``expected a whole number``."""
    told, some = str(error).split(" - at")[0], choices(wanted)
    if some:
        return f"expected {some}"
    found = re.fullmatch(r"Expected `(\w+)(?: \| null)?`, got `\w+`", told)
    return f"expected {_SORTS.get(found[1], found[1])}" if found else told


def _converted(value: object, wanted: Any) -> object:
    if isinstance(value, str):
        return msgspec.convert(value.strip(), wanted, strict=False)
    return msgspec.convert(value, wanted)
