"""Makes a wheelhouse on a connected machine: pip fetches what is locked, and nothing stands there half."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

import console
from console.hosts.prepare.lock import PLATFORMS, Locked, Target
from console.hosts.prepare.packing import pack
from console.hosts.prepare.wheelhouse import (
    MANIFEST,
    PROGRAM,
    REQUIREMENTS,
    Entry,
    Manifest,
    Wheelhouse,
    WheelhouseError,
)
from console.text import clean
from operations import wire
from operations.files import sha256_file, write_atomic

PROGRAM_NAME = "gladiator-console"
_PARTIAL = ".new-"


def make(directory: Path, targets: Sequence[Target], locked: Sequence[Locked], tell: Callable[[str], None]) -> Manifest:
    """Fetches what the targets need of ``locked`` and writes the manifest last; what is there is not fetched again.

    Raises WheelhouseError with one line if that can't be done. Whenever it ends, each file there is whole.
    """
    _room(directory)
    needed: dict[str, set[str]] = {}
    try:
        for target in targets:
            wanted = [entry for entry in locked if entry.wanted(target)]
            tell(f"{target}: {len(wanted)} wheels")
            for name in _fetched(directory, target, wanted):
                needed.setdefault(name, set()).add(str(target))
        tell("the program's own wheel")
        own = _own(directory)
        return _written(directory, targets, locked, needed, own)
    except OSError as error:
        raise WheelhouseError(f"{error.filename or directory}: {error.strerror or error}") from None


def _room(directory: Path) -> None:
    """Makes the directory, and clears what was cut off or damaged in it. Raises WheelhouseError if it is another's."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.iterdir():
            if path.name.startswith(_PARTIAL):
                shutil.rmtree(path)
            elif path.suffix != ".whl" and path.name not in (MANIFEST, REQUIREMENTS, PROGRAM):
                raise WheelhouseError(f"{directory}: is no wheelhouse, it holds {path.name}: name another directory")
        if (directory / MANIFEST).exists():
            house = Wheelhouse.open(directory)
            for name in house.manifest.files:
                try:
                    house.verify([name])
                except WheelhouseError:  # pip would take it before a sound one from elsewhere
                    (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise WheelhouseError(f"{directory}: {error.strerror}: name another directory") from None


def _fetched(directory: Path, target: Target, wanted: Iterable[Locked]) -> list[str]:
    """The names of the target's wheels, once they are in the directory."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=_PARTIAL) as new:
        requirements = Path(new) / REQUIREMENTS
        # without conditions: pip would answer those for this machine
        requirements.write_text("".join(entry.text(marker=False) for entry in wanted), "utf-8")
        tags = [word for tag in PLATFORMS[target.platform].tags for word in ("--platform", tag)]
        python = ("--python-version", target.python, "--implementation", "cp")
        _pip(
            *("download", "--no-deps", "--require-hashes", "--only-binary", ":all:", *tags, *python),
            *("--find-links", str(directory), "--dest", f"{new}/wheels", "--requirement", str(requirements)),
            what=str(target),
        )
        return _moved(Path(new) / "wheels", directory)


def _own(directory: Path) -> str:
    """The name of the program's wheel, once it is in the directory: built from the tree, or else as installed."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=_PARTIAL) as new:
        place = Path(new) / "wheels"
        place.mkdir()
        tree = Path(console.__file__).parents[1]
        if (tree / "pyproject.toml").exists():
            built = ("--no-build-isolation",) if importlib.util.find_spec("hatchling") else ()
            _pip("wheel", "--no-deps", *built, "--wheel-dir", str(place), str(tree), what=PROGRAM_NAME)
        else:
            pack(importlib.metadata.distribution(PROGRAM_NAME), place)
        return _moved(place, directory)[0]


def _moved(place: Path, directory: Path) -> list[str]:
    found = sorted(place.iterdir())
    for path in found:
        path.replace(directory / path.name)
    return [path.name for path in found]


def _pip(command: str, *arguments: str, what: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise WheelhouseError(f"{sys.executable} has no pip: install pip there")
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pip", command, *quiet, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [clean(line).strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("ERROR:")] or lines
        raise WheelhouseError(f"{what}: pip {command} failed: {told[0] if told else f'status {done.returncode}'}")


def _written(
    directory: Path, targets: Sequence[Target], locked: Sequence[Locked], needed: dict[str, set[str]], own: str
) -> Manifest:
    """Writes what pip reads on a host, then the manifest; wheels that are in it no more go."""
    everywhere = tuple(map(str, targets))
    for path in directory.glob("*.whl"):
        if path.name not in needed and path.name != own:
            path.unlink()
    files = {}
    for name in sorted(needed):
        digest, size = sha256_file(directory / name)
        files[name] = Entry(size, digest, tuple(t for t in everywhere if t in needed[name]))
    digests = {entry.sha256 for entry in files.values()}
    lines = [e.text(digests) for e in locked if any(e.wanted(target) for target in targets)]
    write_atomic(directory / REQUIREMENTS, "".join(lines).encode())
    digest, size = sha256_file(directory / own)
    files[own] = Entry(size, digest, everywhere)
    version = own.split("-")[1]
    write_atomic(directory / PROGRAM, f"{PROGRAM_NAME}=={version} --hash=sha256:{digest}\n".encode())
    for name in (REQUIREMENTS, PROGRAM):
        digest, size = sha256_file(directory / name)
        files[name] = Entry(size, digest, everywhere)
    manifest = Manifest(program=version, protocol=wire.PROTOCOL, targets=everywhere, files=files)
    write_atomic(directory / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest
