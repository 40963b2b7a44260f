"""Carries what the jobs of one run say to each other through this console, from one host's loopback to another's.

Each leg is that host's own SSH connection, encrypted and its host key checked; between them the bytes are in this
process's memory, a few windows of them at most: who writes faster than the other end reads has to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine

from console.hosts.loopback import ADDRESS, Loopback, Stream

_CHUNK = 65_536
_MOST = 8
"""Connections that are carried at once. The run's own is one; others of the source's host may knock, and the sink
sends away who does not know the token."""


class Relay:
    """Open: ``address`` and ``port`` are where the source's host finds the sink."""

    address = ADDRESS

    def __init__(self, sink: Loopback) -> None:
        self.port = 0
        self._sink = sink
        self._there = 0
        self._carrying: set[asyncio.Task[None]] = set()

    def lead(self, port: int) -> None:
        """Where the sink listens on its loopback; until then nobody is let through."""
        self._there = port

    def take(self, source: Stream) -> None:
        """Carries a connection of the source's host, in the background."""
        if not self._there or len(self._carrying) == _MOST:
            source.abort()
            return
        task = asyncio.create_task(self._carry(source))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def close(self) -> None:
        """Cuts what is under way."""
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, source: Stream) -> None:
        with contextlib.ExitStack() as cut:
            cut.callback(source.abort)
            with contextlib.suppress(OSError):  # the ends notice, and say why they ended
                sink = await self._sink.connect(self._there)
                cut.callback(sink.abort)
                await _both(_pass(source, sink), _pass(sink, source))
                await _both(source.close(), sink.close())


@contextlib.asynccontextmanager
async def relaying(source: Loopback, sink: Loopback) -> AsyncIterator[Relay]:
    """A relay while the block lasts. Raises OSError with the reason if a host does not let it through."""
    await sink.check()
    relay = Relay(sink)
    async with source.listening(relay.take) as relay.port:
        try:
            yield relay
        finally:
            await relay.close()


async def _both(*ways: Coroutine[object, object, None]) -> None:
    """Until both have ended, or one has failed. Raises as that one, the other is cut short."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(origin: Stream, to: Stream) -> None:
    """Everything that comes, and then the end."""
    while data := await origin.read(_CHUNK):
        await to.write(data)
    to.end()
