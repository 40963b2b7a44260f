"""``audit`` over a workspace: what its journal pins, wherever it can be read from here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from console.conductor.errors import Unusable
from console.conductor.workspace import COMPILED, JOURNAL, site_file
from console.hosts.hosts import Hosts
from console.journal.audit import Audit, audit
from console.journal.entries import SiteAdopted
from console.journal.fold import State
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
        plan, site = load(path / "adopted" / state.plan_digest[:16], site_file(path, state, state.site_digest))
    except Faults as found:
        return Audit(state.sequence, 0, tuple(str(f) for f in found.faults), ())
    if plan.digest != state.plan_digest:
        faults.append(f"{path / 'adopted plan'} was changed since the workspace was made")
    faults += _sites(path, state)
    faults += _compiled(path / "adopted" / state.plan_digest[:16] / COMPILED, plan, state.compiled)
    hosts = Hosts(site, path, operation=lambda job: state.jobs[job].started.operation)
    roots = {name: hosts.root(name) for name in site.host}
    events = {id: hosts.events_file(job.started.host, id) for id, job in state.jobs.items()}
    checked = audit(path / JOURNAL, path / "decisions", roots, events)
    return replace(checked, faults=(*faults, *checked.faults))


def _sites(path: Path, state: State) -> Iterator[str]:
    """Every site that is or was in force must be what its row says."""
    digests = [state.created.site_digest] if state.created else []
    digests += [found.entry.site_digest for found in state.adoptions if isinstance(found.entry, SiteAdopted)]
    for digest in dict.fromkeys(digests):
        file = site_file(path, state, digest)
        if not file.is_file():
            yield f"{file} is gone"
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            yield f"{file} was changed since the site was put in force"


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
