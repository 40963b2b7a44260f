"""The file of a job's events as its only writer sees it: whole lines, and a last word even on a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

from operations import events
from operations.files import fsync_directory
from operations.job import EVENTS

RESERVE = "reserve"
RESERVE_BYTES = 65_536
NO_SPACE = "no space left on the host"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DURABLE = (events.Measured, events.Made, events.Endpoint, events.Finished)


class DiskFull(Exception):
    """An event did not fit the disk; only `History.finish` may follow."""


def is_full(error: OSError) -> bool:
    """Whether the error says that the disk, or one's share of it, is full."""
    return error.errno in _FULL


class History:
    """Appends to ``events.jsonl``. Making one fails with FileExistsError if the job has a history already."""

    def __init__(self, directory: Path) -> None:
        self._reserve = directory / RESERVE
        self._rest = b""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(directory / EVENTS, flags, 0o644)
        with contextlib.suppress(OSError):
            fsync_directory(directory)

    def hold_reserve(self) -> None:
        """Takes the space that the last event may need. Raises DiskFull if it isn't there."""
        try:
            with self._reserve.open("wb") as stream:
                stream.write(bytes(RESERVE_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            if is_full(error):
                raise DiskFull from None
            raise

    def append(self, event: events.Event) -> None:
        """Writes one event; on return a measure, an artefact or an endpoint is on the disk. Raises DiskFull."""
        try:
            self._write(events.encode(event))
            if isinstance(event, _DURABLE):
                os.fsync(self._descriptor)
        except OSError as error:
            if is_full(error):
                raise DiskFull from None
            raise

    def finish(self, event: events.Finished, patience: float = 30.0) -> None:
        """Writes what is still unwritten and the last event, from the reserve if need be, and closes.

        On a disk that stays full it tries for ``patience`` seconds. Raises OSError if that was not enough.
        """
        until = time.monotonic() + patience
        with contextlib.suppress(FileNotFoundError):
            self._reserve.unlink()
        line = events.encode(event)
        while True:
            try:
                self._write(line)
                os.fsync(self._descriptor)
                break
            except OSError as error:
                if not is_full(error) or time.monotonic() > until:
                    raise
                line = b""
                time.sleep(0.5)
        os.close(self._descriptor)

    def _write(self, line: bytes) -> None:
        # A disk that fills up takes part of a line: the rest is kept, so that the file never joins two halves.
        self._rest += line
        while self._rest:
            self._rest = self._rest[os.write(self._descriptor, self._rest) :]
