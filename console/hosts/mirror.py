"""A copy of a far job's events or readings in the workspace: every byte at its own offset, whole lines only."""

from __future__ import annotations

import os
from pathlib import Path

from operations.events import LINE_LIMIT


class Gap(Exception):
    """Bytes came that do not join on to what is here; ask again from `Mirror.size`."""


class Mirror:
    """Writes what comes where it belongs. Its size alone says where to go on, after any cut of either side.

    What a crash left behind the last newline is not counted and is written again. Two consoles may write the same file:
    both write the same bytes at the same places.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._rest = bytearray()
        self.size = self._whole()

    def write(self, offset: int, data: bytes) -> None:
        """Takes bytes that stand at ``offset``; a line is written once it is whole. Raises Gap."""
        if offset != self.size + len(self._rest):
            self._rest.clear()
            raise Gap(f"bytes at {offset}, expected {self.size + len(self._rest)}")
        end = data.rfind(b"\n") + 1
        if end:
            with memoryview(data) as view:
                self._put(self._rest, self.size)
                self._put(view[:end], self.size + len(self._rest))
            self.size += len(self._rest) + end
            self._rest.clear()
        self._rest += data[end:]
        if len(self._rest) > LINE_LIMIT:
            self._rest.clear()
            raise ValueError(f"the host sent a line of more than {LINE_LIMIT} bytes")

    def restart(self) -> int:
        """Forgets the piece of a line that has come so far; where to go on from."""
        self._rest.clear()
        return self.size

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._descriptor)

    def _put(self, data: bytearray | memoryview, offset: int) -> None:
        done = 0
        while done < len(data):  # a write is cut short by a full disk, and the next one says so
            done += os.pwrite(self._descriptor, data[done:] if done else data, offset + done)

    def _whole(self) -> int:
        end = os.fstat(self._descriptor).st_size
        while end:
            start = max(0, end - LINE_LIMIT)
            newline = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
        return 0
