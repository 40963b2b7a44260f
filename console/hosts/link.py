"""How an agent is reached: a link opens a pair of streams to one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from console.hosts.place import Place
from console.text import clean

_LEAVE_SECONDS = 2.0
_SAID_LIMIT = 4_096


class Reader(Protocol):
    """What an agent says."""

    async def read(self, limit: int, /) -> bytes:
        """Some bytes, at most ``limit``; none at the end. Raises OSError."""


class Writer(Protocol):
    """What an agent is told."""

    def write(self, data: bytes, /) -> None:
        """Takes bytes. Raises OSError."""

    async def drain(self) -> None:
        """Until there is room for more. Raises OSError."""


class Connection(Protocol):
    """An agent that was started and can be spoken to."""

    @property
    def reader(self) -> Reader: ...

    @property
    def writer(self) -> Writer: ...

    @property
    def needs_help(self) -> bool:
        """After `close`: whether the agent can't be started again before somebody changes something."""

    async def close(self) -> str:
        """Ends the agent, never its jobs, and returns what it or its host said was wrong, in one clean line."""


class Link(Protocol):
    """One way to a host."""

    async def open(self) -> Connection:
        """Starts an agent. Raises OSError if that can't be done, NeedsHelp if it can't before somebody helps."""


class NeedsHelp(OSError):
    """The link can't be opened before somebody changes something: to try at once again only troubles the host."""


class UntrustedKey(NeedsHelp):
    """The host shows a key that is not among the known ones."""


class NotLetIn(NeedsHelp):
    """The host is the right one, and takes no key that the operator has."""


class Said:
    """The last lines that somebody printed as errors, as few as ``_SAID_LIMIT`` bytes hold."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, data: bytes) -> None:
        """Takes what was printed."""
        self._bytes += data
        del self._bytes[:-_SAID_LIMIT]

    def lines(self) -> list[str]:
        """The lines, cleaned, without empty ones."""
        text = self._bytes.decode("utf-8", "replace")
        return [line for line in (clean(line).strip() for line in text.split("\n")) if line]


class LocalLink:
    """An agent on this machine or in a container of it: a process of its own session that ends with its input."""

    def __init__(self, root: Path | str, python: str = "", container: str = "", docker: str = "docker") -> None:
        self._place = Place(str(root), python or sys.executable, container, docker)

    async def open(self) -> Connection:
        """Starts the agent. Raises OSError if the interpreter can't be run."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._place.arguments(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            fault = NeedsHelp if self._place.container else OSError
            raise fault(f"{self._place.explain(127, [])} ({error.strerror})") from None
        assert process.stdin is not None
        assert process.stdout is not None
        return _Local(process.stdout, process.stdin, process, self._place)


@dataclass
class _Local:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _process: asyncio.subprocess.Process
    _place: Place
    _said: Said = field(default_factory=Said)
    needs_help: bool = False

    def __post_init__(self) -> None:
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> str:
        self.writer.close()
        try:
            await asyncio.wait_for(self._process.wait(), _LEAVE_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._listening
        self.needs_help = self._place.needs_help(self._process.returncode, self._said.lines())
        return self._place.explain(self._process.returncode, self._said.lines())

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_SAID_LIMIT):
            self._said.add(data)
