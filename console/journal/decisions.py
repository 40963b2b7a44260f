"""Decisions as files: TOML that a person can read, signed where a key is configured, never edited."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import tomli
import tomli_w

from console.journal import signing
from console.journal.entries import CriterionStood, Waiver
from operations.files import fsync_directory, sha256_file, write_atomic

_PENDING = ".pending-"


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the file says. ``journal_head`` is the hash of the row before the decision's: signing it signs the past."""

    schema: int = 1
    outcome: str
    """``GO``, ``NO-GO``, or ``GO (rehearsal)``."""
    gate: str
    title: str
    round: int
    reason: str
    operator: str
    uid: int
    actor: str
    also_ran: bool
    """Whether the one who decides also ran work that the evidence comes from."""
    time: str
    rehearsal: bool
    plan: str
    plan_digest: str
    gate_digest: str
    journal_sequence: int
    journal_head: str
    bound: str = ""
    """What is decided on and nothing else, where the gate binds it."""
    public_key: str = ""
    """Empty: unsigned."""
    not_proven_here: list[str] = []
    criterion: list[CriterionStood] = []
    waiver: list[Waiver] = []


class Written(msgspec.Struct, frozen=True):
    """A decision's file as the journal pins it."""

    file: str
    sha256: str
    signed: bool


def write(directory: Path, decision: Decision, key: Path | None) -> Written:
    """Writes ``<gate>-<sequence of its row>.toml`` and, with a key, its ``.sig``, both still under a pending name.

    `publish` gives them their names once the row is in the journal, so that a file without a row is never a cut in
    the middle but always a fault. Raises SigningError, OSError.
    """
    if key is not None:
        decision = msgspec.structs.replace(decision, public_key=signing.public_key(key))
    name = f"{decision.gate}-{decision.journal_sequence + 1:06d}.toml"
    data = tomli_w.dumps(_without_null(msgspec.to_builtins(decision, builtin_types=()))).encode()
    pending = directory / f"{_PENDING}{name}"
    write_atomic(pending, data)
    if key is not None:
        signing.sign(pending, key)
    return Written(name, hashlib.sha256(data).hexdigest(), key is not None)


def publish(directory: Path, file: str, sha256: str) -> None:
    """Gives a journalled decision its name, if a cut kept it pending; harmless when it has it. Raises OSError."""
    pending, final = directory / f"{_PENDING}{file}", directory / file
    if final.exists() or not pending.exists() or sha256_file(pending)[0] != sha256:
        return
    signature = pending.with_name(pending.name + ".sig")
    if signature.exists():
        signature.replace(final.with_name(final.name + ".sig"))
    pending.replace(final)
    fsync_directory(directory)


def read(path: Path) -> Decision:
    """Raises OSError, tomli.TOMLDecodeError, msgspec.ValidationError."""
    return msgspec.convert(tomli.loads(path.read_text("utf-8")), Decision)


def uid() -> int:
    """The account that writes; -1 where the system has none."""
    return os.getuid() if hasattr(os, "getuid") else -1


def _without_null(value: object) -> dict[str, object]:
    """TOML has no null: what is not known is left out."""
    cleaned = _clean(value)
    assert isinstance(cleaned, dict)
    return cleaned


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    return value
