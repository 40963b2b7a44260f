"""Writes the sets of an export, a batch after another, and takes their digests as the bytes go by."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import msgspec

from operations.files import CHUNK, write_all

_AHEAD = 3
"""Batches that may wait for their digests."""
_FLUSHED = 1 << 26
"""Bytes after which the disk is given what is written, so that the end has not to wait for all of it."""
_INTERVAL = 0.0005
"""Seconds: how long a thread that has its digest may wait for its turn, which is to begin the next one."""


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After a batch: what each file has, in bytes and lines, and the SHA-256 of that."""

    batch: int
    sizes: tuple[int, ...]
    lines: tuple[int, ...]
    sha256: tuple[str, ...]


class Writer:
    """Files that grow together. Disk, MD5 and SHA-256 each have a thread, since none can wait for another.

    ``marks`` is a file of Mark lines, from which a later writer of the same files goes on.
    """

    def __init__(self, paths: Sequence[Path], marks: Path) -> None:
        self._paths, self._marks = paths, marks
        self._md5 = [hashlib.md5(usedforsecurity=False) for _ in paths]
        self._sha256 = [hashlib.sha256() for _ in paths]
        self.sizes, self.lines = [0] * len(paths), [0] * len(paths)
        self.begin = 0
        """The first batch that is not written."""
        self._take_up()
        self._files = [path.open("ab", buffering=0) for path in paths]
        self._marking = marks.open("ab", buffering=0)
        self._pools = [ThreadPoolExecutor(1, name) for name in ("disk", "md5", "sha256")]
        self._flushing = ThreadPoolExecutor(1, "flush")
        self._flush: Future[None] | None = None
        self._unflushed = 0
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(_INTERVAL)
        self._waiting: deque[tuple[list[Future[None]], Future[tuple[str, ...]], Mark]] = deque()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        sys.setswitchinterval(self._interval)
        for pool in (*self._pools, self._flushing):
            pool.shutdown(cancel_futures=True)
        for stream in (*self._files, self._marking):
            stream.close()

    def put(self, batch: int, pieces: Sequence[bytes], lines: Sequence[int]) -> None:
        """Adds to each file what a batch has for it."""
        for at, data in enumerate(pieces):
            self.sizes[at] += len(data)
            self.lines[at] += lines[at]
        disk, md5, sha256 = self._pools
        written = [disk.submit(self._write, pieces), md5.submit(_update, self._md5, pieces)]
        digests = sha256.submit(self._digest, pieces)
        self._waiting.append((written, digests, Mark(batch, tuple(self.sizes), tuple(self.lines), ())))
        while len(self._waiting) > _AHEAD:
            self._mark()
        self._unflushed += sum(map(len, pieces))
        if self._unflushed > _FLUSHED and (self._flush is None or self._flush.done()):
            self._flush = self._flushing.submit(self._sync)
            self._unflushed = 0

    def finish(self) -> tuple[list[str], list[str]]:
        """MD5 and SHA-256 of each file, once all of it is on the disk."""
        while self._waiting:
            self._mark()
        if self._flush is not None:
            self._flush.result()
        self._sync()
        return [h.hexdigest() for h in self._md5], list(self._digests())

    def _sync(self) -> None:
        for stream in self._files:
            os.fsync(stream.fileno())

    def _write(self, pieces: Sequence[bytes]) -> None:
        for stream, data in zip(self._files, pieces, strict=True):
            write_all(stream.fileno(), data)

    def _digest(self, pieces: Sequence[bytes]) -> tuple[str, ...]:
        _update(self._sha256, pieces)
        return self._digests()

    def _digests(self) -> tuple[str, ...]:
        return tuple(h.copy().hexdigest() for h in self._sha256)

    def _mark(self) -> None:
        written, digests, mark = self._waiting.popleft()
        for future in written:
            future.result()
        whole = msgspec.structs.replace(mark, sha256=digests.result())
        self._marking.write(msgspec.json.encode(whole) + b"\n")

    def _take_up(self) -> None:
        """Reads what the last mark says is there; if it is not, all begins anew."""
        mark = self._last()
        if mark and self._read_again(mark):
            self.begin, self.sizes, self.lines = mark.batch + 1, list(mark.sizes), list(mark.lines)
            return
        self._md5 = [hashlib.md5(usedforsecurity=False) for _ in self._paths]
        self._sha256 = [hashlib.sha256() for _ in self._paths]
        for path in (*self._paths, self._marks):
            path.write_bytes(b"")

    def _last(self) -> Mark | None:
        try:
            # A line that was cut short is none; what follows it must begin a line.
            whole = self._marks.read_bytes().rpartition(b"\n")[0]
            self._marks.write_bytes(whole + b"\n" if whole else b"")
            return msgspec.json.decode(whole.rpartition(b"\n")[2], type=Mark)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _read_again(self, mark: Mark) -> bool:
        for path, md5, sha256, size, known in zip(
            self._paths, self._md5, self._sha256, mark.sizes, mark.sha256, strict=True
        ):
            left = size
            with path.open("r+b", buffering=0) as stream:
                while left and (data := stream.read(min(CHUNK, left))):
                    md5.update(data)
                    sha256.update(data)
                    left -= len(data)
                if left or sha256.hexdigest() != known:
                    return False
                stream.truncate(size)
        return True


def _update(hashes: Sequence[hashlib._Hash], pieces: Sequence[bytes]) -> None:
    for each, data in zip(hashes, pieces, strict=True):
        each.update(data)
