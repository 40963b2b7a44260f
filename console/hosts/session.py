"""Commands on a host, by their argument lists: over its SSH connection, or on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from console.hosts import ssh_reasons
from console.hosts.link import Said
from console.text import clean

if TYPE_CHECKING:
    import asyncssh

NOT_FOUND = 127
SECONDS = 60.0
BEAT = 10.0
_CHUNK = 65_536
_OUTPUT = 1 << 20
"""Bytes that are kept of what a command prints."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command's end: its status (None if a signal ended it), what it printed, and its last lines of errors, clean."""

    status: int | None
    output: bytes
    errors: list[str]

    @property
    def reason(self) -> str:
        """The last of its errors, else its status."""
        return self.errors[-1] if self.errors else f"it ended with status {self.status}"


class Runner(Protocol):
    """Where commands are run."""

    async def run(
        self, arguments: Sequence[str], *, seconds: float = SECONDS, told: Callable[[str], None] | None = None
    ) -> Ended:
        """Runs a command to its end; ``told`` gets each line that it prints, cleaned, as it comes.

        Raises OSError if it does not end within ``seconds``, or the host is lost.
        """


class Session:
    """A host's SSH connection, for as long as `console.hosts.ssh.SshHost.session` lends it."""

    def __init__(self, connection: asyncssh.SSHClientConnection, address: str) -> None:
        self._connection = connection
        self._address = address

    @property
    def user(self) -> str:
        """Who is logged in there."""
        return str(self._connection.get_extra_info("username"))

    @property
    def host_key(self) -> str:
        """Algorithm and fingerprint of the key that the host showed, which was found among the known ones."""
        key = self._connection.get_server_host_key()
        return f"{key.get_algorithm()} {key.get_fingerprint()}" if key is not None else "none"

    async def run(
        self, arguments: Sequence[str], *, seconds: float = SECONDS, told: Callable[[str], None] | None = None
    ) -> Ended:
        """As `Runner.run`."""
        import asyncssh

        lines = _Lines(told)
        try:
            async with asyncio.timeout(seconds):
                process = await self._connection.create_process(
                    shlex.join(arguments), encoding=None, stdin=asyncssh.DEVNULL
                )
                try:
                    await asyncio.gather(
                        _drain(process.stdout.read, lines.add), _drain(process.stderr.read, lines.said.add)
                    )
                    await process.wait_closed()
                finally:
                    if process.exit_status is None:
                        with contextlib.suppress(OSError, asyncssh.Error):
                            process.terminate()  # else what was given up would go on there
                    process.close()
        except TimeoutError:
            raise OSError(f"{self._address}: {arguments[0]} did not end within {seconds:.0f} s") from None
        except asyncssh.Error as error:
            raise ssh_reasons.lost(error) from None
        return lines.ended(process.exit_status)

    @contextlib.asynccontextmanager
    async def running(self, arguments: Sequence[str]) -> AsyncIterator[str]:
        """A command that gets a line every ``BEAT`` seconds until the block ends; yields its first line.

        Raises OSError if it says none within ``SECONDS``, or the host is lost.
        """
        import asyncssh

        try:
            async with asyncio.timeout(SECONDS):
                process = await self._connection.create_process(shlex.join(arguments), encoding=None)
                line = await process.stdout.readline()
        except TimeoutError:
            raise OSError(f"{self._address}: {arguments[0]} said nothing within {SECONDS:.0f} s") from None
        except asyncssh.Error as error:
            raise ssh_reasons.lost(error) from None

        async def beat() -> None:
            with contextlib.suppress(OSError, asyncssh.Error):
                while True:
                    await asyncio.sleep(BEAT)
                    process.stdin.write(b"\n")

        beating = asyncio.create_task(beat())
        try:
            yield clean(line.decode("utf-8", "replace")).strip()
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            process.close()

    @contextlib.asynccontextmanager
    async def sftp(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """Files on the host. Raises OSError with the reason, also for what goes wrong meanwhile."""
        import asyncssh

        try:
            async with self._connection.start_sftp_client() as client:
                yield client
        except asyncssh.SFTPConnectionLost:
            raise OSError("the connection was lost") from None
        except asyncssh.SFTPError as error:
            raise OSError(clean(f"{self._address}: {error.reason}")) from None
        except asyncssh.Error as error:
            raise ssh_reasons.lost(error) from None


class Here:
    """This machine."""

    async def run(
        self, arguments: Sequence[str], *, seconds: float = SECONDS, told: Callable[[str], None] | None = None
    ) -> Ended:
        """As `Runner.run`."""
        lines = _Lines(told)
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            return Ended(NOT_FOUND, b"", [clean(f"{arguments[0]}: {error.strerror}")])
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(
                    _drain(process.stdout.read, lines.add), _drain(process.stderr.read, lines.said.add)
                )
                await process.wait()
        except TimeoutError:
            raise OSError(f"{arguments[0]} did not end within {seconds:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return lines.ended(process.returncode)


class _Lines:
    """What a command prints, as bytes and, for whoever is told, as lines."""

    def __init__(self, told: Callable[[str], None] | None) -> None:
        self.said = Said()
        self._told = told
        self._output = bytearray()
        self._line = bytearray()

    def add(self, data: bytes) -> None:
        self._output += data[: _OUTPUT - len(self._output)]
        if self._told is None:
            return
        *lines, rest = (bytes(self._line) + data).split(b"\n")
        self._line = bytearray(rest[-_CHUNK:])
        for line in lines:
            self._told(clean(line.decode("utf-8", "replace")))

    def ended(self, status: int | None) -> Ended:
        return Ended(status, bytes(self._output), self.said.lines())


async def _drain(read: Callable[[int], Awaitable[bytes]], take: Callable[[bytes], None]) -> None:
    while data := await read(_CHUNK):
        take(data)
