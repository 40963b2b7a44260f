"""OpenSSF model signing with a local P-256 key, by the library ``model-signing``; it is imported when it is needed.

A bundle (``model.sig``) holds a signed list of all files with their SHA-256. What is signed is read by the library;
what is verified is held against digests that were taken once, for manifest and signature alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operations.contract import Refusal
from operations.package.manifest import MODEL_SIGNATURE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

MISSING = "the library model-signing is not installed: the OpenSSF signature can't be {}"


def available() -> None:
    """Raises Refusal where the library that checks a signature is not installed."""
    if importlib.util.find_spec("model_signing") is None:
        raise Refusal(MISSING.format("checked"))


def make(path: Path) -> None:
    """A new P-256 private key as PEM, readable by its owner alone. Raises OSError; FileExistsError if it is there."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(pem)


def public_of(path: Path) -> bytes:
    """The public half, as PEM, of a private key's file. Raises Refusal, naming file and kind, if it is no P-256 key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    data = _read(path, "key ")
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        raise Refusal(f"key {path} is locked by a passphrase, and nobody is there to type it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal(f"key {path} is no private key in PEM: a P-256 one is needed") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refusal(f"key {path} is {_kind(key)}: a P-256 private key in PEM is needed")
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_key(path: Path) -> EllipticCurvePublicKey:
    """A public key's file. Raises Refusal, naming file and kind, if it is no P-256 public key in PEM."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    data = _read(path, "")
    if b"PRIVATE KEY" in data:
        raise Refusal(f"{path} is a private key: give its public half")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal(f"{path} is no public key in PEM: a P-256 one is needed") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refusal(f"{path} is {_kind(key)}: a P-256 public key in PEM is needed")
    return key


def fingerprint(path: Path) -> str:
    """SHA-256 in hex of a public key's file in DER, as ``openssl pkey -pubin -outform DER | sha256sum`` shows it."""
    from cryptography.hazmat.primitives import serialization

    der = public_key(path).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def sign(directory: Path, key: Path) -> None:
    """Writes ``model.sig`` over every other file of the directory. Raises Refusal."""
    try:
        from model_signing import hashing, signing
    except ImportError:
        raise Refusal(MISSING.format("made")) from None
    what = hashing.Config().set_ignored_paths(paths=[MODEL_SIGNATURE], ignore_git_paths=False)
    with contextlib.redirect_stdout(io.StringIO()):
        made = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(what)
        made.sign(directory, directory / MODEL_SIGNATURE)


def verify(directory: Path, found: Mapping[str, str], key: Path) -> None:
    """Holds ``model.sig`` against the digests of all other files, and a public key. Raises Refusal: what fails."""
    from cryptography.exceptions import InvalidSignature
    from model_signing import hashing, verifying

    class Taken(hashing.Config):  # type: ignore[misc]
        """Digests that were taken already, in place of a second reading."""

        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:  # noqa: ARG002
            return _manifest(directory.name, found)

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            config = verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(Taken())
            config.verify(directory, directory / MODEL_SIGNATURE)
    except InvalidSignature:
        raise Refusal(f"it was not made with the key in {key}, or was changed") from None
    except ValueError as error:
        said = str(error)
        if said.startswith("Key mismatch"):
            raise Refusal(f"another key made it than the one in {key}") from None
        if said.startswith("Signature mismatch"):
            raise Refusal("what it signs is not what is here") from None
        raise Refusal(f"it is no bundle of OpenSSF model signing: {_one_line(error)}") from None
    except Exception as error:
        # a foreign file is taken apart by five libraries, each with errors of its own
        raise Refusal(f"it is no bundle of OpenSSF model signing: {_one_line(error)}") from None


def _manifest(name: str, found: Mapping[str, str]) -> Any:
    from model_signing import manifest
    from model_signing._hashing.hashing import Digest  # the one type of a manifest that has no public name

    kind = manifest.SerializationType.from_args({"method": "files", "hash_type": "sha256", "allow_symlinks": False})
    items = [kind.new_item(file, Digest("sha256", bytes.fromhex(sha256))) for file, sha256 in found.items()]
    return manifest.Manifest(name, items, kind)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(f"{what}{path} can't be read: {error.strerror}") from None


def _kind(key: object) -> str:
    curve = getattr(getattr(key, "curve", None), "name", "")
    name = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey").strip("_")
    return f"an elliptic key on {curve}" if curve else f"a key of the kind {name}"


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {lines[0][:200]}' if lines else ''}"
