"""What is known of each record of a batch file after one look: where it stands, and keys of what it says.

A ledger is a file of its own a batch, whole or absent, so that a stopped export goes on at the next batch.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import Meta

from operations.dataset import masking, records

_SEAL = 32
_SPACE = b" \t\r\n"


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """One batch file. ``starts``, ``lengths``, ``contents``, ``forms`` are arrays of 32 bits, an item a usable record.

    ``contents`` is the CRC-32 of the payload without space and letter case, ``forms`` that of its masked form;
    ``rewritten`` are the records that can't be copied as they stand, with their places in the batch's array.
    """

    name: str
    size: int = 0
    modified: int = 0
    sha256: str = ""
    fault: str = ""
    unusable: dict[str, int] = {}
    labels: tuple[str, ...] = ()
    starts: bytes = b""
    lengths: bytes = b""
    contents: bytes = b""
    forms: bytes = b""
    rewritten: dict[int, int] = {}

    @property
    def usable(self) -> int:
        """Records with a label and a payload."""
        return len(self.starts) // 4


class _Plain(msgspec.Struct, frozen=True):
    """A record that can be copied as it stands."""

    payload: Annotated[str, Meta(min_length=1, max_length=records.PAYLOAD_LIMIT)]
    attack_type: Annotated[str, Meta(min_length=1, max_length=records.LABEL_LIMIT)]
    id: Annotated[str, Meta(min_length=1)] | int


_decode = msgspec.json.Decoder(_Plain).decode


def read(path: Path) -> Ledger | None:
    """The ledger in a file; None if there is none, or a torn one."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[_SEAL:]).digest() == data[:_SEAL]:
            return msgspec.msgpack.decode(data[_SEAL:], type=Ledger)
    except (FileNotFoundError, msgspec.DecodeError):
        pass
    return None


def write(path: Path, ledger: Ledger) -> None:
    """Puts the ledger in its place. What a power cut tears does not pass for a ledger, so none is waited for."""
    data = msgspec.msgpack.encode(ledger)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(hashlib.sha256(data).digest() + data)
    temporary.replace(path)


def survey(path: Path) -> Ledger:
    """Looks at a batch file."""
    data, fault = records.content(path)
    try:
        status = path.lstat()
        known: dict[str, Any] = {"name": path.name, "size": status.st_size, "modified": status.st_mtime_ns}
    except OSError:
        known = {"name": path.name}
    if fault:
        return Ledger(**known, fault=fault)
    known["sha256"] = hashlib.sha256(data).hexdigest()
    if fault := records.unreadable(data):
        return Ledger(**known, fault=fault)
    return _quick(data, known) or _careful(data, known)


def _quick(data: bytes, known: dict[str, Any]) -> Ledger | None:
    """The ledger if all records are plain and stand a line each, or all on one line.

    The array's text is cut where records seem to meet. If each piece is one record, the cuts were right.
    """
    start = len(data) - len(data.lstrip(_SPACE))
    body = data.strip(_SPACE)
    if body[:1] != b"[" or body[-1:] != b"]":
        return None
    inner = body[1:].lstrip(_SPACE)
    start += len(body) - len(inner)
    inner = inner[:-1].rstrip(_SPACE)
    between = b",\n" if b"\n" in inner else b", " if b"}, {" in inner else b","
    lines = inner.replace(b"}" + between + b"{", b"}\n{").split(b"\n")
    try:
        found = list(map(_decode, lines))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    labels = {record.attack_type for record in found}
    if not all(label == label.strip() and label.isprintable() for label in labels):
        return None
    contents, forms = masking.forms([record.payload for record in found])
    if b"" in contents and not all(record.payload.strip() for record in found):
        return None
    lengths = list(map(len, lines))
    step = len(between)
    starts = list(accumulate([length + step for length in lengths[:-1]], initial=start))
    return _ledger(known, labels, starts, lengths, contents, forms)


def _careful(data: bytes, known: dict[str, Any]) -> Ledger:
    """The ledger of any array, a record at a time."""
    try:
        raws = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, ValueError):
        return Ledger(**known, fault=records.array(data)[1] or "not JSON")
    if not raws:
        return Ledger(**known, fault="no records")
    starts: list[int] = []
    lengths: list[int] = []
    payloads: list[str] = []
    labels: set[str] = set()
    unusable: dict[str, int] = {}
    rewritten: dict[int, int] = {}
    at = 0
    for place, raw in enumerate(map(bytes, raws)):
        # Between two records stand a comma and space only, and a record begins with neither: the first find is it.
        at = data.index(raw, at)
        record = usable(raw, f"{known['name']}:{place}")
        if isinstance(record, str):
            unusable[record] = unusable.get(record, 0) + 1
        else:
            if not _copied(raw, record):
                rewritten[len(starts)] = place
            starts.append(at)
            lengths.append(len(raw))
            payloads.append(record.payload)
            labels.add(record.label)
        at += len(raw)
    contents, forms = masking.forms(payloads) if payloads else ([], [])
    return _ledger(known, labels, starts, lengths, contents, forms, unusable=unusable, rewritten=rewritten)


def usable(raw: bytes, where: str) -> records.Record | str:
    """The record in a piece of JSON, or what it lacks."""
    try:
        return records.read(msgspec.json.decode(raw), where)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "not JSON"


def _copied(raw: bytes, record: records.Record) -> bool:
    """Whether the record is a line as it stands, with its id and its label where all look for them."""
    if b"\n" in raw or b"\r" in raw:
        return False
    try:
        return _decode(raw).attack_type == record.label
    except msgspec.DecodeError:
        return False


def line(raw: bytes, where: str) -> bytes:
    """The record as a line, its id and label where all look for them, all else as it was."""
    record = usable(raw, where)
    assert isinstance(record, records.Record), "only usable records are in a ledger"
    fields: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    fields |= {"attack_type": record.label}
    if not (isinstance(fields.get("id"), msgspec.Raw) and str(msgspec.json.decode(fields["id"])) == record.id):
        fields["id"] = record.id
    return msgspec.json.format(msgspec.json.encode(fields), indent=-1)


def _ledger(
    known: dict[str, Any],
    labels: set[str],
    starts: Sequence[int],
    lengths: Sequence[int],
    contents: Sequence[bytes],
    forms: Sequence[bytes],
    **further: Any,
) -> Ledger:
    return Ledger(
        **known,
        labels=tuple(sorted(labels)),
        starts=array("I", starts).tobytes(),
        lengths=array("I", lengths).tobytes(),
        contents=array("I", map(crc32, contents)).tobytes(),
        forms=array("I", map(crc32, forms)).tobytes(),
        **further,
    )
