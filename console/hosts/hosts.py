"""The hosts of a site as the console uses them: launch, probe, stop and follow jobs, and read the machines.

Nothing is started before it is needed. The agents end with the console; the jobs do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from console.hosts.channel import HostRefused, HostState, HostUnreachable
from console.hosts.host import CHUNK, FarSource, OneHost
from console.hosts.link import Link, LocalLink
from console.hosts.loopback import HereLoopback, Loopback
from console.hosts.place import Place
from console.hosts.relay import Relay, relaying
from console.hosts.ssh import SshHost
from console.plan.sites import Host, Site
from operations import events, job, wire
from operations.host.readings import Reading

__all__ = ["HostRefused", "HostState", "HostUnreachable", "Hosts", "Relay"]

_POLL = 0.1
_LOOK = 0.5  # seconds between two looks at whether a silent local job still lives
_LAUNCH_PATIENCE = job.LAUNCH_SECONDS + 15


class Hosts:
    """All hosts of a site. Belongs to one running event loop; to ask one that the site has not is a KeyError.

    A host with a container has a second agent in there: it sees to the jobs of contained operations, whose files are
    under the host's root too. ``operation`` tells which operation a job is of that was not launched from here.
    """

    def __init__(
        self,
        site: Site,
        workspace: Path,
        *,
        link: Callable[[Host, Path], Link] | None = None,
        operation: Callable[[str], str] = lambda _job: "",
    ) -> None:
        self._site = site
        self._workspace = workspace.resolve()
        self._given_link = link
        self._operation = operation
        self._hosts: dict[tuple[str, bool], OneHost] = {}
        self._ssh: dict[str, SshHost] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def take(self, site: Site) -> None:
        """Another site is in force: hosts that it has otherwise are gone to anew, and whatever is followed goes on."""
        before, self._site = self._site.host, site
        changed = {
            name for name, host in before.items() if name not in site.host or _way(host) != _way(site.host[name])
        }
        for name in changed:
            self._ssh.pop(name, None)  # its last user closes it
        for (name, contained), found in list(self._hosts.items()):
            if name not in site.host or (contained and not site.host[name].contained):
                leaving = asyncio.create_task(self._hosts.pop((name, contained)).close())
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)
            elif name in changed:
                found.channel.relink(self._link(name, contained))

    def root(self, host: str) -> Path | None:
        """The root of a local host on this machine; None for one beyond it."""
        found = self._site.host[host]
        return self._workspace / found.root if found.link == "local" else None

    async def launch(self, host: str, job_file: job.JobFile, secrets: dict[str, str] | None = None) -> None:
        """Starts a job; a second time it changes nothing. Raises HostUnreachable, or HostRefused with the reason."""
        agent = self._host(host, self._site.host[host].contains(job_file.operation))
        await agent.channel.ask(wire.Launch(id=0, job=job_file, secrets=secrets or {}), patience=_LAUNCH_PATIENCE)

    async def probe(self, host: str, job_id: str) -> job.JobState:
        """What the host says of a job. Raises HostUnreachable."""
        answer = await self._host_of(host, job_id).channel.ask(wire.Probe(id=0, job=job_id))
        assert isinstance(answer, wire.State)
        return answer.state

    async def stop(self, host: str, job_id: str, *, kill: bool = False) -> None:
        """Asks a job to checkpoint and end, or ends it without. Raises HostUnreachable, HostRefused if it is absent."""
        await self._host_of(host, job_id).channel.ask(wire.Stop(id=0, job=job_id, kill=kill))

    @contextlib.asynccontextmanager
    async def relay(self, source: str, sink: str) -> AsyncIterator[Relay]:
        """A way from the source's loopback to the sink's, through this console, open while the block lasts.

        Both are the hosts' own, never a container's. Raises OSError with the reason why there is none.
        """
        async with contextlib.AsyncExitStack() as held:
            ends: list[Loopback] = []
            for name in (source, sink):
                local = self._site.host[name].link == "local"
                ends.append(
                    HereLoopback() if local else await held.enter_async_context(self._ssh_host(name).loopback())
                )
            yield await held.enter_async_context(relaying(*ends))

    def events_file(self, host: str, job_id: str) -> Path:
        """Where a job's events are read on this machine; the file may not be there yet."""
        root = self.root(host)
        if root is not None and not self._is_contained(host, job_id):
            return job.directory_of(root, job_id) / job.EVENTS
        return self._mirrored(host, job_id) / job.EVENTS

    def readings_file(self, host: str, job_id: str) -> Path:
        """Where what a job's supervisor sampled is read on this machine; a far host's is there once it is fetched."""
        root = self.root(host)
        if root is not None:
            return job.directory_of(root, job_id) / job.READINGS
        return self._mirrored(host, job_id) / job.READINGS

    async def fetch_readings(self, host: str, job_id: str) -> None:
        """Copies what a far job's supervisor has sampled so far and is not here yet, through any cuts.

        Raises HostUnreachable if it can't be read there or written here.
        """
        if self.root(host) is not None:
            return
        # The files of a contained job are under the host's root too, whether its container is up or not.
        source = self._host(host).source(job_id, self.readings_file(host, job_id), "readings", on=False)
        try:
            while not source.over():
                await source.wait()
        finally:
            await source.close()

    async def follow(self, host: str, job_id: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yields the job's events from ``offset`` on, as one or more whole lines each time.

        It ends after the last event, or when the host says that no more will come (the job is dead or absent). While
        a host does not answer it waits. Raises HostUnreachable if they can't be copied to this machine.
        """
        path = self.events_file(host, job_id)
        if self.root(host) is not None and not self._is_contained(host, job_id):
            source: _LocalSource | FarSource = _LocalSource(path.parent)
        else:
            source = self._host_of(host, job_id).source(job_id, path)
        try:
            while True:
                over = source.over()
                lines = _whole_lines(path, offset)
                if lines:
                    offset += len(lines)
                    yield lines
                    if _is_last(lines):
                        return
                    await asyncio.sleep(0)  # a long history is nothing to hold everybody else up for
                elif over:
                    return
                else:
                    await source.wait()
        finally:
            await source.close()

    def readings(self, host: str) -> Sequence[Reading]:
        """What the host was doing lately, oldest first, the last hour at most; it is asked from the first call on.

        Nothing of a host that the site has no more.
        """
        if host not in self._site.host:
            return ()
        found = self._host(host)
        found.watch()
        return found.telemetry.readings

    def state(self, host: str) -> HostState:
        """How things stand with the host's agent, and what is wrong with the one in its container, if it is used."""
        if host not in self._site.host:
            return HostState("unused", time.time(), "not in the site in force")
        state = self._host(host).channel.state
        inner = self._hosts.get((host, True))
        if inner is None:
            return state
        inside = inner.channel.state
        if state.state == "unused":
            return inside
        if state.state == "up" and inside.reason:
            return HostState("up", state.since, f"container: {inside.reason}")
        return state

    async def close(self) -> None:
        """Ends all agents. The jobs go on."""
        await asyncio.gather(*(found.close() for found in self._hosts.values()), *self._leaving)
        self._hosts.clear()
        self._ssh.clear()

    def _mirrored(self, host: str, job_id: str) -> Path:
        return self._workspace / "mirror" / host / job.directory_of(self._workspace, job_id).name

    def _is_contained(self, host: str, job_id: str) -> bool:
        found = self._site.host[host]
        return bool(found.contained) and found.contains(self._operation(job_id))

    def _host_of(self, host: str, job_id: str) -> OneHost:
        return self._host(host, self._is_contained(host, job_id))

    def _host(self, name: str, contained: bool = False) -> OneHost:
        if (name, contained) not in self._hosts:
            self._hosts[name, contained] = OneHost(self._link(name, contained))
        return self._hosts[name, contained]

    def _link(self, name: str, contained: bool) -> Link:
        host = self._site.host[name]
        if self._given_link is not None:
            return self._given_link(host, self._workspace)
        inside = (host.container_root, host.container_python, host.container, host.docker)
        if host.link == "local":
            return LocalLink(*inside) if contained else LocalLink(self._workspace / host.root, host.python)
        return self._ssh_host(name).link(Place(*inside) if contained else Place(host.root, host.python or "python3"))

    def _ssh_host(self, name: str) -> SshHost:
        if name not in self._ssh:
            self._ssh[name] = SshHost(self._site.host[name])
        return self._ssh[name]


def _way(host: Host) -> Host:
    """What of a host its links are made of."""
    return replace(host, about="", machine="", wired="", contained=[], threads=0)


class _LocalSource:
    """A job of this machine: its own file is read, and its own lock tells whether it lives."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._looked = time.monotonic()

    def over(self) -> bool:
        """Whether no more events will come than are there now."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return False
        self._looked = now
        return job.state(self._directory) != "running"

    async def wait(self) -> None:
        await asyncio.sleep(_POLL)

    async def close(self) -> None:
        pass


def _whole_lines(path: Path, offset: int) -> bytes:
    """Some of the whole lines from ``offset`` on; empty if there are none (yet)."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(CHUNK)
        return data[: data.rfind(b"\n") + 1]
    return b""


def _is_last(lines: bytes) -> bool:
    try:
        return isinstance(events.decode(lines[lines.rfind(b"\n", 0, -1) + 1 :]), events.Finished)
    except msgspec.DecodeError:
        return False
