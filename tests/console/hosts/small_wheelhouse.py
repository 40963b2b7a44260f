"""A wheelhouse of what an agent and stub jobs need, for this machine's kind, made without any network."""

import importlib.metadata
import platform
import sys
from pathlib import Path

import pytest

from console.hosts.prepare import making
from console.hosts.prepare.lock import PLATFORMS, Locked, Target
from console.hosts.prepare.packing import pack
from operations.files import sha256_file

NEEDED = ("msgspec", "psutil", "tomli-w")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def here() -> Target:
    uname = f"{platform.system()} {platform.machine()}"
    return Target(next(name for name, known in PLATFORMS.items() if known.uname == uname), PYTHON)


def packed(place: Path) -> list[Locked]:
    """Wheels of what is installed here, as if pip had fetched them, and the lock that names them."""
    place.mkdir()
    locked = []
    for name in NEEDED:
        distribution = importlib.metadata.distribution(name)
        digest, _ = sha256_file(pack(distribution, place))
        locked.append(Locked(name, distribution.version, "", (digest,)))
    return locked


def offline(patch: pytest.MonkeyPatch, place: Path) -> None:
    """Makes pip look there and nowhere else."""
    patch.setenv("PIP_CONFIG_FILE", "/dev/null")
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", str(place))


def make(directory: Path, index: Path, locked: list[Locked], tell=lambda _: None):
    with pytest.MonkeyPatch.context() as patch:
        offline(patch, index)
        return making.make(directory, [here()], locked, tell)
