"""A wheelhouse: a directory of wheels for hosts without internet, each file's SHA-256 in its manifest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from console.hosts.prepare.lock import Target
from operations.files import sha256_file

MANIFEST = "manifest.json"
REQUIREMENTS = "requirements.txt"
"""What pip installs but for the program itself."""
PROGRAM = "program.txt"
"""The program itself, apart: two builds of it may have one version."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+!-]{0,250}\Z")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class WheelhouseError(ValueError):
    """A wheelhouse that can't be used or made; one line says what, where and what to do."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file: its bytes, their SHA-256, and the targets that need it, as `Target` writes them."""

    size: int
    sha256: Digest
    targets: tuple[str, ...]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``manifest.json`` holds. ``program`` and ``protocol`` are the version and wire protocol of the program."""

    schema: Literal[1] = 1
    program: str
    protocol: int
    targets: tuple[Annotated[str, Meta(pattern=r"^[a-z0-9_-]+/3\.\d{1,3}\Z")], ...]
    files: dict[Name, Entry]


class Wheelhouse:
    """An opened wheelhouse."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest

    @classmethod
    def open(cls, directory: Path) -> Wheelhouse:
        """Reads the manifest, not yet the files. Raises WheelhouseError."""
        try:
            manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
        except FileNotFoundError:
            raise WheelhouseError(
                f"{directory}: no wheelhouse; make one with: gladiator-console wheelhouse {directory}"
            ) from None
        except OSError as error:
            raise WheelhouseError(f"{directory / MANIFEST}: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise WheelhouseError(f"{directory / MANIFEST}: can't be read: {error}") from None
        return cls(directory, manifest)

    def pythons(self, platform: str) -> list[str]:
        """The versions of Python that there are wheels for, the newest first. Raises WheelhouseError if for none."""
        split = [target.split("/") for target in self.manifest.targets]
        found = [python for name, python in split if name == platform]
        if not found:
            raise WheelhouseError(
                f"{self.directory}: has no wheels for {platform}; it has {', '.join(self.manifest.targets)}: make it "
                f"again with --platform {platform}"
            )
        return sorted(found, key=lambda python: int(python[2:]), reverse=True)

    def names(self, target: Target) -> list[str]:
        """The files that the target needs."""
        return [name for name, entry in self.manifest.files.items() if str(target) in entry.targets]

    def verify(self, names: Iterable[str]) -> None:
        """Reads each file and compares. Raises WheelhouseError that names the first one that is not as locked."""
        for name in names:
            try:
                digest, _ = sha256_file(self.directory / name)
            except OSError as error:
                raise WheelhouseError(f"{self.directory / name}: {error.strerror}: make the wheelhouse again") from None
            if digest != self.manifest.files[name].sha256:
                raise WheelhouseError(
                    f"{self.directory / name}: is not the file that the manifest has locked (SHA-256 {digest[:12]}…, "
                    f"locked {self.manifest.files[name].sha256[:12]}…): make the wheelhouse again"
                )
