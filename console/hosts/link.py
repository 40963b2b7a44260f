"""How an agent is reached: a link opens a pair of streams to one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

_SAID_LIMIT = 4_096
_LEAVE_SECONDS = 2.0


class Connection(Protocol):
    """An agent that was started and can be spoken to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def close(self) -> str:
        """Ends the agent, never its jobs, and returns the last line that it printed as an error."""


class Link(Protocol):
    """One way to a host."""

    async def open(self) -> Connection:
        """Starts an agent. Raises OSError if that can't be done."""


class LocalLink:
    """An agent on this machine, as a process of its own session, ended with its standard input."""

    def __init__(self, root: Path, python: str = "") -> None:
        self._arguments = (python or sys.executable, "-P", "-m", "operations", "agent", str(root))

    async def open(self) -> Connection:
        """Starts the agent. Raises OSError if the interpreter can't be run."""
        process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        return _Local(process.stdout, process.stdin, process)


class NoLink:
    """A host that can't be reached, and why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def open(self) -> Connection:
        """Raises OSError."""
        raise OSError(self._reason)


@dataclass
class _Local:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _process: asyncio.subprocess.Process
    _said: bytearray = field(default_factory=bytearray)

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
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_SAID_LIMIT):
            self._said += data
            del self._said[:-_SAID_LIMIT]
