"""Checks a workspace's whole history, and names the first thing that is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.journal import decisions, signing
from console.journal.entries import Attached, JobFinished
from console.journal.fold import State
from console.journal.store import Journal, JournalError
from operations.files import digest


@dataclass(frozen=True, slots=True)
class Audit:
    """What was checked, and the faults in the order found; ``unreachable`` names files that can't be read from here."""

    rows: int
    files: int
    faults: tuple[str, ...]
    unreachable: tuple[str, ...]


def audit(
    journal: Path, decision_directory: Path, roots: Mapping[str, Path | None], events: Mapping[str, Path]
) -> Audit:
    """Verifies chain, heads, decisions, events files and kept artefacts.

    ``roots`` gives each host's root where it can be read from here, else None; ``events`` each job's events file, or
    its mirror. The digest of every file is taken anew.
    """
    try:
        opened = Journal.open(journal)
    except JournalError as error:
        return Audit(0, 0, (str(error),), ())
    try:
        state = opened.state
        faults: list[str] = []
        unreachable: list[str] = []
        files = 0
        for checked, fault, aside in (
            *_decisions(opened, decision_directory),
            *_events(state, events),
            *_unknown(state, roots),
            *_artefacts(state, roots),
            *_attachments(state, decision_directory.parent / "attachments"),
        ):
            files += checked
            if fault:
                faults.append(fault)
            if aside:
                unreachable.append(aside)
        return Audit(state.sequence, files, tuple(faults), tuple(unreachable))
    finally:
        opened.close()


def _decisions(journal: Journal, directory: Path) -> Iterator[tuple[int, str, str]]:
    hashes = {row.sequence: found for row, found in journal.rows()}
    known = set()
    for taken in (t for made in journal.state.decisions.values() for t in made):
        path = directory / taken.entry.file
        known.add(path.name)
        name = f"decision {taken.entry.file}"
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            yield 1, f"{name}: {error.strerror}", ""
            continue
        if found != taken.entry.file_sha256:
            yield 1, f"{name} was changed: SHA-256 {found[:12]}…, the journal says {taken.entry.file_sha256[:12]}…", ""
            continue
        decision = decisions.read(path)
        if hashes.get(decision.journal_sequence) != decision.journal_head:
            yield 1, f"{name}: the journal's row {decision.journal_sequence} is not the one it was made on", ""
        if taken.entry.signed:
            try:
                signing.verify(path, decision.public_key)
            except signing.SigningError as error:
                yield 1, f"{name}: {error}", ""
        yield 1, "", ""
    for path in sorted(directory.glob("*.toml")):
        if path.name not in known:
            yield 1, f"decision {path.name} is in no row: the journal's end was cut off, or the file is forged", ""


def _events(state: State, events: Mapping[str, Path]) -> Iterator[tuple[int, str, str]]:
    for id, job in state.jobs.items():
        end = job.finished
        if end is None or not end.events_sha256:
            continue
        path = events.get(id)
        if path is None or not path.exists():
            yield 1, f"events of job {id} ({job.started.task}) are gone from {job.started.host}", ""
            continue
        yield 1, _events_fault(path, id, job.started.task, end), ""


def _events_fault(path: Path, id: str, task: str, end: JobFinished) -> str:
    with path.open("rb") as stream:
        hasher = hashlib.sha256()
        left = end.events_bytes
        while left and (chunk := stream.read(min(left, 1 << 20))):
            hasher.update(chunk)
            left -= len(chunk)
    if left:
        return f"events of job {id} ({task}) are {left} bytes shorter than the journal says"
    if hasher.hexdigest() != end.events_sha256:
        return f"events of job {id} ({task}) were changed"
    more = path.stat().st_size - end.events_bytes
    return f"events of job {id} ({task}) have {more} bytes after their end" if more else ""


def _unknown(state: State, roots: Mapping[str, Path | None]) -> Iterator[tuple[int, str, str]]:
    """Jobs on a host of this machine that no row knows: each start is journalled before its host is asked."""
    for host, root in roots.items():
        for directory in sorted((root / "jobs").glob("[!.]*")) if root else ():
            if directory.name not in state.jobs:
                yield 1, f"job {directory.name} on {host} is in no row: the journal's end was cut off", ""


def _artefacts(state: State, roots: Mapping[str, Path | None]) -> Iterator[tuple[int, str, str]]:
    for id, job in state.jobs.items():
        for made in job.finished.artefacts if job.finished else ():
            if made.retention != "keep":
                continue
            name = f"artefact {made.name} of job {id} ({job.started.task})"
            root = roots.get(job.started.host)
            if root is None:
                yield 0, "", f"{name} on {job.started.host}"
                continue
            path = root / made.path
            if not path.exists():
                yield 1, f"{name} is gone: {made.path} on {job.started.host}", ""
                continue
            try:
                found, size = digest(path)
            except (OSError, ValueError) as error:
                yield 1, f"{name}: {error}", ""
                continue
            same = (found, size) == (made.sha256, made.size)
            yield 1, "" if same else f"{name} was changed: {made.path} on {job.started.host}", ""


def _attachments(state: State, directory: Path) -> Iterator[tuple[int, str, str]]:
    for task, remarks in state.notes.items():
        for entry in (remark.entry for remark in remarks):
            if not isinstance(entry, Attached):
                continue
            path = directory / entry.file
            if not path.is_file():
                yield 1, f"attachment {entry.file} of {task} is gone", ""
            else:
                same = digest(path) == (entry.sha256, entry.size)
                yield 1, "" if same else f"attachment {entry.file} of {task} was changed", ""
