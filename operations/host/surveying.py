"""What ``host.check`` does: asks this host as ``host check`` does, and holds it against what the plan counts on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psutil

from operations.contract import Context
from operations.host import checking, containers
from operations.host.findings import Finding

if TYPE_CHECKING:
    from operations.host.check import Parameters

FORMATTED = 0.95
"""Of a disk's size what a file system on it has at least: tables and reserves take the rest."""


def survey(context: Context, parameters: Parameters) -> None:
    """Reports every measure of this role's host."""
    second = parameters.role == "second"
    report = checking.look(context.root)
    found = {finding.name: finding for finding in report.findings}
    memory = psutil.virtual_memory().total / 1e9
    disk, _, free = (size / 1e9 for size in shutil.disk_usage(context.root))
    findings = [
        found["root"],
        planned("memory", memory, parameters.memory_second if second else parameters.memory_first),
        planned("disk", disk, FORMATTED * (parameters.disk_second if second else parameters.disk_first)),
    ]
    held = containers.container(_of(parameters.containers, second), _of(parameters.dockers, second) or "docker")
    for finding in (*findings, *(f for f in report.findings if f.name not in ("root", "memory", "disk")), held):
        _tell(context, finding)
    context.measure("as_planned", all(finding.met for finding in findings))
    context.measure("memory", memory)
    context.measure("disk", disk)
    context.measure("free", free)
    gpu = found["gpu"]
    context.measure("gpu", gpu.found if gpu.met else None, reason="" if gpu.met else gpu.found)
    for name in ("sleep", "logout"):
        _flag(context, name, found[name])
    lacks = [f"{f.name}: {f.found}" for f in (*findings, *report.findings) if f.met is False]
    context.measure("missing", "; ".join(dict.fromkeys(lacks)) or "nothing")
    _flag(context, "container", held)
    context.measure("container_state", None if held.met is None else held.found, reason=held.found)


def planned(name: str, there: float, wanted: float) -> Finding:
    """Whether ``there`` GB are what the plan counts on; ``wanted`` 0 counts on nothing."""
    if not wanted:
        return Finding(name, True, f"{there:,.1f} GB; the plan asks for none")
    return Finding(name, there >= wanted, f"{there:,.1f} GB, at least {wanted:,.1f} are planned")


def _of(values: list[str], second: bool) -> str:
    return values[second] if len(values) > second else ""


def _flag(context: Context, name: str, finding: Finding) -> None:
    context.measure(name, finding.met, reason="" if finding.met is not None else finding.found)


def _tell(context: Context, finding: Finding) -> None:
    word = {True: "met", False: "not met", None: "n/a"}[finding.met]
    todo = f": {finding.todo}" if finding.met is False and finding.todo else ""
    context.log(f"{finding.name}: {word}, {finding.found}{todo}", "warning" if finding.met is False else "info")
