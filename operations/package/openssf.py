"""OpenSSF model signing with a local P-256 key: a bundle, ``model.sig``, signs a list of all files with their SHA-256.

It is made by the library ``model-signing``, and checked here against digests that were taken once, for manifest and
signature alike. The tests hold what is said here against what the library says.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from operations.contract import Refusal
from operations.package.manifest import MODEL_SIGNATURE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_NONE = "it is no bundle of OpenSSF model signing over files"


class _Signature(msgspec.Struct):
    sig: bytes


class _Envelope(msgspec.Struct):
    payload: bytes
    payloadType: str  # noqa: N815 - the format's names
    signatures: list[_Signature]


class _Hint(msgspec.Struct):
    hint: str


class _Material(msgspec.Struct):
    publicKey: _Hint  # noqa: N815


class _Bundle(msgspec.Struct):
    mediaType: str  # noqa: N815
    verificationMaterial: _Material  # noqa: N815
    dsseEnvelope: _Envelope  # noqa: N815


class _Resource(msgspec.Struct):
    name: str
    algorithm: str
    digest: str


class _Serialization(msgspec.Struct):
    method: str
    hash_type: str


class _Predicate(msgspec.Struct):
    serialization: _Serialization
    resources: list[_Resource]


class _Statement(msgspec.Struct):
    predicateType: str  # noqa: N815
    predicate: _Predicate
    type: str = msgspec.field(name="_type")


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
        raise Refusal("model-signing is not installed on this host: prepare it anew") from None
    what = hashing.Config().set_ignored_paths(paths=[MODEL_SIGNATURE], ignore_git_paths=False)
    with contextlib.redirect_stdout(io.StringIO()):
        made = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(what)
        made.sign(directory, directory / MODEL_SIGNATURE)


def verify(data: bytes, found: Mapping[str, str], key: Path) -> None:
    """Holds a bundle's bytes against the SHA-256 of all other files, and a public key. Raises Refusal: what fails.

    Not by the library: importing it takes longer than hashing a gigabyte, and brings a network's clients to a machine
    that needs none. The bundle is a DSSE envelope (github.com/secure-systems-lab/dsse) around an in-toto statement.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        bundle = msgspec.json.decode(data, type=_Bundle)
    except msgspec.DecodeError as error:
        raise Refusal(f"{_NONE}: {error}") from None
    envelope = bundle.dsseEnvelope
    if bundle.mediaType != _BUNDLE or envelope.payloadType != _PAYLOAD or len(envelope.signatures) != 1:
        raise Refusal(f"{_NONE}: it is of another kind, or does not have one signature")
    trusted = public_key(key)
    if bundle.verificationMaterial.publicKey.hint != hashlib.sha256(_pem(trusted)).hexdigest():
        raise Refusal(f"another key made it than the one in {key}")
    signed = f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(envelope.payload)} ".encode() + envelope.payload
    try:
        trusted.verify(envelope.signatures[0].sig, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refusal(f"it was not made with the key in {key}, or was changed") from None
    if _listed(envelope.payload) != dict(found):
        raise Refusal("what it signs is not what is here")


def _listed(payload: bytes) -> dict[str, str]:
    """SHA-256 by name of the files that a signed statement lists. Raises Refusal for a statement of another kind."""
    try:
        statement = msgspec.json.decode(payload, type=_Statement)
    except msgspec.DecodeError as error:
        raise Refusal(f"{_NONE}: {error}") from None
    listed = statement.predicate.resources
    kinds = {"sha256", statement.predicate.serialization.hash_type, *(one.algorithm for one in listed)}
    named = (statement.type, statement.predicateType, statement.predicate.serialization.method)
    if named != (_STATEMENT, _PREDICATE, "files") or kinds != {"sha256"}:
        raise Refusal(f"{_NONE}: it signs something else than files by their SHA-256")
    return {one.name: one.digest for one in listed}


def _pem(key: EllipticCurvePublicKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(f"{what}{path} can't be read: {error.strerror}") from None


def _kind(key: object) -> str:
    curve = getattr(getattr(key, "curve", None), "name", "")
    name = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey").strip("_")
    return f"an elliptic key on {curve}" if curve else f"a key of the kind {name}"
