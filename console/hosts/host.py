"""One host: its channel, its readings, and the far jobs that are being mirrored from it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path

from console.hosts.channel import Channel, HostRefused, HostUnreachable
from console.hosts.link import Link
from console.hosts.mirror import Gap, Mirror
from console.hosts.telemetry import Telemetry
from console.text import clean
from operations import wire

CHUNK = 262_144
"""Bytes of events read at once; more than a line can have."""
_SAMPLE_SECONDS = 1.0


class OneHost:
    """What the console knows of one host and asks of its agent, across all cuts of the link."""

    def __init__(self, link: Link) -> None:
        self.channel = Channel(link, self._up, self._news)
        self.telemetry = Telemetry()
        self._watched = False
        self._sources: dict[tuple[str, wire.FollowedFile], FarSource] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def watch(self) -> None:
        """Asks for readings from now on."""
        if not self._watched:
            self._watched = True
            self._soon(self._ask_readings())

    def source(self, job_id: str, path: Path, file: wire.FollowedFile = "events", *, on: bool = True) -> FarSource:
        """A far job's file; all who follow it share one mirror. Close it after use.

        With ``on`` false it ends with what is there when it is asked for.
        """
        found = self._sources.get((job_id, file))
        if found is None:
            found = self._sources[job_id, file] = FarSource(self, job_id, Mirror(path), file, on)
            self._soon(self.ask_follow(found))
        found.users += 1
        return found

    async def let_go(self, source: FarSource) -> None:
        """Ends the mirroring of a file that nobody follows any more."""
        source.users -= 1
        if source.users:
            return
        del self._sources[source.job, source.file]
        source.mirror.close()
        if not source.ended:
            self._soon(self._ask(wire.Unfollow(id=0, job=source.job, file=source.file)))

    async def close(self) -> None:
        """Ends the agent; its jobs go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.channel.close()

    def _soon(self, work: Coroutine[object, object, None]) -> None:
        self.channel.start()
        if self.channel.state.state != "up":
            work.close()  # `_up` asks for everything once the agent answers
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _up(self) -> None:
        if self._watched:
            await self._ask_readings()
        for source in list(self._sources.values()):
            await self.ask_follow(source)

    async def _ask(self, request: wire.Request) -> None:
        try:
            await self.channel.ask(request)
        except (HostUnreachable, HostRefused):
            return  # asked again at the next connect

    async def _ask_readings(self) -> None:
        await self._ask(wire.Readings(id=0, interval=_SAMPLE_SECONDS))

    async def ask_follow(self, source: FarSource) -> None:
        """Asks for what the mirror has not got."""
        try:
            offset = source.mirror.restart()
            await self.channel.ask(wire.Follow(id=0, job=source.job, offset=offset, file=source.file, on=source.on))
        except HostUnreachable:
            return
        except HostRefused:
            source.end("")

    def _news(self, frame: wire.Frame) -> None:
        match frame.message:
            case wire.Sample(reading=reading):
                self.telemetry.add(reading)
            case wire.Data(job=name, offset=offset, file=file):
                source = self._sources.get((name, file))
                if source is not None and not source.ended:
                    self._mirror(source, offset, frame.body)
            case wire.Ended(job=name, fault=fault, file=file):
                source = self._sources.get((name, file))
                if source is not None:
                    source.end(clean(fault))

    def _mirror(self, source: FarSource, offset: int, body: bytes) -> None:
        try:
            source.mirror.write(offset, body)
        except Gap:
            # Frames asked for before the last request still come in; they are asked for again only once.
            if offset > source.mirror.size:
                self._soon(self.ask_follow(source))
            return
        except (OSError, ValueError) as error:
            source.end(f"the {source.file} of job {source.job} can't be mirrored: {error}")
            self._soon(self._ask(wire.Unfollow(id=0, job=source.job, file=source.file)))  # the rest may be long
            return
        source.grown.set()


class FarSource:
    """A far job's file as it arrives in the mirror."""

    def __init__(self, host: OneHost, job: str, mirror: Mirror, file: wire.FollowedFile, on: bool) -> None:
        self.job = job
        self.file = file
        self.on = on
        self.mirror = mirror
        self.users = 0
        self.ended = False
        self.fault = ""
        self.grown = asyncio.Event()
        self._host = host

    def end(self, fault: str) -> None:
        """No more will come; ``fault`` says why if that is not the job's end."""
        self.ended, self.fault = True, fault
        self.grown.set()

    def over(self) -> bool:
        """Whether no more will come than is there now. Raises HostUnreachable if it can't be had."""
        if self.fault:
            raise HostUnreachable(self.fault)
        return self.ended

    async def wait(self) -> None:
        """Until there is more, or a second has gone by."""
        self.grown.clear()
        try:
            await asyncio.wait_for(self.grown.wait(), 1.0)
        except TimeoutError:
            return

    async def close(self) -> None:
        """Follows no more."""
        await self._host.let_go(self)
