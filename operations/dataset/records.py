"""What a record of a store is, and how a store's batch files are read when nobody vouches for them."""

from __future__ import annotations

import hashlib
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

LABEL_LIMIT = 128
"""Characters of a label at most."""
PAYLOAD_LIMIT = 65_536
"""Characters of a payload at most."""
FILE_LIMIT = 1 << 30
"""Bytes of a batch file at most: one file at a time is held in memory."""
BATCH = re.compile(r"batch_[0-9]+\.json")
_GROUP = re.compile(r"(?s)(.+)-[^-]+")


@dataclass(frozen=True, slots=True)
class Record:
    """A usable record: a label, a payload, and whatever else plain it had."""

    id: str
    label: str
    payload: str
    further: dict[str, bool | int | float | str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Its template, or what its id begins with (``<rule>-<test>``); "" if it has neither."""
        template = self.further.get("template")
        if isinstance(template, str) and template:
            return template
        return prefix(self.id)

    @property
    def key(self) -> str:
        """The normalised payload: records with equal keys are duplicates."""
        return normal(self.payload)

    def plain(self) -> dict[str, bool | int | float | str]:
        """The record as it is written."""
        return {"id": self.id, "attack_type": self.label, "payload": self.payload, **self.further}


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch file: its records, or why it has none, and its manifest line's parts."""

    name: str
    sha256: str
    size: int
    records: tuple[object, ...] = ()
    fault: str = ""


def prefix(name: str) -> str:
    """The part of an id before its last hyphen; "" if there is none."""
    found = _GROUP.fullmatch(name)
    return found.group(1) if found else ""


def normal(payload: str) -> str:
    """The payload as far as duplicates go: composed (NFC), white space runs as one, letter case ignored."""
    return " ".join(unicodedata.normalize("NFC", payload).split()).casefold()


def ordered(seed: int, text: str) -> bytes:
    """A keyed hash that puts texts in an order of the seed's own: 16 bytes, BLAKE2b."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=str(seed).encode()).digest()


def read(raw: object, where: str) -> Record | str:
    """The record, or what it lacks. The label is ``attack_type``, or else ``type``; it is never taken for a payload."""
    if not isinstance(raw, dict):
        return "no object"
    label = next((raw[name] for name in ("attack_type", "type") if raw.get(name) is not None), None)
    if not isinstance(label, str) or not label.strip():
        return "no label"
    label = label.strip()
    if len(label) > LABEL_LIMIT or not label.isprintable():
        return "label too long or not printable"
    payload = raw.get("payload")
    if not isinstance(payload, str) or not payload.strip():
        return "no payload"
    if len(payload) > PAYLOAD_LIMIT:
        return f"payload over {PAYLOAD_LIMIT:,} characters"
    name = raw.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        name = where
    further = {
        key: value
        for key, value in raw.items()
        if key not in ("id", "attack_type", "type", "payload") and isinstance(value, bool | int | float | str)
    }
    return Record(str(name), label, payload, further)


def names(directory: Path) -> list[str]:
    """The batch files' names in a directory, in order. Raises OSError."""
    return sorted(path.name for path in directory.iterdir() if BATCH.fullmatch(path.name))


def batches(directory: Path) -> Iterator[Batch]:
    """Each batch file of a store once, one in memory at a time. Raises OSError only if the directory can't be read."""
    for name in names(directory):
        yield _batch(directory / name)


def _batch(path: Path) -> Batch:
    data, fault = content(path)
    if fault:
        return Batch(path.name, "", len(data), fault=fault)
    records, fault = array(data)
    return Batch(path.name, hashlib.sha256(data).hexdigest(), len(data), tuple(records), fault)


def content(path: Path) -> tuple[bytes, str]:
    """A batch file's bytes, or none and why it can't be read."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return b"", "not a regular file"
        if status.st_size > FILE_LIMIT:
            return b"", f"over {FILE_LIMIT:,} bytes"
        return path.read_bytes(), ""
    except OSError as error:
        return b"", f"can't be read: {error.strerror}"


def array(data: bytes) -> tuple[list[Any], str]:
    """The items of a JSON array, or none and what is wrong with it."""
    if fault := unreadable(data):
        return [], fault
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return [], "not JSON"
    if isinstance(found, dict):
        return [], "an object, not an array"
    if not isinstance(found, list):
        return [], "not an array"
    return (found, "") if found else ([], "no records")


def unreadable(data: bytes) -> str:
    """Why a batch file's bytes are no text; empty if they are one."""
    if not data.strip():
        return "empty"
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return ""
