"""A host's loopback as this console reaches it: over the host's SSH connection, or on this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from console.hosts import ssh_reasons, ssh_streams
from console.hosts.link import Reader, Writer
from console.text import clean

if TYPE_CHECKING:
    import asyncssh

ADDRESS = "127.0.0.1"
_Abort: TypeAlias = Callable[[], None]
_SECONDS = 10.0
_NO_SERVICE = 1
"""A port that is asked for to hear whether one may ask; that nothing answers there is no matter."""


class Stream(Protocol):
    """One connection on a loopback. What it can't do for it is gone is an OSError."""

    async def read(self, limit: int, /) -> bytes:
        """Some bytes, at most ``limit``; none once the other end will send no more."""

    async def write(self, data: bytes, /) -> None:
        """Takes bytes, and waits until there is room for more."""

    def end(self) -> None:
        """Sends no more, and may read on."""

    async def close(self) -> None:
        """Ends it once what was written is on its way."""

    def abort(self) -> None:
        """Ends it at once, whatever is under way."""


class Loopback(Protocol):
    """One host's."""

    def listening(self, take: Callable[[Stream], None]) -> contextlib.AbstractAsyncContextManager[int]:
        """A listener while the block lasts; yields its port, ``take`` gets who connects. Raises OSError."""

    async def connect(self, port: int) -> Stream:
        """A connection to what listens there. Raises OSError."""

    async def check(self) -> None:
        """Raises OSError, with what to do about it, if it connects to nothing."""


class SshLoopback:
    """That of a host over its SSH connection, by TCP forwarding."""

    def __init__(self, connection: asyncssh.SSHClientConnection, address: str) -> None:
        self._connection = connection
        self._address = address

    @contextlib.asynccontextmanager
    async def listening(self, take: Callable[[Stream], None]) -> AsyncIterator[int]:
        """As `Loopback.listening`."""
        import asyncssh

        def taken(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
            take(_far(reader, writer))

        try:
            async with asyncio.timeout(_SECONDS):
                listener = await self._connection.start_server(lambda *_: taken, ADDRESS, 0, encoding=None)
        except asyncssh.ChannelListenError:
            raise self._forbidden() from None
        except (asyncssh.Error, TimeoutError) as error:
            raise self._lost(error) from None
        try:
            yield listener.get_port()
        finally:
            listener.close()
            with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
                async with asyncio.timeout(_SECONDS):
                    await listener.wait_closed()

    async def connect(self, port: int) -> Stream:
        """As `Loopback.connect`."""
        import asyncssh

        try:
            async with asyncio.timeout(_SECONDS):
                reader, writer = await self._connection.open_connection(ADDRESS, port, encoding=None)
        except asyncssh.ChannelOpenError as error:
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise self._forbidden() from None
            raise ConnectionRefusedError(clean(f"{self._address}: nothing at port {port}: {error.reason}")) from None
        except (asyncssh.Error, TimeoutError) as error:
            raise self._lost(error) from None
        return _far(reader, writer)

    async def check(self) -> None:
        """As `Loopback.check`."""
        with contextlib.suppress(ConnectionRefusedError):
            (await self.connect(_NO_SERVICE)).abort()

    def _forbidden(self) -> OSError:
        return PermissionError(
            f"sshd on {self._address} forbids TCP forwarding: set `AllowTcpForwarding yes` there (see `PermitOpen`, "
            f"`PermitListen` and the key's line in authorized_keys), state `identity` for rsync, or let it go raw (via)"
        )

    def _lost(self, error: Exception) -> OSError:
        if isinstance(error, TimeoutError):
            return OSError(f"{self._address} forwards nothing within {_SECONDS:.0f} s: it hangs")
        return ssh_reasons.lost(error)


class HereLoopback:
    """This machine's."""

    @contextlib.asynccontextmanager
    async def listening(self, take: Callable[[Stream], None]) -> AsyncIterator[int]:
        """As `Loopback.listening`."""
        server = await asyncio.start_server(lambda reader, writer: take(_here(reader, writer)), ADDRESS, 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def connect(self, port: int) -> Stream:
        """As `Loopback.connect`."""
        return _here(*await asyncio.open_connection(ADDRESS, port))

    async def check(self) -> None:
        """As `Loopback.check`: it always connects."""


class _Connected:
    """A stream of asyncio, or of asyncssh, whose own are made to raise OSError."""

    def __init__(
        self, reader: Reader, writer: Writer, own: asyncio.StreamWriter | asyncssh.SSHWriter[bytes], abort: _Abort
    ) -> None:
        self.read = reader.read
        self.abort = abort
        self._writer = writer
        self._own = own

    async def write(self, data: bytes, /) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        self._own.write_eof()

    async def close(self) -> None:
        self._own.close()
        await self._own.wait_closed()


def _far(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> Stream:
    return _Connected(ssh_streams.Reader(reader), ssh_streams.Writer(writer), writer, writer.channel.abort)


def _here(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Stream:
    return _Connected(reader, writer, writer, writer.transport.abort)
