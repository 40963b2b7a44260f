"""``audit`` over a workspace: what its journal pins, wherever it can be read from here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from console.conductor.errors import Unusable
from console.conductor.workspace import COMPILED, JOURNAL
from console.hosts.hosts import Hosts
from console.journal.audit import Audit, audit
from console.journal.store import Journal, JournalError
from console.plan import compiled
from console.plan.loading import Faults, load
from console.plan.types import Plan


def audit_workspace(path: Path) -> Audit:
    """Checks chain, plan and site copies, decisions, events and kept artefacts. Raises Unusable for no workspace."""
    if not (path / JOURNAL).is_file():
        raise Unusable(f"{path}: no workspace")
    try:
        journal = Journal.open(path / JOURNAL)
    except JournalError as error:
        return Audit(0, 0, (str(error),), ())
    state = journal.state
    journal.close()
    faults = []
    try:
        plan, site = load(path / "adopted" / state.plan_digest[:16], path / "site.toml")
    except Faults as found:
        return Audit(state.sequence, 0, tuple(str(f) for f in found.faults), ())
    created = state.created
    for what, digest, asked in (
        ("adopted plan", plan.digest, state.plan_digest),
        ("site.toml", site.digest, created.site_digest if created else ""),
    ):
        if digest != asked:
            faults.append(f"{path / what} was changed since the workspace was made")
    faults += _compiled(path / "adopted" / state.plan_digest[:16] / COMPILED, plan, state.compiled)
    hosts = Hosts(site, path, operation=lambda job: state.jobs[job].started.operation)
    roots = {name: hosts.root(name) for name in site.host}
    events = {id: hosts.events_file(job.started.host, id) for id, job in state.jobs.items()}
    checked = audit(path / JOURNAL, path / "decisions", roots, events)
    return replace(checked, faults=(*faults, *checked.faults))


def _compiled(file: Path, plan: Plan, pinned: str) -> Iterator[str]:
    """What is opened instead of the plan's TOML must be that plan."""
    if not pinned or not file.is_file():
        return
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != pinned:
        yield f"{file} was changed since the plan was put in force"
        return
    try:
        same = compiled.decode(data) == plan
    except ValueError:
        return  # of another version of the program, which reads the TOML instead
    if not same:
        yield f"{file} is not what the plan's files say"
