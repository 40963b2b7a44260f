"""Starts jobs, sees them to their end, and journals what they leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from console.conductor import evidence
from console.conductor.bind import Bound, Wish, bind
from console.conductor.errors import BadInput, Refused
from console.conductor.scene import Scene
from console.conductor.workspace import Workspace
from console.hosts.hosts import HostRefused, Hosts, HostUnreachable, Relay
from console.journal.entries import AnyEntry
from console.journal.fold import State
from console.journal.store import Duplicate
from operations import registry
from operations.contract import Operation
from operations.events import Endpoint, decode_lines
from operations.job import JobFile

_POLL = 0.5
"""Seconds between looks at what other consoles wrote."""
_LAUNCHING = "launching"
"""File of the workspace, locked by whoever has journalled a start that its host may not know yet."""


class Runs:
    """The jobs of one workspace, as one console sees to them. Other consoles may do the same at the same time."""

    def __init__(self, workspace: Workspace, hosts: Hosts) -> None:
        self._workspace = workspace
        self._hosts = hosts
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._relaying: set[asyncio.Task[None]] = set()

    async def start(self, operator: str, task: str, wish: Wish) -> list[str]:
        """Journals the start, then asks the hosts; returns job ids, one a role. Raises Refused.

        A host that can't be reached leaves the job open: it is looked for when the host answers again. What the
        console relays is so for as long as this one is open, or until the jobs have ended.
        """
        async with contextlib.AsyncExitStack() as held:
            scene = self._workspace.scene()
            relay = await self._relay(held, scene, task, wish)
            with self._launching():
                bound = self._journalled(operator, scene, task, wish)
                token = {"token": secrets.token_hex(32)} if len(bound) > 1 else {}
                given: dict[str, object] = {}
                for job in bound:
                    file = msgspec.structs.replace(job.file, parameters={**job.file.parameters, **given})
                    await self._launch(task, job.row.host, file, token)
                    if len(bound) > 1 and not given:
                        end = await self._endpoint(job.row.host, file)
                        if relay and end:
                            relay.lead(end.port)
                            end = Endpoint(t=end.t, address=relay.address, port=relay.port)
                        given = {"endpoint_address": end.address, "endpoint_port": end.port} if end else {}
            if relay:
                relaying = asyncio.create_task(self._until_over(held.pop_all(), bound), name=f"relay of {task}")
                self._relaying.add(relaying)
                relaying.add_done_callback(self._relaying.discard)
                await asyncio.sleep(0)  # from here on the relay is its own
        return [job.row.job for job in bound]

    async def _relay(self, held: contextlib.AsyncExitStack, scene: Scene, task: str, wish: Wish) -> Relay | None:
        """What carries the run's bytes through this console, if it is to; made before anything is journalled."""
        operation = _operation(scene, task)
        if operation is None or operation.relays is None:
            return None
        sink, source = bind(scene, task, wish, _ids(operation))
        if not sink.relayed:
            return None
        try:
            return await held.enter_async_context(self._hosts.relay(source.row.host, sink.row.host))
        except OSError as error:
            raise Refused(f"{task} can't be relayed: {error}") from error

    async def _until_over(self, relay: contextlib.AsyncExitStack, bound: list[Bound]) -> None:
        """Keeps a relay until the run's jobs have ended, or can't be followed any more."""
        async with relay:
            with contextlib.suppress(HostUnreachable):
                for job in bound:
                    async for _ in self._hosts.follow(job.row.host, job.row.job):
                        pass

    async def close(self) -> None:
        """Relays no more: what went through this console ends, and its next attempt goes on from there."""
        for task in self._relaying:
            task.cancel()
        await asyncio.gather(*self._relaying, return_exceptions=True)

    async def _launch(self, task: str, host: str, file: JobFile, token: dict[str, str]) -> None:
        try:
            await self._hosts.launch(host, file, token)
        except HostUnreachable as error:
            raise Refused(f"{task}: {host} does not answer: {error}; job {file.id} is open") from error
        except HostRefused as error:
            self._journal_end(file.id, host, f"{host} refused it: {error}")
            raise Refused(f"{task}: {host} refused job {file.id}: {error}") from error

    @contextlib.contextmanager
    def _launching(self) -> Iterator[None]:
        """While it lasts, no console takes a job that its host does not know for lost. A killed process lets go."""
        with (self._workspace.path / _LAUNCHING).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def _anyone_launches(self) -> bool:
        with (self._workspace.path / _LAUNCHING).open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _journalled(self, operator: str, before: Scene, task: str, wish: Wish) -> list[Bound]:
        """The jobs of the attempt. Raises Refused where another plan or site is in force than ``before``."""
        bound: list[Bound] = []

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            scene = self._workspace.scene_of(state)
            if (scene.plan.digest, scene.site.digest) != (before.plan.digest, before.site.digest):
                raise Refused(f"{task}: another plan or site was put in force just now; start it again")
            bound[:] = bind(scene, task, wish, _ids(_operation(scene, task)))
            return [(job.key, job.row) for job in bound]

        try:
            self._workspace.journal.append(operator, build)
        except Duplicate as error:
            raise Refused(f"{task} was started from another console just now") from error
        return bound

    async def _endpoint(self, host: str, file: JobFile) -> Endpoint | None:
        """Where the first role's job listens; None if it ended without saying so, which its partner will report."""
        async for lines in self._hosts.follow(host, file.id):
            for event in decode_lines(iter(lines.splitlines())):
                if isinstance(event, Endpoint):
                    return event
        return None

    async def stop(self, task: str, *, kill: bool = False) -> list[str]:
        """Asks every open job of the task to checkpoint and end, or ends them without; their ids. Raises Refused."""
        if task not in self._workspace.plan.task:
            raise BadInput(f"no task {task} in this plan")
        scene = self._workspace.scene()
        running = [job for job in scene.attempts(task) if job.finished is None]
        if not running:
            raise Refused(f"{task} is not running")
        for job in running:
            try:
                await self._hosts.stop(job.started.host, job.started.job, kill=kill)
            except HostUnreachable as error:
                raise Refused(f"{task}: {job.started.host} does not answer: {error}") from error
            except HostRefused as error:
                raise Refused(f"{task}: {job.started.host} refused it: {error}") from error
        return [job.started.job for job in running]

    def events_file(self, host: str, job: str) -> Path:
        """The local file that holds, or mirrors, the job's events; it may not exist yet."""
        return self._hosts.events_file(host, job)

    async def see_to_end(self, job: str) -> None:
        """Follows the job until its end is journalled, by whomever."""
        host = self._workspace.journal.state.jobs[job].started.host
        while self._workspace.scene().state.jobs[job].finished is None:
            try:
                async for _ in self._hosts.follow(host, job):
                    pass
                launches = self._anyone_launches()  # asked first: what was on its way then is there when probed
                there = await self._hosts.probe(host, job)
            except HostUnreachable:
                await asyncio.sleep(_POLL)
                continue
            if there == "absent" and launches:
                await asyncio.sleep(_POLL)
                continue
            if there == "running":
                continue
            lost = {
                "dead": "its supervisor ended without a last word (killed, or the host went down)",
                "absent": f"it never reached {host}",
                "finished": "",
            }[there]
            self._journal_end(job, host, lost)

    def _journal_end(self, job: str, host: str, lost: str) -> None:
        row = evidence.end(job, evidence.read(self._hosts.events_file(host, job)), lost)

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            return [] if state.jobs[job].finished else [(f"job-finished:{job}", row)]

        operator = self._workspace.journal.state.jobs[job].operator
        self._workspace.journal.append(operator, build)

    async def reconcile(self) -> None:
        """Sees to every job whose end is not journalled: returns once each has ended or is known to run."""
        for job in self._workspace.scene().state.open_jobs():
            id, host = job.started.job, job.started.host
            try:
                there = await self._hosts.probe(host, id)
            except HostUnreachable:
                continue
            if there != "running":
                await self.see_to_end(id)

    async def watch(self) -> AsyncIterator[int]:
        """Sees every open job to its end, whoever started it, until cancelled; yields the journal's new sequence."""
        seen = -1
        try:
            while True:
                state = self._workspace.scene().state
                if state.sequence != seen:
                    seen = state.sequence
                    self._tend(state)
                    yield seen
                await asyncio.sleep(_POLL)
        finally:
            for task in self._watched.values():
                task.cancel()
            await asyncio.gather(*self._watched.values(), return_exceptions=True)
            self._watched.clear()

    def _tend(self, state: State) -> None:
        open_jobs = {job.started.job for job in state.open_jobs()}
        for id in [id for id, task in self._watched.items() if task.done() and id not in open_jobs]:
            self._watched.pop(id).result()
        for id in open_jobs - self._watched.keys():
            self._watched[id] = asyncio.create_task(self.see_to_end(id), name=f"job {id}")


def _operation(scene: Scene, task: str) -> Operation | None:
    """What runs the task; None if a person does it, or nobody."""
    asked = scene.plan.task.get(task)
    return registry.find(asked.operation) if asked and asked.operation in registry.names() else None


def _ids(operation: Operation | None) -> list[str]:
    """New ones, one a role."""
    return [secrets.token_hex(4) for _ in (operation.roles if operation else ("",))]
