"""Signatures over decisions by ``ssh-keygen -Y``, which works offline with the key a person already has."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

NAMESPACE = "gladiator-console"


class SigningError(Exception):
    """The key can't sign, or a signature does not hold: one line."""


def sign(file: Path, key: Path) -> Path:
    """Signs ``file`` into ``file.sig`` beside it and returns that path. Raises SigningError."""
    signature = file.with_name(file.name + ".sig")
    signature.unlink(missing_ok=True)
    _run(["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)], f"{key} can't sign")
    return signature


def public_key(key: Path) -> str:
    """``type base64`` of the key's public half, without its comment. Raises SigningError."""
    shown = _run(["ssh-keygen", "-y", "-P", "", "-f", str(key)], f"{key} can't be read")
    return " ".join(shown.decode("ascii", "replace").split()[:2])


def verify(file: Path, public: str) -> None:
    """Checks ``file.sig`` over ``file`` against a public key. Raises SigningError if it does not hold."""
    signature = file.with_name(file.name + ".sig")
    with tempfile.NamedTemporaryFile("w", suffix=".allowed") as allowed:
        allowed.write(f"operator {public}\n")
        allowed.flush()
        command = ["ssh-keygen", "-q", "-Y", "verify", "-f", allowed.name, "-I", "operator", "-n", NAMESPACE]
        try:
            data = file.read_bytes()
        except OSError as error:
            raise SigningError(f"{file}: {error.strerror}") from error
        _run([*command, "-s", str(signature)], f"{signature.name} does not verify", data)


def _run(command: list[str], failure: str, data: bytes | None = None) -> bytes:
    try:
        done = subprocess.run(command, input=data or b"", capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SigningError(f"{failure}: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SigningError(f"{failure}: {said[-1] if said else f'exit {done.returncode}'}")
    return done.stdout
