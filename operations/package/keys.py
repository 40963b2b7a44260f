"""The keys that a package is signed with: those that the site names, else a pair made once for the host."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from operations.contract import Refusal
from operations.files import fsync_directory, write_atomic
from operations.package import openssf, ssh

DIRECTORY = "keys"
PEM = "model-signing.pem"
SSH = "manifest-signing"
PUBLIC_PEM = "model-signing.pub.pem"
ALLOWED = "allowed_signers"


@dataclass(frozen=True, slots=True)
class Keys:
    """Paths of the private keys, and their public halves; ``said`` is where they come from, for a person."""

    key: Path
    public_pem: bytes
    ssh_key: Path
    ssh_public: str
    said: str


def find(root: Path, key: str, ssh_key: str) -> Keys:
    """The keys named by path on the host, or below its root; an empty one is made there, or was by an earlier job.

    Raises Refusal, naming the key, if one is missing, locked, readable by others or of another kind.
    """
    pem = _given(root, key) if key else _made(root / DIRECTORY / PEM, openssf.make)
    secure = _given(root, ssh_key) if ssh_key else _made(root / DIRECTORY / SSH, ssh.make)
    _private(pem, "key")
    _private(secure, "ssh_key")
    said = [f"{name} {'given' if given else 'made here'}" for name, given in (("key", key), ("ssh_key", ssh_key))]
    return Keys(pem, openssf.public_of(pem), secure, ssh.public_key(secure), ", ".join(said))


def publish(keys: Keys, directory: Path) -> None:
    """Writes the public halves, as a verifier takes them."""
    write_atomic(directory / PUBLIC_PEM, keys.public_pem)
    write_atomic(directory / ALLOWED, ssh.allowed(keys.ssh_public).encode())


def _given(root: Path, named: str) -> Path:
    try:
        path = Path(named).expanduser()
    except RuntimeError:
        raise Refusal(f"{named}: there is no such home directory on this host") from None
    return path if path.is_absolute() else root / path


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    """The key at that path, made now if it is not there: whole, or not at all, and once, however many jobs ask."""
    if path.exists():
        return path
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        make(new)
        with contextlib.suppress(FileExistsError):  # another job was first: its key counts
            os.link(new, path)
    finally:
        for file in (new, new.with_name(f"{new.name}.pub")):
            file.unlink(missing_ok=True)
    fsync_directory(path.parent)
    return path


def _private(path: Path, name: str) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise Refusal(f"{name} {path} can't be read: {error.strerror}") from None
    if mode & 0o077:
        raise Refusal(f"{name} {path} can be read by others: chmod 600 it, or make another")
