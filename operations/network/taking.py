"""Takes the bytes of files as they come: writes them and hashes them, each once."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from operations.contract import Refusal
from operations.files import CHUNK, write_all
from operations.network.partial import Partial
from operations.network.passing import BLOCK, Entry, Passing
from operations.network.peer import Peer

_AHEAD = 8
"""Buffers that may wait for their hash while the next one fills."""


class Blocks:
    """One thread hashes, in the bytes' order, while this one receives and writes. The part notes the digest of each."""

    def __init__(self, peer: Peer, part: Partial, passing: Passing) -> None:
        self._peer = peer
        self._part = part
        self._passing = passing
        self._pool = ThreadPoolExecutor(1, "hash")
        self._buffers = [memoryview(bytearray(CHUNK)) for _ in range(_AHEAD)]
        self._hashed: deque[Future[None]] = deque()
        self._marks: deque[tuple[Future[str], str, int]] = deque()
        self._turn = 0

    def __enter__(self) -> Blocks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # After a cut, what had come by then is noted too.
        self._note(all_of_them=True)
        self._pool.shutdown()

    def take(self, path: Path, entry: Entry, offset: int, hasher: hashlib._Hash) -> str:
        """Takes a file's bytes from ``offset`` on, which ``hasher`` has read up to there; returns its digest."""
        at = offset
        with path.open("r+b" if offset else "wb", buffering=0) as stream:
            stream.truncate(offset)
            stream.seek(offset)
            while True:
                end = min(entry.size, (at // BLOCK + 1) * BLOCK)
                while at < end:
                    at += self._chunk(stream.fileno(), end - at, hasher)
                digest = self._pool.submit(hasher.hexdigest)
                self._marks.append((digest, entry.path, at))
                if at == entry.size:
                    self._note(all_of_them=True)
                    return digest.result()

    def _chunk(self, descriptor: int, most: int, hasher: hashlib._Hash) -> int:
        if len(self._hashed) == _AHEAD:
            self._hashed.popleft().result()
        self._note(all_of_them=False)
        buffer = self._buffers[self._turn][: min(CHUNK, most)]
        self._turn = (self._turn + 1) % _AHEAD
        self._peer.fill(buffer)
        self._hashed.append(self._pool.submit(hasher.update, buffer))
        write_all(descriptor, buffer)
        self._passing.count(len(buffer))
        return len(buffer)

    def _note(self, *, all_of_them: bool) -> None:
        while self._marks and (all_of_them or self._marks[0][0].done()):
            found, path, at = self._marks.popleft()
            self._part.came(path, at, found.result())


def place(data: Path, path: str, directory: bool) -> Path:
    """Where a file of that name belongs in a part. Raises Refusal at a name that leads away."""
    parts = path.split("/")
    if (not directory and path) or (directory and (not path or {"", ".", ".."} & set(parts) or "\0" in path)):
        raise Refusal(f"the source sent a file by the name of {path!r}")
    return data.joinpath(*parts) if directory else data
