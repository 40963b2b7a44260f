"""Locked requirements as pip reads them: a name, a version, a condition on the machine, and SHA-256 of its files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LEAN = Path(__file__).with_name("host.lock")
"""What hosts need; it is part of the program, so that an installed one can make a wheelhouse too."""
_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[A-Za-z0-9._,-]+\])?==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>.+))?"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class LockError(ValueError):
    """A file of locked requirements that can't be read; one line says which and where."""


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of host and its Python, such as ``3.12``."""

    platform: str
    python: str

    def __str__(self) -> str:
        return f"{self.platform}/{self.python}"

    def environment(self) -> dict[str, str]:
        """What conditions on the machine are answered with. Raises KeyError for none of PLATFORMS."""
        return {
            **PLATFORMS[self.platform].environment,
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
        }


@dataclass(frozen=True, slots=True)
class Platform:
    """``tags`` are pip's names of what runs there; ``uname`` is what ``uname -sm`` prints."""

    uname: str
    tags: tuple[str, ...]
    environment: dict[str, str]


def _linux(machine: str) -> Platform:
    # up to the C library of the oldest Linux that MLX has wheels for; each is named, older pips infer none from another
    tags = (*(f"manylinux_2_{minor}_{machine}" for minor in range(35, 16, -1)), f"manylinux2014_{machine}")
    return Platform(f"Linux {machine}", tags, _environment("linux", "Linux", machine))


def _environment(platform: str, system: str, machine: str) -> dict[str, str]:
    return {
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": machine,
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_version": "",
        "extra": "",
    }


PLATFORMS = {
    "macos-arm64": Platform("Darwin arm64", ("macosx_14_0_arm64",), _environment("darwin", "Darwin", "arm64")),
    "linux-x86_64": _linux("x86_64"),
    "linux-arm64": _linux("aarch64"),
}


@dataclass(frozen=True, slots=True)
class Locked:
    """One requirement; ``marker`` is its condition on the machine, empty for all.

    ``extras`` stand as they are written, in brackets: where another requirement asks for them pip wants them so.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    extras: str = ""

    def wanted(self, target: Target) -> bool:
        """Whether such a host needs it."""
        return not self.marker or Marker(self.marker).evaluate(target.environment())

    def text(self, hashes: Collection[str] | None = None, *, marker: bool = True) -> str:
        """The lines that pip reads; with no more than ``hashes`` where they are given."""
        condition = f" ; {self.marker}" if self.marker and marker else ""
        kept = [f"--hash=sha256:{digest}" for digest in self.hashes if hashes is None or digest in hashes]
        return " \\\n    ".join([f"{self.name}{self.extras}=={self.version}{condition}", *kept]) + "\n"


def parse(text: str, where: str) -> list[Locked]:
    """The requirements in their order. Raises LockError at what is none, or has no hash."""
    found = []
    for whole in text.replace("\\\n", " ").splitlines():
        line = whole.partition("#")[0].strip()
        if not line:
            continue
        head = line.partition("--hash")[0].strip()
        entry, hashes = _ENTRY.fullmatch(head), tuple(_HASH.findall(line))
        if entry is None or not hashes:
            raise LockError(f"{where}: not a requirement with a version and hashes: {head[:80]}")
        marker = entry["marker"] or ""
        try:
            Marker(marker) if marker else None
        except InvalidMarker:
            raise LockError(f"{where}: {entry['name']}: no condition that can be read: {marker[:80]}") from None
        found.append(Locked(entry["name"], entry["version"], marker, hashes, entry["extras"] or ""))
    return found


def lean() -> list[Locked]:
    """What hosts need. Raises LockError if the file did not come with this installation."""
    try:
        return parse(LEAN.read_text("utf-8"), LEAN.name)
    except OSError:
        raise LockError(f"{LEAN.name} did not come with this installation: install gladiator-console anew") from None


def closure(
    locked: Sequence[Locked], roots: Iterable[str], requires: dict[str, list[str]], targets: Collection[Target]
) -> list[Locked]:
    """Of ``locked``, what ``roots`` need on any of the targets, themselves among it.

    ``requires`` are what distributions say they require, by normal name; one that is not there requires nothing.
    """
    needed: set[tuple[str, str]] = set()
    waiting = [(Requirement(root), target) for root in roots for target in targets]
    known: set[tuple[str, Target]] = set()
    while waiting:
        requirement, target = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            environment = {**target.environment(), "extra": extra}
            if (f"{name}[{extra}]", target) in known or (
                requirement.marker and not requirement.marker.evaluate(target.environment())
            ):
                continue
            known.add((f"{name}[{extra}]", target))
            needed.add((name, str(target)))
            for text in requires.get(name, []):
                further = Requirement(text)
                if further.marker is None or further.marker.evaluate(environment):
                    further.marker = None
                    waiting.append((further, target))
    return [
        entry
        for entry in locked
        if any((canonicalize_name(entry.name), str(t)) in needed and entry.wanted(t) for t in targets)
    ]
