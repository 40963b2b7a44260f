"""A package checked on its own, by nothing but itself and keys that someone trusts: every fault by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from operations.contract import Refusal
from operations.package import manifest, openssf, ssh, standing


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; the package holds if there is no fault."""

    digest: str
    """SHA-256 of the manifest: the package's own digest."""
    files: int
    size: int
    """Bytes of all files."""
    standing: str
    """What a GO on this package reads; empty if it does not say."""
    signatures: tuple[str, ...]
    """Those that hold, each in a few words."""
    unchecked: tuple[str, ...]
    """Those that no key was given for."""
    faults: tuple[str, ...]


def verify(directory: Path, *, key: Path | None, signers: Path | None, allow_rehearsal: bool) -> Verdict:
    """Checks every byte, the names of all files, what the package stands for, and each signature that has a key.

    ``key`` is a P-256 public key in PEM, for the OpenSSF signature; ``signers`` an allowed_signers file or an OpenSSH
    public key, for the one over the manifest. Raises Refusal if there is neither, if a key can't be used, or if it is
    no package.
    """
    if key is None and signers is None:
        raise Refusal("without a key of yours a package only vouches for itself: give --key or --allowed-signers")
    allowed = ssh.signers(signers) if signers is not None else ""
    if key is not None:
        openssf.public_key(key)
    if directory.is_symlink() or not directory.is_dir():
        raise Refusal(f"{directory}: {'a link' if directory.is_symlink() else 'no directory'}, where a package is")
    try:
        data = manifest.read(directory / manifest.NAME)
    except OSError as error:
        raise Refusal(f"{directory}: no package: {manifest.NAME}: {error.strerror}") from None
    expected = manifest.decode(data)
    found = manifest.look(directory)
    try:
        digests = manifest.digests(directory, [name for name in found.files if name in expected])
        size = sum((directory / name).lstat().st_size for name in found.files)
    except OSError as error:
        raise Refusal(f"{directory}: {error.filename}: {error.strerror}") from None
    faults = [*found.faults, *manifest.differences(expected, digests, found.files)]
    faults += _stands(directory, digests, allow_rehearsal=allow_rehearsal)
    signatures, unchecked = [], []
    for name, trusted in ((manifest.SSH_SIGNATURE, signers), (manifest.MODEL_SIGNATURE, key)):
        if trusted is None:
            unchecked.append(f"{name}: no key was given for it")
        elif name not in found.files:
            faults.append(f"{name} is missing")
        elif name == manifest.SSH_SIGNATURE:
            try:
                made = ssh.verify(data, manifest.read(directory / name), allowed, trusted)
                signatures.append(f"{name} holds: OpenSSH, key {made}")
            except Refusal as refusal:
                faults.append(f"{name} does not hold: {refusal}")
        else:
            try:
                signed = {**digests, **_apart(directory, found.files, data)}
                openssf.verify(manifest.read(directory / name), signed, trusted)
                signatures.append(f"{name} holds: OpenSSF model signing, key SHA-256 {openssf.fingerprint(trusted)}")
            except Refusal as refusal:
                faults.append(f"{name} does not hold: {refusal}")
    return Verdict(
        digest=hashlib.sha256(data).hexdigest(),
        files=len(found.files),
        size=size,
        standing=_said(directory),
        signatures=tuple(signatures),
        unchecked=tuple(unchecked),
        faults=tuple(faults),
    )


def _apart(directory: Path, files: tuple[str, ...], data: bytes) -> dict[str, str]:
    """What the OpenSSF signature covers beside the manifest's files: the manifest, and the signature over it."""
    apart = {manifest.NAME: hashlib.sha256(data).hexdigest()}
    if manifest.SSH_SIGNATURE in files:
        signature = manifest.read(directory / manifest.SSH_SIGNATURE)
        apart[manifest.SSH_SIGNATURE] = hashlib.sha256(signature).hexdigest()
    return apart


def _stands(directory: Path, digests: dict[str, str], *, allow_rehearsal: bool) -> Iterator[str]:
    if standing.NAME not in digests:
        yield f"{standing.NAME} is not in the manifest: the package does not say what its models were proven on"
        return
    try:
        said = standing.read(directory / standing.NAME)
    except Refusal as refusal:
        yield str(refusal)
        return
    if said.rehearsal and not allow_rehearsal:
        yield f"it is a rehearsal's package, which only --allow-rehearsal accepts: {said.line}"


def _said(directory: Path) -> str:
    try:
        return standing.read(directory / standing.NAME).line
    except Refusal:
        return ""
