"""TOML tables -> types, every fault on the way: msgspec alone stops at the first."""

from __future__ import annotations

import datetime
import difflib
import functools
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from console.plan.faults import Finding, Path
from console.plan.types import ArtefactFrom, JobsOf, Struct

T = TypeVar("T", bound=Struct)
Report = Callable[[Finding], None]


def file_table(type: type[T], data: dict[str, Any], report: Report) -> T:
    """A whole file's table as its type: at once where nothing is wrong with it, else value by value.

    2,000 tasks take a tenth of the time at once.
    """
    try:
        return msgspec.convert(_with_references(data), type)
    except msgspec.ValidationError:
        return table(type, data, (), report)


def _with_references(data: dict[str, Any]) -> dict[str, Any]:
    """The file with ``{task, artefact}`` and ``{jobs_of}`` as their types, which msgspec can't tell apart.

    Raises ValidationError at a parameter that is nothing a task can have.
    """
    tasks = data.get("task")
    if not isinstance(tasks, dict):
        return data
    read = {}
    for id, task in tasks.items():
        read[id] = task
        if isinstance(task, dict) and "parameters" in task:
            found: list[Finding] = []
            parameters = _parameters(task["parameters"], (), found.append)
            if found:
                raise msgspec.ValidationError(found[0].what)
            read[id] = {**task, "parameters": parameters}
    return {**data, "task": read}


def table(type: type[T], data: object, path: Path, report: Report) -> T:
    """The table as its type. A value with a fault is reported and stands as its default, or as an empty one."""
    declared = _fields(type)
    if not isinstance(data, dict):
        report(Finding(path, f"expected a table, got {_named(data)}"))
        data = {}
    else:
        for key in data.keys() - declared.keys():
            report(Finding((*path, key), f"unknown key{_meant(key, declared)}"))
    values = {}
    for name, field in declared.items():
        if name in data:
            values[name] = _value(field, data[name], (*path, name), report)
        elif field.required:
            report(Finding((*path, name), f"missing; expected {_expected(field.type)}"))
            values[name] = _blank(field.type)
    return type(**values)


def _value(field: msgspec.structs.FieldInfo, data: object, path: Path, report: Report) -> Any:
    if field.name == "parameters" and field.type == dict[str, Any]:
        return _parameters(data, path, report)
    origin, inner = typing.get_origin(field.type), typing.get_args(field.type)
    if origin is dict:
        return _mapping(inner[0], inner[1], data, path, report)
    if _is_struct(field.type):
        return table(field.type, data, path, report)
    if origin in (types.UnionType, typing.Union) and _is_struct(inner[0]):
        return table(inner[0], data, path, report)
    try:
        return msgspec.convert(data, field.type)
    except msgspec.ValidationError as error:
        element = _element(field.type)
        within = enumerate(data) if element is not None and isinstance(data, list) else ()
        found = [finding for at, value in within if (finding := _odd(value, element, (*path, at)))]
        for finding in found or [Finding(path, _reason(error, field.type, data))]:
            report(finding)
        return _blank(field.type) if field.required else _default(field)


def _odd(data: object, wanted: Any, path: Path) -> Finding | None:
    try:
        msgspec.convert(data, wanted)
    except msgspec.ValidationError as error:
        return Finding(path, _reason(error, wanted, data))
    return None


def _mapping(key: Any, value: Any, data: object, path: Path, report: Report) -> dict[str, Any]:
    if not isinstance(data, dict):
        report(Finding(path, f"expected a table, got {_named(data)}"))
        return {}
    found: dict[str, Any] = {}
    for name, below in data.items():
        here = (*path, name)
        if _odd(name, key, here):
            report(Finding(here, f"expected {_expected(key)} as the key"))
        if _is_struct(value):
            found[name] = table(value, below, here, report)
        elif typing.get_origin(value) is dict:
            inner = typing.get_args(value)
            found[name] = _mapping(inner[0], inner[1], below, here, report)
        elif finding := _odd(below, value, here):
            report(finding)
        else:
            found[name] = below
    return found


def _parameters(data: object, path: Path, report: Report) -> dict[str, object]:
    """A task's parameters: scalars, lists of them, ``{task, artefact}`` and ``{jobs_of}``."""
    if not isinstance(data, dict):
        report(Finding(path, f"expected a table, got {_named(data)}"))
        return {}
    found: dict[str, object] = {}
    for name, value in data.items():
        here = (*path, name)
        if isinstance(value, dict):
            found[name] = table(JobsOf if "jobs_of" in value else ArtefactFrom, value, here, report)
            continue
        odd = next((v for v in (value if isinstance(value, list) else [value]) if not _scalar(v)), None)
        if odd is None:
            found[name] = value
        else:
            report(Finding(here, f"expected a value, a list, {{task, artefact}} or {{jobs_of}}, got {_named(odd)}"))
    return found


@functools.cache
def _fields(type: type[Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(type)}


def _is_struct(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Struct)


def _scalar(value: object) -> bool:
    return isinstance(value, bool | int | float | str)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


def _blank(wanted: Any) -> Any:
    """Some value of about that type, to go on with once its absence is reported."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        return _blank(inner[0])
    if origin is Literal:
        return inner[0]
    if origin is dict:
        return {}
    return {str: "", int: 0, float: 0.0, datetime.date: datetime.date.min}.get(wanted, 0)


def choices(wanted: Any) -> str:
    """What a value of a ``Literal`` may be, in words; empty if the type is none."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        return choices(inner[0])
    if origin is not Literal:
        return ""
    return "one of " + ", ".join(repr(value) for value in inner if value != "") if len(inner) > 1 else repr(inner[0])


def _expected(wanted: Any) -> str:
    """The type in the words of a plan."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        described = next((m.description for m in inner[1:] if isinstance(m, Meta) and m.description), None)
        return described or _expected(inner[0])
    if origin is Literal:
        return choices(wanted)
    if origin is list:
        return f"a list of {_expected(inner[0])}"
    if origin is dict or _is_struct(wanted):
        return "a table"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_expected(option) for option in inner if option is not types.NoneType)
    plain = {
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        datetime.date: "a date, YYYY-MM-DD",
    }
    return plain.get(wanted, str(wanted))


def _named(value: object) -> str:
    """A value as a message shows it."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def _reason(error: msgspec.ValidationError, wanted: Any, data: object) -> str:
    message = str(error).split(" - at ")[0].replace("`", "")
    if " of length " in message or any(f" {bound} " in message for bound in (">=", "<=", ">", "<")):
        return f"{message[0].lower()}{message[1:]}, got {_named(data)}"
    return f"expected {_expected(wanted)}, got {_named(data)}"


def _element(wanted: Any) -> Any:
    """What a list's elements are; None if it is no list."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is list:
        return inner[0]
    if origin is Annotated:
        return _element(inner[0])
    if origin in (types.UnionType, typing.Union):
        return next((found for option in inner if (found := _element(option)) is not None), None)
    return None


def _meant(key: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(known)}"
