"""The console's end of the channel to one agent: requests and their answers, and the way back after a cut."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Literal

import msgspec

from console.hosts.link import Connection, Link, NeedsHelp
from console.text import clean
from operations import job, wire
from operations.lines import described

_BACKOFF = (0.05, 0.1, 0.2, 0.4, 1.0)
_HELP_BACKOFF = (5.0, 10.0, 20.0, 30.0)
"""Where somebody must help first: hosts bar whoever fails to log in time and again, and a container that is stopped
does not start by being asked. A request is tried at once."""
_HELLO_SECONDS = 30.0
_HOPELESS = 3  # failed attempts in a row after which a request does not wait for the next one
_STEADY = 2.0  # seconds that a connection must have held for the next one to be tried without delay
_CHUNK = 262_144


class HostUnreachable(Exception):
    """The host did not answer; what it is doing is not known."""


class _Cut(Exception):
    """The agent went away before it answered."""


class HostRefused(Exception):
    """The host answered that it can't do what was asked, and why."""


@dataclass(frozen=True, slots=True)
class HostState:
    """How things stand with a host's agent; ``since`` in seconds since 1970 (UTC)."""

    state: Literal["unused", "connecting", "up", "down"]
    since: float
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}" if self.reason else self.state


class Channel:
    """Keeps one agent connected from the first request on. ``on_up`` runs after each connect, ``on_frame`` for news."""

    def __init__(
        self, link: Link, on_up: Callable[[], Coroutine[object, object, None]], on_frame: Callable[[wire.Frame], None]
    ) -> None:
        self.state = HostState("unused", time.time())
        self.versions: dict[str, str] = {}
        self._link = link
        self._on_up = on_up
        self._on_frame = on_frame
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[wire.Message]] = {}
        self._connection: Connection | None = None
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._helpless = False
        self._tried = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[str] | None = None
        self._failures = 0

    def start(self) -> None:
        """Connects in the background, if that has not begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_connected())

    def relink(self, link: Link) -> None:
        """Goes another way from now on, as after a cut: what was asked over the old one is asked again."""
        self._link = link
        if self._task is not None:
            self._task.cancel()
            self._failures = 0
            self._turn("connecting")  # nobody takes the old connection while it ends
            self._task = asyncio.create_task(self._anew(self._task))

    async def _anew(self, before: asyncio.Task[None]) -> None:
        await asyncio.wait({before})
        self._cut()
        await self._keep_connected()

    async def ask(self, request: wire.Request, patience: float = 15.0) -> wire.Message:
        """The answer to a request, whose ``id`` is set here.

        Every request may be made twice with the effect of once: one that is cut off is made again. Raises
        HostUnreachable if there is no answer within ``patience`` seconds, HostRefused if the answer is no.
        """
        self.start()
        try:
            async with asyncio.timeout(patience):
                while True:
                    connection = await self._connected()
                    with contextlib.suppress(_Cut):
                        return await self._exchange(connection, request)
        except TimeoutError:
            if self._connection is not None and self.state.state == "up":
                # An agent that takes requests and answers none is of no use: ended, it is started anew.
                self._ending = asyncio.create_task(self._connection.close())
            raise HostUnreachable(self.state.reason or f"no answer within {patience:.0f} s") from None

    async def close(self) -> None:
        """Ends the agent; its jobs go on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._turn("unused")

    async def _connected(self) -> Connection:
        """Waits until the agent is there. Raises HostUnreachable once several attempts in a row have failed."""
        if self._helpless and time.monotonic() - self._tried > _STEADY:  # perhaps no more: an attempt tells
            self._failures = 0
            self._wanted.set()
        while self._connection is None or self.state.state != "up":
            if self._failures >= _HOPELESS:
                raise HostUnreachable(self.state.reason)
            if self._task is None:
                raise HostUnreachable("the console is leaving")
            self._changed.clear()
            await self._changed.wait()
        return self._connection

    async def _exchange(self, connection: Connection, request: wire.Request) -> wire.Message:
        number = next(self._ids)
        answer: asyncio.Future[wire.Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            try:
                connection.writer.write(wire.encode(msgspec.structs.replace(request, id=number)))
                await connection.writer.drain()
            except OSError:
                while self._connection is connection:
                    self._changed.clear()
                    await self._changed.wait()
                raise _Cut from None
            except wire.WireError as error:
                raise HostRefused(str(error)) from None
            found = await answer
        finally:
            self._waiting.pop(number, None)
        if isinstance(found, wire.Failed):
            raise HostRefused(clean(found.reason))
        return found

    async def _keep_connected(self) -> None:
        short = helpless = 0  # connections in a row that did not hold, and of them those that need help
        reason = ""
        while True:
            self._turn("connecting", reason)
            self._helpless = False
            self._wanted.clear()
            try:
                self._connection = await self._link.open()
                await self._serve(self._connection)
                reason = "the agent ended"
            except ConnectionError:
                reason = "the agent ended"
            except (OSError, wire.WireError) as error:
                self._helpless = isinstance(error, NeedsHelp)
                reason = str(error) or f"the agent did not greet within {_HELLO_SECONDS:.0f} s"
            except Exception as error:  # a host's bytes may lead a library anywhere: this host is down, no more
                reason = f"the console failed: {described(error)}"
            finally:
                reason = await self._disconnect(reason)
            self._failures = _HOPELESS if self._helpless else self._failures + 1
            helpless = helpless + 1 if self._helpless else 0
            steady = self.state.state == "up" and time.time() - self.state.since > _STEADY
            short = 0 if steady else short + 1
            delays, count = (_HELP_BACKOFF, helpless - 1) if helpless else (_BACKOFF, short)
            delay = delays[min(count, len(delays) - 1)]
            self._turn("down", f"{reason}; tried again in {delay:g} s, or when it is asked for" if helpless else reason)
            self._tried = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), delay)

    async def _serve(self, connection: Connection) -> None:
        """Until the agent ends. Raises OSError, WireError, or TimeoutError if it does not greet."""
        parser = wire.Parser()
        hello = wire.Hello(protocol=wire.PROTOCOL, versions=job.versions())
        connection.writer.write(wire.MAGIC + wire.encode(hello))
        await connection.writer.drain()
        frames: list[wire.Frame] = []
        async with asyncio.timeout(_HELLO_SECONDS):
            while not frames:
                data = await connection.reader.read(_CHUNK)
                if not data:
                    if parser.noise:
                        raise wire.WireError(f"no agent answered, but: {_first_line(parser.noise)}")
                    return
                frames = parser.feed(data)
        self._greet(frames.pop(0).message)
        greeting = asyncio.create_task(self._on_up())
        try:
            while True:
                for frame in frames:
                    self._receive(frame)
                data = await connection.reader.read(_CHUNK)
                if not data:
                    return
                frames = parser.feed(data)
        finally:
            greeting.cancel()
            await asyncio.gather(greeting, return_exceptions=True)

    def _greet(self, message: wire.Message) -> None:
        if isinstance(message, wire.Failed):
            raise wire.WireError(message.reason)
        if not isinstance(message, wire.Hello):
            raise wire.WireError("the agent did not begin with hello")
        if message.protocol != wire.PROTOCOL:
            raise wire.WireError(f"the agent speaks protocol {message.protocol}, this console {wire.PROTOCOL}")
        self.versions = {clean(name): clean(version) for name, version in message.versions.items()}
        self._failures = 0
        self._turn("up")

    def _receive(self, frame: wire.Frame) -> None:
        match frame.message:
            case wire.Failed(id=0, reason=reason):
                raise wire.WireError(reason)
            case wire.Done(id=number) | wire.Failed(id=number) | wire.State(id=number):
                answer = self._waiting.pop(number, None)
                if answer is not None and not answer.done():
                    answer.set_result(frame.message)
            case _:
                self._on_frame(frame)

    async def _disconnect(self, reason: str) -> str:
        connection, self._connection = self._connection, None
        said = ""
        if connection is not None:
            with contextlib.suppress(OSError):
                said = await connection.close()
            self._helpless = self._helpless or connection.needs_help
        self._cut()
        return f"{reason}: {said}" if said else reason

    def _cut(self) -> None:
        """Tells whoever waits for an answer that none comes over that connection."""
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(_Cut())

    def _turn(self, state: Literal["unused", "connecting", "up", "down"], reason: str = "") -> None:
        away = {"connecting", "down"}
        # While the attempts go on and fail, since tells when the host was lost, not when it was last tried.
        since = self.state.since if self.state.reason and {self.state.state, state} <= away else time.time()
        self.state = HostState(state, since, clean(reason))
        self._changed.set()


def _first_line(noise: bytes) -> str:
    return next((line for line in noise.decode("utf-8", "replace").splitlines() if line.strip()), "empty lines")
