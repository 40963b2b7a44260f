"""Another site for a workspace that is under way: what of it may not change, and what does. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import msgspec

from console.conductor.errors import Refused
from console.journal.entries import Created, JobStarted
from console.journal.fold import State
from console.plan.sites import Host, Site

_FILES = ("link", "root")
_INSIDE = ("container", "container_root")


def allowed(old: Site, new: Site, state: State, where: str) -> None:
    """Raises Refused with the first reason why the site can't be put in force; ``where`` names its file.

    The first row pins what was said beforehand: an edit opens no gate. Where the files of a job are must stay while it
    is open, and where its events are read as long as they are evidence.
    """
    if state.created is not None:
        _as_said(new, state.created, where)
    for job in state.open_jobs():
        if changed := _moved(old, new, job.started):
            raise Refused(f"{where}: {changed} can't change while {_named(job.started)} is open there: stop it first")
    for job in state.jobs.values():
        if changed := _read_elsewhere(old, new, job.started):
            raise Refused(f"{where}: {changed} can't change: {_named(job.started)} ran there, and is read by it")


def differences(old: Site, new: Site) -> list[str]:
    """What differs, one line a value: ``host.ALPHA.address: "a" → "b"``; ``-`` for none."""
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        f"{key}: {before.get(key, '-')} → {after.get(key, '-')}"
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    ]


def _as_said(new: Site, created: Created, where: str) -> None:
    if new.id != created.site:
        raise Refused(f"{where}: is the site {new.id}, this workspace is on {created.site}: `id` can't change")
    if new.rehearsal != created.rehearsal:
        made = "as a rehearsal" if created.rehearsal else "as no rehearsal"
        raise Refused(f"{where}: `rehearsal` can't change: the workspace was made {made}")
    keys = [key for key in {**created.not_here, **new.not_here} if created.not_here.get(key) != new.not_here.get(key)]
    if keys:
        raise Refused(f"{where}: `not_here` can't change ({', '.join(keys)}): it was said before the first job")


def _moved(old: Site, new: Site, started: JobStarted) -> str:
    """What decides where the job's files are, and is another in the new site; "" if nothing is."""
    before, after = old.host.get(started.host), new.host.get(started.host)
    if before is None or after is None:
        return f"host {started.host}" if before else ""
    inside = before.contains(started.operation), after.contains(started.operation)
    named = [*_FILES, *(_INSIDE if any(inside) else ())]
    changed = [name for name in named if getattr(before, name) != getattr(after, name)]
    if inside[0] != inside[1]:
        changed.append("contained")
    return f"host {started.host}'s {', '.join(changed)}" if changed else ""


def _read_elsewhere(old: Site, new: Site, started: JobStarted) -> str:
    before, after = old.host.get(started.host), new.host.get(started.host)
    if before is None or after is None:
        return f"host {started.host}" if before else ""
    if _mirrored(before, started.operation) == _mirrored(after, started.operation):
        return ""
    return f"host {started.host}'s {'link' if before.link != after.link else 'contained'}"


def _mirrored(host: Host, operation: str) -> bool:
    """Whether the console reads the events of the operation's jobs in a copy of its own."""
    return host.link != "local" or host.contains(operation)


def _named(started: JobStarted) -> str:
    return f"job {started.job} of {started.task}"


def _flat(site: Site) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[str, object]] = [("", msgspec.to_builtins(site))]
    while waiting:
        key, value = waiting.pop(0)
        if isinstance(value, Mapping):
            waiting[:0] = [(f"{key}.{name}" if key else str(name), held) for name, held in value.items()]
        elif key != "digest":
            yield key, json.dumps(value, ensure_ascii=False)
