"""Keeps what the hosts' readings tell for as long as a console is open: their history, and alerts in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import time
from collections.abc import Mapping
from pathlib import Path

from console.conductor.alerts import Watch, keyed
from console.conductor.workspace import Workspace
from console.hosts.archive import Archive, History, Span, Turn, values
from console.hosts.hosts import Hosts, HostUnreachable
from console.journal.entries import AlertCleared, AlertRaised, AnyEntry, JobStarted
from console.journal.fold import Job, State
from console.journal.store import Duplicate, JournalError
from console.plan import limits
from operations.host.readings import Reading

DIRECTORY = "readings"
LOOK = 1.0
"""Seconds between two looks at the hosts' newest readings."""
_AGAIN: Mapping[Span, float] = {"hour": 10.0, "day": 60.0, "programme": 300.0}
"""Seconds for which a history that was asked for is not read anew."""


class Keeping:
    """The readings of a workspace's machines: hosts that share one are one. Nothing is read before it is asked for."""

    def __init__(self, workspace: Workspace, hosts: Hosts) -> None:
        self._workspace = workspace
        self._hosts = hosts
        self._archives: dict[str, Archive] = {}
        self._told: dict[tuple[str, Span], History] = {}
        self._last: dict[str, Reading] = {}
        self._filled: dict[str, float] = {}
        """Machine -> since when its host is up, at the last time that its gap was filled."""
        self._watch = Watch()

    async def keep(self, operator: str) -> None:
        """Keeps readings and journals alerts until cancelled; without an operator it writes nothing.

        What jobs sampled while no console was open, or the host did not answer, is taken first.
        """
        if not operator:
            return
        turn = Turn(self._directory)
        filling: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                if turn.take():
                    for host in self._machines:
                        if host in filling and not filling[host].done():
                            continue
                        if host in filling:
                            filling.pop(host).result()
                        if self._gap(host):
                            filling[host] = asyncio.create_task(self._fill(host))
                        else:
                            self._store(host)
                self._journal(operator)
                await asyncio.sleep(LOOK)
        finally:
            for task in filling.values():
                task.cancel()
            await asyncio.gather(*filling.values(), return_exceptions=True)
            turn.close()
            for archive in self._archives.values():
                archive.close()

    def history(self, host: str, span: Span) -> History | None:
        """What the host's machine was doing over a span; None where its files can't be read."""
        first = next((first for first, hosts in self._machines.items() if host in hosts), "")
        if not first:  # a site without it was put in force
            return None
        now = time.time()
        told = self._told.get((first, span))
        if told is None or not 0 <= now - told.end < _AGAIN[span]:
            try:
                told = self._told[first, span] = self._archive(first).history(span, now)
            except OSError:
                return None
        return told

    @property
    def _machines(self) -> dict[str, list[str]]:
        """The first host of each machine, and all that share it, by the site in force."""
        site = self._workspace.site
        twins = limits.shared(site)
        found = {host: [host] for host in site.host if host not in twins}
        for host, first in twins.items():
            found[first].append(host)
        return found

    @property
    def _directory(self) -> Path:
        return self._workspace.path / DIRECTORY

    def _archive(self, host: str) -> Archive:
        if host not in self._archives:
            self._archives[host] = Archive(self._directory, host)
        return self._archives[host]

    def _gap(self, host: str) -> bool:
        """Whether the host has come up since its gap was filled: what it says now is kept after what is missing."""
        self._hosts.readings(host)  # from the first look on it is asked
        state = self._hosts.state(host)
        return state.state == "up" and self._filled.get(host) != state.since

    async def _fill(self, host: str) -> None:
        """Takes what the machine's jobs sampled since its newest reading here."""
        since = self._hosts.state(host).since
        with contextlib.suppress(OSError):  # a gap stays a gap
            archive = self._archive(host)
            newest = await asyncio.to_thread(archive.newest, time.time())
            files = [await self._fetched(job.started) for job in self._sampled(host, newest)]
            # From the first second that the host tells of itself `_store` goes on: what is in both counts once.
            until = [int(reading.t) - 0.001 for reading in self._came(host)[:1]]
            await asyncio.to_thread(archive.fill, files, min([time.time(), *until]))
        self._filled[host] = since

    def _sampled(self, host: str, newest: float) -> list[Job]:
        """The machine's jobs that may have sampled something after that moment."""
        hosts = self._machines.get(host, [])
        jobs = (job for job in self._workspace.journal.state.jobs.values() if job.started.host in hosts)
        return [job for job in jobs if job.finished is None or _seconds(job.ended_at) >= newest]

    async def _fetched(self, started: JobStarted) -> Path:
        with contextlib.suppress(HostUnreachable):  # what can't be read there, or written here, stays a gap
            await self._hosts.fetch_readings(started.host, started.job)
        return self._hosts.readings_file(started.host, started.job)

    def _store(self, host: str) -> None:
        """Takes the machine's readings that came since the last look."""
        for reading in self._came(host):
            with contextlib.suppress(OSError):  # a full disk leaves a gap; what runs there says so itself
                self._archive(host).add(reading)
            self._last[host] = reading

    def _came(self, host: str) -> list[Reading]:
        """The machine's readings that are not kept yet, oldest first."""
        came: list[Reading] = []
        for reading in reversed(self._hosts.readings(host)):
            if reading is self._last.get(host):
                break
            came.append(reading)
        return came[::-1]

    def _journal(self, operator: str) -> None:
        newest: dict[str, tuple[float, Mapping[str, float]]] = {}
        for host in self._workspace.site.host:
            readings = self._hosts.readings(host)
            if readings:
                newest[host] = readings[-1].t, values(readings[-1])
        for entry in list(self._watch.look(self._workspace.scene(), newest)):
            # another console was first, or the disk is slow: what is still so is said at the next look
            with contextlib.suppress(Duplicate, JournalError):
                self._append(operator, entry)

    def _append(self, operator: str, entry: AlertRaised | AlertCleared) -> None:
        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            return [*keyed(state, entry)]

        self._workspace.journal.append(operator, build)


def _seconds(at: str) -> float:
    """Seconds since 1970."""
    return datetime.datetime.fromisoformat(at).timestamp()
