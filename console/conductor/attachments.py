"""Files that persons lay beside tasks, kept in the workspace under their digests."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from console.conductor.errors import BadInput
from operations.files import CHUNK, atomic, write_atomic

LIMIT = 256 << 20
"""Bytes of one attachment."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An attachment in the workspace's ``attachments/``."""

    file: str
    sha256: str
    size: int


def keep_bytes(workspace: Path, name: str, data: bytes) -> Kept:
    """Keeps what the program wrote under that name. Raises OSError."""
    sha256 = hashlib.sha256(data).hexdigest()
    file = f"{sha256[:12]}-{name}"
    write_atomic(workspace / "attachments" / file, data)
    return Kept(file, sha256, len(data))


def keep(workspace: Path, source: Path) -> Kept:
    """Copies a file in, hashing on the way; the same bytes under the same name are kept once. Raises BadInput."""
    directory = workspace / "attachments"
    hasher, size = hashlib.sha256(), 0
    try:
        if not source.is_file():
            raise BadInput(f"{source}: no file")
        if source.stat().st_size > LIMIT:
            raise BadInput(f"{source}: larger than the {LIMIT >> 20} MiB of an attachment")
        incoming = directory / f".{secrets.token_hex(8)}"
        with source.open("rb") as stream, atomic(incoming) as copy:
            while chunk := stream.read(CHUNK):
                hasher.update(chunk)
                size += len(chunk)
                copy.write(chunk)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.name).strip(".-") or "file"
        file = f"{hasher.hexdigest()[:12]}-{name}"
        incoming.replace(directory / file)
    except OSError as error:
        raise BadInput(f"{source}: {error.strerror}") from error
    return Kept(file, hasher.hexdigest(), size)
