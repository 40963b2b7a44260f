"""A package's manifest: SHA-256 of every file, as ``sha256sum -c`` reads it, and a directory held against it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from operations.contract import Refusal

NAME = "MANIFEST.sha256"
SSH_SIGNATURE = "MANIFEST.sha256.sig"
MODEL_SIGNATURE = "model.sig"
APART = frozenset({NAME, SSH_SIGNATURE, MODEL_SIGNATURE})
"""What the manifest can't name, because it was written after it: both signatures cover it, and it covers all else."""
LIMIT = 16 << 20
"""Bytes of a manifest or signature that are read."""
_PIECE = 4 << 20
"""Bytes read at once: long enough that threads seldom wait for each other's Python."""
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_ODD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]|^[ #]|[ ]$")
"""What sha256sum would have to escape, or would read as something else."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in a directory: its files, relative with ``/`` in the order of their bytes, and what may not."""

    files: tuple[str, ...]
    faults: tuple[str, ...]


def look(directory: Path) -> Found:
    """Every file below the directory; links, directories that hold nothing and odd names are faults, by name."""
    files: list[str] = []
    faults: list[str] = []

    def unread(error: OSError) -> None:
        faults.append(f"{_shown(os.path.relpath(error.filename, directory))} can't be read: {error.strerror}")

    for above, names, found in os.walk(directory, onerror=unread):
        for name in (*names, *found):
            path = Path(above, name)
            relative = path.relative_to(directory).as_posix()
            if path.is_symlink():
                faults.append(f"{_shown(relative)} is a link")
            elif _ODD.search(relative):
                faults.append(f"{_shown(relative)} has a name that no package has")
            elif path.is_file():
                files.append(relative)
            elif not path.is_dir():
                faults.append(f"{_shown(relative)} is neither a file nor a directory")
        if not names and not found and Path(above) != directory:
            faults.append(f"{_shown(Path(above).relative_to(directory).as_posix())} is a directory without a file")
    return Found(tuple(sorted(files, key=str.encode)), tuple(sorted(faults)))


def digests(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 in hex by name, several files at once, the largest first. Raises OSError; a link is not followed."""
    sized = sorted(names, key=lambda name: -(directory / name).lstat().st_size)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return dict(zip(sized, pool.map(lambda name: _sha256(directory / name), sized), strict=True))


def _sha256(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    hasher, held = hashlib.sha256(), memoryview(bytearray(_PIECE))
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        while size := stream.readinto(held):
            hasher.update(held[:size])
    return hasher.hexdigest()


def encode(found: Mapping[str, str], notes: Iterable[str] = ()) -> bytes:
    """The manifest's text, sorted by the names' bytes; ``notes`` stand above as comments, which sha256sum skips."""
    lines = [f"# {note}\n" for note in notes]
    lines += [f"{found[name]}  {name}\n" for name in sorted(found, key=str.encode)]
    return "".join(lines).encode()


def decode(data: bytes) -> dict[str, str]:
    """Digests by name. Raises Refusal, with the line, at anything that `encode` does not write."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(f"{NAME} is no text") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], 1):
        if line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        name = match[2] if match else ""
        if match is None or _ODD.search(name) or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
            raise Refusal(f"{NAME}, line {number}: expected a SHA-256 and the name of a file inside the package")
        if name in found or name in APART:
            raise Refusal(f"{NAME}, line {number}: {name} can't stand there{' twice' if name in found else ''}")
        found[name] = match[1]
    if not text.endswith("\n") or not found:
        raise Refusal(f"{NAME} ends in the middle of a line" if found else f"{NAME} names no file")
    return found


def differences(expected: Mapping[str, str], found: Mapping[str, str], present: Iterable[str]) -> Iterator[str]:
    """What was changed, is missing or was added, each by name; ``present`` are all files that are there."""
    there = set(present)
    for name, sha256 in expected.items():
        if name not in there:
            yield f"{name} is missing"
        elif found[name] != sha256:
            yield f"{name} was changed: its SHA-256 is {found[name]}, {NAME} says {sha256}"
    for name in sorted(there - expected.keys() - APART, key=str.encode):
        yield f"{name} was added: {NAME} does not name it"


def read(path: Path) -> bytes:
    """A manifest's or a signature's bytes. Raises Refusal if it is too long to be one, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise Refusal(f"{path.name} is larger than the {LIMIT >> 20} MiB that such a file may have")
    return data


def _shown(name: str) -> str:
    return name if not _ODD.search(name) else ascii(name)
