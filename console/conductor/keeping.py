"""Keeps what the hosts' readings tell for as long as a console is open: their history, and alerts in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from console.conductor.alerts import Watch, keyed
from console.conductor.workspace import Workspace
from console.hosts.archive import Archive, History, Span, Turn, values
from console.hosts.hosts import Hosts
from console.journal.entries import AlertCleared, AlertRaised, AnyEntry
from console.journal.fold import State
from console.journal.store import Duplicate, JournalError
from console.plan import limits
from operations.host.readings import Reading
from operations.job import READINGS

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
        twins = limits.shared(workspace.site)
        self._machines = {host: [host] for host in workspace.site.host if host not in twins}
        for host, first in twins.items():
            self._machines[first].append(host)
        self._archives: dict[str, Archive] = {}
        self._told: dict[tuple[str, Span], History] = {}
        self._last: dict[str, Reading] = {}
        self._watch = Watch()

    async def keep(self, operator: str) -> None:
        """Keeps readings and journals alerts until cancelled; without an operator it writes nothing.

        What jobs sampled while no console was open is taken first.
        """
        if not operator:
            return
        turn, filled = Turn(self._directory), False
        try:
            while True:
                if turn.take():
                    if not filled:
                        await self._fill()
                        filled = True
                    self._store()
                self._journal(operator)
                await asyncio.sleep(LOOK)
        finally:
            turn.close()
            for archive in self._archives.values():
                archive.close()

    def history(self, host: str, span: Span) -> History | None:
        """What the host's machine was doing over a span; None where its files can't be read."""
        first = next(first for first, hosts in self._machines.items() if host in hosts)
        now = time.time()
        told = self._told.get((first, span))
        if told is None or not 0 <= now - told.end < _AGAIN[span]:
            try:
                told = self._told[first, span] = self._archive(first).history(span, now)
            except OSError:
                return None
        return told

    @property
    def _directory(self) -> Path:
        return self._workspace.path / DIRECTORY

    def _archive(self, host: str) -> Archive:
        if host not in self._archives:
            self._archives[host] = Archive(self._directory, host)
        return self._archives[host]

    async def _fill(self) -> None:
        jobs = [job.started for job in self._workspace.journal.state.jobs.values()]
        for first, hosts in self._machines.items():
            files = [self._hosts.events_file(j.host, j.job).with_name(READINGS) for j in jobs if j.host in hosts]
            with contextlib.suppress(OSError):  # a gap stays a gap
                await asyncio.to_thread(self._archive(first).fill, files, time.time())

    def _store(self) -> None:
        """Takes the readings that came since the last look."""
        for host in self._machines:
            came: list[Reading] = []
            for reading in reversed(self._hosts.readings(host)):
                if reading is self._last.get(host):
                    break
                came.append(reading)
            for reading in reversed(came):
                with contextlib.suppress(OSError):  # a full disk leaves a gap; what runs there says so itself
                    self._archive(host).add(reading)
                self._last[host] = reading

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
