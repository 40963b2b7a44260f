"""What a job says, one JSON object a line in ``events.jsonl``; that file is the whole protocol from host to console.

Every event has ``type`` and ``t`` (seconds since 1970, UTC). A number that is not finite is ``value: null`` with
``nonfinite`` set, so that a NaN is never mistaken for a hole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from operations.contract import Level, Retention

LINE_LIMIT = 65_536
"""Bytes of one event line, its newline included; the supervisor cuts log text to fit and refuses the rest."""
TEXT_LIMIT = 4_096
"""Characters of a log's text or a reason."""

NonFinite: TypeAlias = Literal["nan", "inf", "-inf"]
Outcome: TypeAlias = Literal["done", "failed", "stopped"]


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    t: float


class Log(_Event, frozen=True, kw_only=True, tag="log"):
    """A line of text."""

    text: str
    level: Level = "info"


class Progress(_Event, frozen=True, kw_only=True, tag="progress"):
    """How much of the work is done."""

    done: int
    total: int
    unit: str


class Metric(_Event, frozen=True, kw_only=True, tag="metric"):
    """One point of a curve."""

    name: str
    step: int
    value: float | None
    nonfinite: NonFinite | None = None


class Measured(_Event, frozen=True, kw_only=True, tag="measure"):
    """A measure, or one row of a series."""

    name: str
    value: bool | int | float | str | dict[str, int | float | None] | None
    unit: str = ""
    n: int | None = None
    count: int | None = None
    step: int | None = None
    reason: str = ""
    nonfinite: NonFinite | None = None


class Made(_Event, frozen=True, kw_only=True, tag="artefact"):
    """A finished artefact."""

    name: str
    path: str
    size: int
    sha256: str
    retention: Retention = "keep"
    step: int | None = None


class Endpoint(_Event, frozen=True, kw_only=True, tag="endpoint"):
    """Where the other role's job may connect."""

    address: str
    port: int


class Finished(_Event, frozen=True, kw_only=True, tag="finished"):
    """The last event."""

    outcome: Outcome
    reason: str = ""
    exit_status: int | None = None
    signal: str = ""
    seconds: float = 0.0


Event: TypeAlias = Log | Progress | Metric | Measured | Made | Endpoint | Finished

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(
    Log | Progress | Metric | Measured | Made | Endpoint | Finished
)


def finite(value: float) -> tuple[float | None, NonFinite | None]:
    """Splits a float into the pair that an event carries."""
    if math.isfinite(value):
        return value, None
    if math.isnan(value):
        return None, "nan"
    return None, "inf" if value > 0 else "-inf"


def encode(event: Event) -> bytes:
    """The event as one line with its newline. Raises ValueError if it is longer than LINE_LIMIT."""
    line = _encoder.encode(event) + b"\n"
    if len(line) > LINE_LIMIT:
        raise ValueError(f"event of {len(line)} bytes, at most {LINE_LIMIT} fit a line")
    return line


def decode(line: bytes) -> Event:
    """One line's event. Raises msgspec.DecodeError (ValidationError among them) if it is none."""
    return _decoder.decode(line)


def decode_lines(lines: Iterator[bytes]) -> Iterator[Event]:
    """The events of whole lines, in order; a line that is no event becomes an error Log, so that it is seen."""
    for line in lines:
        try:
            yield decode(line)
        except msgspec.DecodeError as error:
            yield Log(t=0.0, level="error", text=f"unreadable event: {error}")
