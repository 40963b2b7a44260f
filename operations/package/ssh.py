"""Signatures by ``ssh-keygen -Y``: they need no library where they are checked, and OpenSSH is everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from operations.contract import Refusal

NAMESPACE = "gladiator-package"
SIGNER = "gladiator-package"
"""The principal under which the key that made a package stands in ``allowed_signers``."""
_PUBLIC = re.compile(r"(?P<key>[a-z0-9@.-]+ [A-Za-z0-9+/=]{32,})( .*)?")
_SECONDS = 60
_MISSING = "ssh-keygen is not on this machine: install OpenSSH's client"


def make(path: Path) -> None:
    """A new Ed25519 key pair, the private half readable by its owner alone. Raises Refusal."""
    _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", str(path)], f"{path} can't be made")


def public_key(key: Path) -> str:
    """``type base64`` of a private key's public half. Raises Refusal if the file is no such key, or is locked."""
    if not key.is_file():
        raise Refusal(f"ssh_key {key}: no such file")
    said = _run(["ssh-keygen", "-y", "-P", "", "-f", str(key)], f"ssh_key {key} is no OpenSSH private key to sign with")
    return " ".join(said.split()[:2])


def fingerprint(public: str) -> str:
    """``SHA256:...`` as OpenSSH shows it, of ``type base64``. Raises Refusal."""
    said = _run(["ssh-keygen", "-l", "-f", "-"], "no OpenSSH public key", f"{public}\n".encode())
    return said.split()[1]


def allowed(public: str) -> str:
    """The line of an ``allowed_signers`` file that lets the key sign packages, and nothing else."""
    return f'{SIGNER} namespaces="{NAMESPACE}" {public}\n'


def signers(path: Path) -> str:
    """What a file says of who may sign: an ``allowed_signers`` file's text, or one made of an OpenSSH public key.

    Raises Refusal if it is neither.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{path} can't be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    if "PRIVATE KEY" in text:
        raise Refusal(f"{path} is a private key: give its public half")
    if shutil.which("ssh-keygen") is None:
        raise Refusal(_MISSING)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise Refusal(f"{path} names no key")
    one = _PUBLIC.fullmatch(lines[0].strip())
    if len(lines) == 1 and one:
        fingerprint(one["key"])
        return allowed(one["key"])
    return text


def sign(file: Path, key: Path) -> Path:
    """Signs ``file`` into ``file.sig`` beside it. Raises Refusal."""
    signature = file.with_name(f"{file.name}.sig")
    signature.unlink(missing_ok=True)
    _run(["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)], f"ssh_key {key} can't sign")
    return signature


def verify(data: bytes, signature: bytes, allowed_signers: str, named: Path) -> str:
    """Checks a signature's bytes over ``data``; returns the fingerprint of the key that made it.

    ``named`` is the file that ``allowed_signers`` is the text of. Raises Refusal, saying what does not hold.
    """
    with tempfile.TemporaryDirectory() as directory:
        trusted, made = Path(directory, "allowed_signers"), Path(directory, "signature")
        trusted.write_text(allowed_signers)
        made.write_bytes(signature)
        both = ["-s", str(made), "-f", str(trusted)]
        found = _ask(["ssh-keygen", "-Y", "find-principals", *both])
        if found.returncode:
            raise Refusal(_why(found, named))
        principal = found.stdout.decode("utf-8", "replace").splitlines()[0]
        checked = _ask(["ssh-keygen", "-Y", "verify", *both, "-I", principal, "-n", NAMESPACE], data)
    if checked.returncode:
        raise Refusal(_why(checked, named))
    good = re.search(rb"SHA256:[A-Za-z0-9+/]+", checked.stdout)
    return good[0].decode() if good else ""


def _why(done: subprocess.CompletedProcess[bytes], named: Path) -> str:
    said = (done.stderr + done.stdout).decode("utf-8", "replace")
    if match := re.search(r"key has expired: .*valid-before (\S+)", said):
        return f"the key in {named} has expired: it was valid before {match[1]}"
    if match := re.search(r"key is not yet valid: .*valid-after (\S+)", said):
        return f"the key in {named} is not valid yet: it is after {match[1]}"
    if "not permitted for use in signature namespace" in said:
        return f"the key in {named} may not sign packages: its namespace is not {NAMESPACE}"
    if "incorrect signature" in said:
        return "the manifest is not the one that was signed"
    if "sshsig_armor" in said or "parse signature" in said or "invalid format" in said:
        return "it is no signature of OpenSSH"
    if "No principal matched" in said:
        return f"another key made it than any in {named}"
    lines = said.strip().splitlines()
    return lines[0] if lines else f"ssh-keygen ended with {done.returncode}"


def _ask(command: list[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LC_ALL": "C"}
    environment.pop("SSH_AUTH_SOCK", None)  # a package is signed with the key that was named, not with an agent's
    environment.pop("SSH_ASKPASS", None)
    try:
        return subprocess.run(command, input=data, capture_output=True, timeout=_SECONDS, check=False, env=environment)
    except FileNotFoundError:
        raise Refusal(_MISSING) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refusal(f"ssh-keygen does not work: {error}") from None


def _run(command: list[str], failure: str, data: bytes = b"") -> str:
    done = _ask(command, data)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Refusal(f"{failure}: {said[-1] if said else f'exit {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
