"""Files that are whole or absent, and their digests."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO

CHUNK = 1 << 20
_RUN = 1 << 18
"""Bytes of one write: for longer ones Linux seeks longer runs of free pages, which costs ext4 up to ten times more."""


def fsync_directory(path: Path) -> None:
    """Makes renames and creations in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write that takes ``path``'s place, flushed to the disk, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Replaces the file by ``data``: a reader, or a power cut, sees all of the old or all of the new."""
    with atomic(path) as stream:
        stream.write(data)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Writes all of ``data`` to an open file, a run of pages at a time. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left[:_RUN]) :]


def sha256_file(path: Path) -> tuple[str, int]:
    """The file's SHA-256 in hex and its size in bytes, read in chunks."""
    hasher = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    return hasher.hexdigest(), size


def digest(path: Path, taken: Mapping[str, str] = MappingProxyType({})) -> tuple[str, int]:
    """SHA-256 in hex and size in bytes of a file, or of a directory.

    A directory's digest is that of its manifest, the text that ``sha256sum`` prints for its files (``<hex>  <path>``
    lines, paths relative with ``/``, sorted by their bytes); its size is the files' sum. Raises ValueError at anything
    in it that is neither a file nor a directory. ``taken`` are digests, by path in the directory ("" for a file), that
    whoever wrote these files took of the bytes meanwhile: they are not read again.
    """
    if not path.is_dir():
        return (taken[""], path.stat().st_size) if "" in taken else sha256_file(path)
    lines, total = [], 0
    for found in sorted(path.rglob("*"), key=lambda p: p.relative_to(path).as_posix().encode()):
        if found.is_symlink() or not (found.is_file() or found.is_dir()):
            raise ValueError(f"{found} is neither a file nor a directory")
        if found.is_file():
            name = found.relative_to(path).as_posix()
            checksum, size = (taken[name], found.stat().st_size) if name in taken else sha256_file(found)
            lines.append(f"{checksum}  {name}\n")
            total += size
    return hashlib.sha256("".join(lines).encode()).hexdigest(), total
