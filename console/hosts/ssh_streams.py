"""Both ways of an SSH channel: what goes wrong on them is an OSError with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.hosts import ssh_reasons

if TYPE_CHECKING:
    import asyncssh


class Reader:
    """As `console.hosts.link.Reader`."""

    def __init__(self, stream: asyncssh.SSHReader[bytes]) -> None:
        self._stream = stream

    async def read(self, limit: int, /) -> bytes:
        import asyncssh

        try:
            return await self._stream.read(limit)
        except asyncssh.Error as error:
            raise ssh_reasons.lost(error) from None


class Writer:
    """As `console.hosts.link.Writer`; ``stream`` is asyncssh's own."""

    def __init__(self, stream: asyncssh.SSHWriter[bytes]) -> None:
        self.stream = stream

    def write(self, data: bytes, /) -> None:
        self.stream.write(data)

    async def drain(self) -> None:
        import asyncssh

        try:
            await self.stream.drain()
        except asyncssh.Error as error:
            raise ssh_reasons.lost(error) from None
