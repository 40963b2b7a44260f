"""Hosts over SSH: one connection a host, shared by the agents that are spoken to there.

asyncssh is imported when the first connection is made, in a thread: it takes a fifth of a second that the screen can
use. Host keys are always checked against the site's file; the operator's ``~/.ssh/config`` and agent count, the agent
for signing alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.hosts import ssh_reasons
from console.hosts.link import Connection, Said
from console.hosts.loopback import SshLoopback
from console.hosts.place import Place
from console.hosts.session import Session
from console.hosts.ssh_streams import Reader, Writer
from console.plan.sites import Host

if TYPE_CHECKING:
    import asyncssh

CONNECT_SECONDS = 10.0
"""For a connection, and again for an agent's start, up to its first byte."""
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 1.0, 3
"""A link over which nothing comes is given up after as many unanswered questions."""
_LEAVE_SECONDS = 2.0
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"  # 1.6 to 1.8 times as fast as what comes first otherwise
_HOST_KEYS = "+ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512"
"""Kinds of host keys that are asked for after those that are known, so that a host which has others can show one."""
_SAID_CHUNK = 4_096
_MOST_JUMPS = 8


class SshHost:
    """A host as the site names it. Connected from the first agent to the last one's end."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known_hosts = Path(host.known_hosts).expanduser()
        self._identity = Path(host.identity).expanduser() if host.identity else None
        self._connecting = asyncio.Lock()
        self._shared: _Shared | None = None

    def link(self, place: Place) -> SshLink:
        """The way to an agent at a place of this host."""
        return SshLink(self, place)

    async def start(self, place: Place) -> Connection:
        """Starts an agent. Raises OSError with a line that says why not and what to do, NeedsHelp as `Link.open`."""
        shared = await self._joined()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await shared.run(place)
        except BaseException as error:
            await shared.leave()
            reason = ssh_reasons.no_session(error, self._host.address, CONNECT_SECONDS)
            raise (error if reason is None else reason) from None

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """The connection, for commands and files without an agent. Raises as `start`."""
        async with self._used() as connection:
            yield Session(connection, self._host.address)

    @contextlib.asynccontextmanager
    async def loopback(self) -> AsyncIterator[SshLoopback]:
        """The host's loopback, over the connection. Raises as `start`."""
        async with self._used() as connection:
            yield SshLoopback(connection, self._host.address)

    @contextlib.asynccontextmanager
    async def _used(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        shared = await self._joined()
        try:
            yield shared.connection
        finally:
            await shared.leave()

    async def _joined(self) -> _Shared:
        """The connection, with one user more."""
        async with self._connecting:
            if self._shared is None or self._shared.gone():
                self._shared = await self._connect()
            self._shared.users += 1
            return self._shared

    async def _connect(self) -> _Shared:
        ssh = await asyncio.to_thread(_asyncssh)
        host, hops = self._host, _Hops()
        try:
            await self._dial(ssh, _Hop(host.address, host.user, host.port, host.jump), hops)
        except BaseException:
            await hops.close()
            raise
        return _Shared(hops)

    async def _dial(self, ssh: Any, hop: _Hop, hops: _Hops, depth: int = 0) -> None:
        """Adds the connection to ``hop`` after those that it goes through. Raises OSError with the reason."""
        asked = ssh_reasons.Asked(hop.address, self._known_hosts, self._identity, jump=depth > 0)
        try:
            options = self._options(ssh, hop, asked)
            found = await ssh.SSHClientConnectionOptions.construct(**options)
        except (OSError, ValueError) as error:
            raise ssh_reasons.before(error, asked) from None
        asked.address, asked.port, asked.user = found.host, found.port, found.username
        via = hop.jump or (found.tunnel if isinstance(found.tunnel, str) else "")
        if via:
            if depth == _MOST_JUMPS:
                raise OSError(f"{self._host.address} is behind more than {_MOST_JUMPS} jump hosts")
            before, _, last = via.rpartition(",")
            await self._dial(ssh, _Hop.parse(last, before), hops, depth + 1)
        options["tunnel"] = hops.last() if via else None
        try:
            hops.add(await ssh.connect(**options, client_factory=lambda: _client(ssh, asked)))
        except (OSError, ssh.Error, ValueError) as error:
            raise ssh_reasons.refused(error, asked, CONNECT_SECONDS) from None

    def _options(self, ssh: Any, hop: _Hop, asked: ssh_reasons.Asked) -> dict[str, Any]:
        """What is not left to the operator's configuration. Raises OSError or ValueError at a file that is no good."""
        if not self._host.known_hosts:
            raise ValueError("the site's file names no `known_hosts`")
        options: dict[str, Any] = {
            "config": (),  # the operator's own
            "host": hop.address,
            "known_hosts": ssh.read_known_hosts(str(self._known_hosts)),
            "agent_forwarding": False,
            "x11_forwarding": False,
            "encryption_algs": _CIPHERS,
            "server_host_key_algs": _HOST_KEYS,
            "keepalive_interval": KEEPALIVE_SECONDS,
            "keepalive_count_max": KEEPALIVE_COUNT,
            "connect_timeout": CONNECT_SECONDS,
        }
        if hop.user:
            options["username"] = hop.user
        if hop.port:
            options["port"] = hop.port
        if self._identity is not None:
            options["client_keys"] = [str(self._identity)]
            options["ignore_encrypted"] = True
            options["agent_identities"] = self._signed_by_agent(ssh, self._identity, asked)
        return options

    @staticmethod
    def _signed_by_agent(ssh: Any, identity: Path, asked: ssh_reasons.Asked) -> list[Any] | None:
        """The keys that the agent is asked for; None for all. A server ends the attempt after a few wrong ones."""
        try:
            return [ssh.read_private_key(str(identity))]
        except ssh.KeyImportError as error:
            if "passphrase" not in str(error).lower():
                raise
        asked.encrypted = True
        public = Path(f"{identity}.pub")
        return [str(public)] if public.exists() else None


class SshLink:
    """One way to an agent of a host."""

    def __init__(self, host: SshHost, place: Place) -> None:
        self._host = host
        self._place = place

    async def open(self) -> Connection:
        """Starts the agent. Raises as `SshHost.start`."""
        return await self._host.start(self._place)


@dataclass(frozen=True, slots=True)
class _Hop:
    address: str
    user: str
    port: int
    jump: str
    """What it is reached through: ``user@host:port``, the nearest first, by commas."""

    @classmethod
    def parse(cls, text: str, jump: str) -> _Hop:
        user, _, place = text.strip().rpartition("@")
        address, colon, port = place.rpartition(":")
        if colon and port.isdigit():
            return cls(address.strip("[]"), user, int(port), jump)
        return cls(place, user, 0, jump)


class _Hops:
    """Connections, each through the one before it; the last one is the host's."""

    def __init__(self) -> None:
        self._all: list[asyncssh.SSHClientConnection] = []

    def add(self, connection: asyncssh.SSHClientConnection) -> None:
        self._all.append(connection)

    def last(self) -> asyncssh.SSHClientConnection:
        return self._all[-1]

    async def close(self) -> None:
        """The nearest to this console last; whoever does not say goodbye in time is dropped."""
        for connection in reversed(self._all):
            connection.close()
            try:
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await connection.wait_closed()
            except TimeoutError:
                connection.abort()


class _Shared:
    """A host's connection and how many agents use it."""

    def __init__(self, hops: _Hops) -> None:
        self.users = 0
        self._hops = hops

    def gone(self) -> bool:
        return not self.users or self._hops.last().is_closed()

    async def run(self, place: Place) -> _Remote:
        """Starts an agent for one of the users. Raises OSError, asyncssh.Error."""
        writer, reader, errors = await self._hops.last().open_session(
            shlex.join(place.arguments()),
            encoding=None,
            request_pty=False,
        )
        return _Remote(Reader(reader), Writer(writer), errors, place, self)

    @property
    def connection(self) -> asyncssh.SSHClientConnection:
        return self._hops.last()

    async def leave(self) -> None:
        """One user less; the last one closes the connection."""
        self.users -= 1
        if not self.users:
            await self._hops.close()


@dataclass
class _Remote:
    reader: Reader
    writer: Writer
    _errors: asyncssh.SSHReader[bytes]
    _place: Place
    _shared: _Shared
    _said: Said = field(default_factory=Said)
    _left: bool = False
    needs_help: bool = False

    def __post_init__(self) -> None:
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> str:
        import asyncssh

        channel = self.writer.stream.channel
        assert isinstance(channel, asyncssh.SSHClientChannel)
        with contextlib.suppress(OSError):
            self.writer.stream.write_eof()  # the agent ends by itself, and its last words come
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await channel.wait_closed()
        except TimeoutError:
            channel.abort()
        finally:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            if not self._left:  # who gives it up and who ends it may both close it
                self._left = True
                await self._shared.leave()
        self.needs_help = self._place.needs_help(channel.get_exit_status(), self._said.lines())
        return self._place.explain(channel.get_exit_status(), self._said.lines())

    async def _listen(self) -> None:
        import asyncssh

        with contextlib.suppress(OSError, asyncssh.Error):
            while data := await self._errors.read(_SAID_CHUNK):
                self._said.add(data)


def _asyncssh() -> Any:
    found = importlib.import_module("asyncssh")
    # What it logs would end up on the operator's screen; all that matters comes as an error.
    logging.getLogger("asyncssh").propagate = False
    logging.getLogger("asyncssh").addHandler(logging.NullHandler())
    logging.getLogger("asyncio").addFilter(_matters)
    return found


def _matters(record: logging.LogRecord) -> bool:
    """False for the abort of a connection that was lost while it was closing: asyncio's transport is gone by then."""
    return "_SelectorTransport.abort()" not in record.getMessage()


def _client(ssh: Any, asked: ssh_reasons.Asked) -> asyncssh.SSHClient:
    class Client(ssh.SSHClient):  # type: ignore[misc]
        """Trusts nothing by itself, and remembers what it was shown."""

        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            known = asked.known(ssh, host, addr, port)
            asked.showed(key.get_algorithm(), key.get_fingerprint(), known)
            return False

    client: asyncssh.SSHClient = Client()
    return client
