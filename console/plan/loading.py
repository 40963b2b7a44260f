"""Plans and sites from their files, with everything that is wrong with them at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import console
from console.plan.faults import Fault, Faults, Finding
from console.plan.faults import Path as Keys
from console.plan.files import File, read
from console.plan.sites import Site, SiteFile
from console.plan.tables import file_table
from console.plan.types import Gate, Phase, PhaseFile, Plan, PlanFile

__all__ = ["Fault", "Faults", "examine", "load", "load_plan", "load_site", "reload", "reload_site", "shipped"]

PLAN = "plan.toml"
KINDS = ("day", "task", "gate", "contingency")
_HOLDS: frozenset[Keys] = frozenset((kind,) for kind in (*KINDS, "phase"))
V = TypeVar("V")


def shipped(name: str) -> Path:
    """A plan's directory or a site's file that came with the program: ``gladiator``, ``sites/rehearsal.toml``.

    An installed wheel carries ``checklists/`` inside ``console``; in a checkout it stands beside it.
    """
    inside = Path(console.__file__).parent
    for home in (inside / "checklists", inside.parent / "checklists"):
        if (home / name).exists():
            return home / name
    raise FileNotFoundError(f"checklists/{name} did not come with this installation")


def load_plan(directory: Path) -> Plan:
    """The plan whose ``plan.toml`` is in the directory. Raises Faults with all that keeps it from being used."""
    plan, faults = examine(directory, notes=False)
    return _sound(plan, faults)


def load_site(file: Path) -> Site:
    """The site, not yet held against a plan. Raises Faults with all that keeps it from being used."""
    from console.plan.lint import lint_site

    found, site = _site(file)
    for finding in lint_site(site):
        found.judge(finding)
    return _sound(site, found.faults)


def load(directory: Path, file: Path) -> tuple[Plan, Site]:
    """Plan and site that fit each other. Raises Faults with those of both, and of the site's against the plan."""
    from console.plan.lint import lint_site

    plan, faults = examine(directory, notes=False)
    found, site = _site(file)
    for finding in lint_site(site, plan):
        found.judge(finding)
    faults = [*faults, *found.faults]
    return _sound(plan, faults), _sound(site, faults)


def reload(directory: Path, file: Path) -> tuple[Plan, Site]:
    """Plan and site as `load` once gave them and a digest has pinned them since: read, and not examined again.

    Raises Faults if they can't even be read.
    """
    plan, files, _ = _merged(directory)
    return _sound(plan, [fault for one in files for fault in one.faults]), reload_site(file)


def reload_site(file: Path) -> Site:
    """The site as `load` once gave it. Raises Faults if it can't be read."""
    found, site = _site(file)
    return _sound(site, found.faults)


def examine(directory: Path, *, notes: bool = True) -> tuple[Plan | None, list[Fault]]:
    """The plan, and everything that is wrong with it, with ``notes`` also what only deserves a look.

    The plan is None where a whole file or table of it can't be read; what hangs on that is not worth a fault for each
    reference to it.
    """
    plan, files, origin = _merged(directory)
    if plan is not None:
        from console.plan.lint import lint_plan

        for finding in lint_plan(plan):
            if notes or not finding.note:
                origin.get(finding.path[:2], files[0]).judge(finding)
    return plan, sorted(fault for file in files for fault in file.faults)


def _merged(directory: Path) -> tuple[Plan | None, list[File], dict[Keys, File]]:
    """The plan of all its files, unless a whole file or table can't be read; the files; and which holds which entry."""
    top = read(directory / PLAN)
    if top.data is None:
        return None, [top], {}
    head = file_table(PlanFile, top.data, top.add)
    parts = {phase: (read(directory / entry.file), entry) for phase, entry in _phases(head, top).items()}
    merged: dict[str, Any] = {kind: {} for kind in KINDS}
    origin: dict[Keys, File] = {}
    task_phase: dict[str, str] = {}
    for phase, (file, _) in parts.items():
        if file.data is None:
            continue
        part = file_table(PhaseFile, file.data, file.add)
        for kind in KINDS:
            for id, entry in getattr(part, kind).items():
                if id in merged[kind]:
                    file.add(Finding((kind, id), f"is in {origin[kind, id].name} already"))
                    continue
                merged[kind][id] = entry
                origin[kind, id] = file
                if kind == "task":
                    task_phase[id] = phase
    merged["gate"] = {id: _with_criteria(gate, merged["gate"]) for id, gate in merged["gate"].items()}
    files = [top, *(file for file, _ in parts.values())]
    plan = Plan(**_fields(head), **merged, task_phase=task_phase, digest=_digest(files))
    whole = all(file.data is not None and not _HOLDS.intersection(file.malformed) for file in files)
    return plan if whole else None, files, origin


def _with_criteria(gate: Gate, gates: dict[str, Gate]) -> Gate:
    """A retest that names no criteria has those of the gate that it retests."""
    first = gates.get(gate.retests)
    return msgspec.structs.replace(gate, criterion=first.criterion) if first and not gate.criterion else gate


def _phases(head: PlanFile, top: File) -> dict[str, Phase]:
    """Phases with a usable file of their own."""
    taken: dict[str, str] = {PLAN: "the plan itself"}
    usable = {}
    for id, phase in head.phase.items():
        if phase.file in taken:
            top.add(Finding(("phase", id, "file"), f"{phase.file} is {taken[phase.file]}"))
        elif phase.file:
            taken[phase.file] = f'the file of phase "{id}"'
            usable[id] = phase
    return usable


def _site(path: Path) -> tuple[File, Site]:
    file = read(path)
    if file.data is None:
        return file, Site(schema=1, id="", title="", host={})
    return file, Site(**_fields(file_table(SiteFile, file.data, file.add)), digest=file.sha256)


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _digest(files: list[File]) -> str:
    return hashlib.sha256("".join(f"{file.sha256}  {file.name}\n" for file in files).encode()).hexdigest()


def _sound(value: V | None, faults: list[Fault]) -> V:
    if faults:
        raise Faults(faults)
    assert value is not None
    return value
