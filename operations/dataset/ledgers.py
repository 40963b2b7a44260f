"""What is known of each record of a batch file after one look: where it stands, and keys of what it says.

A ledger is a file of its own a batch, whole or absent, so that a stopped export goes on at the next batch.
"""

from __future__ import annotations

import hashlib
import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from operations.dataset import masking, records

_SEAL = 32
_SPACE = b" \t\r\n"
_CLOSE, _BREAK = b"}\n"
_WIDTH = 16
"""Bytes of a proof: a digest that duplicates have in common."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """One batch file. ``starts``, ``lengths`` (of 32 bits) and ``keys`` (of 64) have an item a usable record.

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
    keys: bytes = b""
    rewritten: dict[int, int] = {}

    @property
    def usable(self) -> int:
        """Records with a label and a payload."""
        return len(self.starts) // 4


class Look(msgspec.Struct, frozen=True):
    """What matters of a batch's ledger while others are made; ``before`` if an earlier attempt made it."""

    name: str
    size: int
    sha256: str
    fault: str
    usable: int
    unusable: dict[str, int]
    labels: tuple[str, ...]
    before: bool


class _Plain(msgspec.Struct, frozen=True, gc=False):
    """A record that can be copied as it stands."""

    payload: Annotated[str, Meta(min_length=1, max_length=records.PAYLOAD_LIMIT)]
    attack_type: Annotated[str, Meta(min_length=1, max_length=records.LABEL_LIMIT)]
    id: Annotated[str, Meta(min_length=1)] | int


_decode = msgspec.json.Decoder(_Plain).decode
_decode_all = msgspec.json.Decoder(list[_Plain]).decode
_view: Callable[[msgspec.Raw], memoryview] = memoryview
_label_of: Callable[[_Plain], str] = operator.attrgetter("attack_type")
_payload_of: Callable[[_Plain], str] = operator.attrgetter("payload")


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


def look(batch: Path, path: Path) -> Look:
    """Makes the batch's ledger, unless there is one of the same file."""
    known = read(path)
    if known is not None:
        try:
            status = batch.lstat()
        except OSError:
            known = None
        else:
            known = known if (known.size, known.modified) == (status.st_size, status.st_mtime_ns) else None
    before = known is not None
    if known is None:
        known = survey(batch)
        write(path, known)
    return Look(known.name, known.size, known.sha256, known.fault, known.usable, known.unusable, known.labels, before)


def digests(batch: Path, ledger: Path, indices: bytes) -> bytes:
    """The digests of some of a batch's records."""
    known = read(ledger)
    assert known is not None, "it was there a moment ago"
    starts = np.frombuffer(known.starts, dtype=np.uint32).tolist()
    lengths = np.frombuffer(known.lengths, dtype=np.uint32).tolist()
    found = bytearray()
    with batch.open("rb") as stream:
        for index in np.frombuffer(indices, dtype=np.uint32).tolist():
            stream.seek(starts[index])
            record = usable(stream.read(lengths[index]), "")
            assert isinstance(record, records.Record), "only usable records are in a ledger"
            key = record.key.encode("utf-8", "surrogatepass")
            found += hashlib.blake2b(key, digest_size=_WIDTH).digest()
    return bytes(found)


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
    if quick := _quick(data, known):
        return quick
    try:
        raws = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, ValueError):
        return Ledger(**known, fault=records.array(data)[1] or "not JSON")
    if not raws:
        return Ledger(**known, fault="no records")
    return _careful(data, raws, known)


def _quick(data: bytes, known: dict[str, Any]) -> Ledger | None:
    """The ledger if all records can be copied as they stand and it is plain to see where they are."""
    try:
        found = _decode_all(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    labels = set(map(_label_of, found))
    if not found or not all(label == label.strip() and label.isprintable() for label in labels):
        return None
    places = _places(data, len(found))
    if places is None:
        return None
    keys = masking.keys(list(map(_payload_of, found)))
    # White space alone is no payload; it weighs nothing.
    return _ledger(known, labels, *places, keys) if keys.all() else None


def _places(data: bytes, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Where an array's records start, and their lengths; None if one is more than a line or it is not certain."""
    view = np.frombuffer(data, dtype=np.uint8)
    # A record ends with a brace that closes it: if there are no others, each is a record's end.
    ends = masking.where(view == _CLOSE) + 1
    if len(ends) == count:
        first = data.index(b"{")
        second = data.find(b"{", int(ends[0]))
        between = data[int(ends[0]) : second] if count > 1 else b""
        starts = np.append(np.int64(first), ends[:-1] + len(between))
    else:
        raws = msgspec.json.decode(data, type=list[msgspec.Raw])
        lengths = np.fromiter(map(len, map(_view, raws)), dtype=np.int64, count=count)
        first = data.index(b"{", data.index(b"["))
        second = data.find(b"{", first + int(lengths[0]))
        between = data[first + int(lengths[0]) : second] if count > 1 else b""
        starts = first + np.cumsum(lengths + len(between)) - lengths - len(between)
        ends = starts + lengths
    # After a record come a comma and space, then the next one: if they are the same everywhere, so are the places.
    if between.strip(_SPACE) != b"," * (count > 1) or int(ends[-1]) > len(data):
        return None
    if not all((view[ends[:-1] + at] == byte).all() for at, byte in enumerate(between + b"{")):
        return None
    if b"\r" in data:
        return None
    if b"\n" in data:
        breaks = masking.where(view == _BREAK)
        record = np.searchsorted(starts, breaks) - 1
        if ((record >= 0) & (breaks < ends[record])).any():
            return None
    return starts, ends - starts


def _careful(data: bytes, raws: list[msgspec.Raw], known: dict[str, Any]) -> Ledger:
    """The ledger of any array, a record at a time."""
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
    return _ledger(
        known,
        labels,
        np.array(starts, dtype=np.int64),
        np.array(lengths, dtype=np.int64),
        masking.keys(payloads) if payloads else np.empty(0, dtype=np.uint64),
        unusable=unusable,
        rewritten=rewritten,
    )


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
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    keys: NDArray[np.uint64],
    **further: Any,
) -> Ledger:
    return Ledger(
        **known,
        labels=tuple(sorted(labels)),
        starts=starts.astype(np.uint32).tobytes(),
        lengths=lengths.astype(np.uint32).tobytes(),
        keys=keys.tobytes(),
        **further,
    )
