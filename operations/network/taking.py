"""Takes the bytes of files as they come: writes them, hashes them, holds them against the source's seals."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from operations.files import CHUNK
from operations.network.partial import Partial
from operations.network.passing import BLOCK, Entry, Passing, Seal
from operations.network.peer import Peer

_AHEAD = 8
"""Buffers that may wait for their hash while the next one fills."""


class Changed(Exception):
    """What came is not what was sent; says in which file, and where."""


class Blocks:
    """One thread hashes, in the bytes' order, while this one receives and writes. The part notes each right block."""

    def __init__(self, peer: Peer, part: Partial, passing: Passing) -> None:
        self._peer = peer
        self._part = part
        self._passing = passing
        self._pool = ThreadPoolExecutor(1, "hash")
        self._buffers = [memoryview(bytearray(CHUNK)) for _ in range(_AHEAD)]
        self._hashed: deque[Future[None]] = deque()
        self._checks: deque[tuple[Future[str], Seal, Entry, int]] = deque()
        self._turn = 0

    def __enter__(self) -> Blocks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # After a cut, what had come whole by then is noted too.
        if error is not None and not isinstance(error, Changed):
            with contextlib.suppress(Changed):
                self._check(all_of_them=True)
        self._pool.shutdown()

    def take(self, path: Path, entry: Entry, offset: int, hasher: hashlib._Hash) -> str:
        """Takes a file's bytes from ``offset`` on, which ``hasher`` has read up to there; returns its digest.

        Raises Changed for the first block that is not what the source read.
        """
        at = offset
        with path.open("r+b" if offset else "wb", buffering=0) as stream:
            stream.truncate(offset)
            stream.seek(offset)
            while True:
                end = min(entry.size, (at // BLOCK + 1) * BLOCK)
                while at < end:
                    at += self._chunk(stream.fileno(), end - at, hasher)
                seal = self._peer.hear(Seal)
                self._checks.append((self._pool.submit(hasher.hexdigest), seal, entry, at))
                if at == entry.size:
                    self._check(all_of_them=True)
                    return seal.sha256

    def _chunk(self, descriptor: int, most: int, hasher: hashlib._Hash) -> int:
        if len(self._hashed) == _AHEAD:
            self._hashed.popleft().result()
        self._check(all_of_them=False)
        buffer = self._buffers[self._turn][: min(CHUNK, most)]
        self._turn = (self._turn + 1) % _AHEAD
        self._peer.fill(buffer)
        self._hashed.append(self._pool.submit(hasher.update, buffer))
        left = buffer
        while left:
            left = left[os.write(descriptor, left) :]
        self._passing.count(len(buffer))
        return len(buffer)

    def _check(self, *, all_of_them: bool) -> None:
        while self._checks and (all_of_them or self._checks[0][0].done()):
            found, seal, entry, at = self._checks.popleft()
            if found.result() != seal.sha256:
                self._checks.clear()
                begin = max(0, at - 1) // BLOCK * BLOCK
                name = entry.path or self._part.name
                raise Changed(f"the bytes changed on their way: {name}, between bytes {begin} and {at}")
            self._part.verified(entry.path, at, seal.sha256)
