"""What a journal row may say: one type a kind. The stored bytes are JSON of a `Row` around one of these."""

from __future__ import annotations

import datetime
from typing import Literal, TypeAlias

import msgspec

from operations.events import Made, Measured

Scalar = bool | int | float | str


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Base of every kind."""


class Created(Entry, frozen=True, kw_only=True, tag="created"):
    """The first row: which plan and site, and what for ever distinguishes a rehearsal."""

    plan: str
    version: str
    plan_digest: str
    site: str
    site_digest: str
    rehearsal: bool
    not_here: dict[str, str]
    start: datetime.date
    compiled: str = ""
    """SHA-256 of the plan as `console.plan.compiled` has it."""


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An artefact that a job took: ``artefact`` of ``task``, made by ``job``."""

    parameter: str
    task: str
    artefact: str
    job: str
    sha256: str


class JobStarted(Entry, frozen=True, kw_only=True, tag="job-started"):
    """A job that the conductor hands to a host; written before the host is asked."""

    job: str
    task: str
    round: int
    occurrence: str
    role: str
    host: str
    attempt: int
    operation: str
    parameters: dict[str, object]
    inputs: list[Input]
    continues: str = ""


class JobFinished(Entry, frozen=True, kw_only=True, tag="job-finished"):
    """The end of a job with its evidence; ``events_*`` pin the file that it was read from."""

    job: str
    outcome: Literal["done", "failed", "stopped", "lost"]
    reason: str
    signal: str
    measures: list[Measured]
    artefacts: list[Made]
    events_bytes: int
    events_sha256: str


class RecordTyped(Entry, frozen=True, kw_only=True, tag="record-typed"):
    """A value that a person measured."""

    task: str
    round: int
    record: str
    value: Scalar
    occurrence: str = ""
    """Of a task that repeats: the day, YYYY-MM-DD."""


class Ticked(Entry, frozen=True, kw_only=True, tag="ticked"):
    """A deliverable that a person saw, or its tick taken back."""

    task: str
    round: int
    deliverable: str
    undo: bool = False
    occurrence: str = ""


class Skipped(Entry, frozen=True, kw_only=True, tag="skipped"):
    """A task, or one occurrence of it, left out by the rule of a rehearsal or by a person."""

    task: str
    round: int
    reason: str
    occurrence: str = ""


class Noted(Entry, frozen=True, kw_only=True, tag="noted"):
    """A note on a task, in a person's words."""

    task: str
    round: int
    text: str


class Attached(Entry, frozen=True, kw_only=True, tag="attached"):
    """A file that a person laid beside a task, or the program wrote for it: in ``attachments/``, by its digest."""

    task: str
    round: int
    name: str
    file: str
    sha256: str
    size: int
    written: str = ""
    """What the program wrote, as the task's records name it; empty for a person's file."""


class Answered(Entry, frozen=True, kw_only=True, tag="answered"):
    """What a person did about a contingency; ``signs`` are those that called for it then."""

    contingency: str
    signs: list[str]
    text: str


class PlanAdopted(Entry, frozen=True, kw_only=True, tag="plan-adopted"):
    """Another version of the plan is in force from here on."""

    version: str
    plan_digest: str
    compiled: str = ""


class SiteAdopted(Entry, frozen=True, kw_only=True, tag="site-adopted"):
    """Another file of the site is in force from here on; what the first row says of the site stays so."""

    site_digest: str


class RoundOpened(Entry, frozen=True, kw_only=True, tag="round-opened"):
    """A retest: the named tasks begin anew in ``round`` with the option's parameters; the old round stays."""

    gate: str
    round: int
    tasks: list[str]
    option: str
    parameters: dict[str, dict[str, Scalar]]


class Waiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An exception to one criterion of a gate, until a day (inclusive, UTC)."""

    criterion: str
    reason: str
    until: datetime.date


class CriterionStood(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A criterion as it stood when the decision was made; what was not known is None, and absent in TOML."""

    name: str
    shown: str
    asks: str
    gates: bool
    met: bool | None = None
    stale: bool
    reason: str
    job: str
    typed: str = ""
    value: Scalar | None = None
    n: int | None = None
    count: int | None = None


class Decided(Entry, frozen=True, kw_only=True, tag="decided"):
    """A person's GO or NO-GO, or the rule's in a rehearsal."""

    gate: str
    round: int
    outcome: Literal["go", "no-go"]
    reason: str
    actor: Literal["person", "rule"]
    gate_digest: str
    criteria: list[CriterionStood]
    waivers: list[Waiver]
    also_ran: bool
    file: str
    file_sha256: str
    signed: bool
    bound: str = ""
    """What was decided on and nothing else, as the gate binds it: ``digest of W7.3: 3f…``."""


class AlertRaised(Entry, frozen=True, kw_only=True, tag="alert-raised"):
    """A host's reading does not hold a limit of the plan, for as long as the limit asks.

    ``number`` counts the alerts of that limit on that host from 1. ``value`` is in the reading's own unit.
    """

    host: str
    limit: str
    number: int
    reading: str
    value: float
    compare: str
    threshold: float
    level: Literal["alert", "warning"]


class AlertCleared(Entry, frozen=True, kw_only=True, tag="alert-cleared"):
    """The end of that alert: the value that holds again, or why the limit is no longer asked there."""

    host: str
    limit: str
    number: int
    reading: str
    threshold: float
    value: float | None = None
    reason: str = ""


AnyEntry: TypeAlias = (
    Created
    | JobStarted
    | JobFinished
    | RecordTyped
    | Ticked
    | Skipped
    | Noted
    | Attached
    | Answered
    | PlanAdopted
    | SiteAdopted
    | RoundOpened
    | Decided
    | AlertRaised
    | AlertCleared
)


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row. ``previous`` is the hash of the row before it, in hex; the first row's is empty."""

    schema: Literal[1] = 1
    sequence: int
    previous: str
    time: str
    """UTC, ISO 8601 with milliseconds, as the writer's clock had it; the order is the sequence's."""
    operator: str
    entry: AnyEntry


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Row)


def encode_row(row: Row) -> bytes:
    """The bytes that are stored and hashed."""
    return _encoder.encode(row)


def decode_row(stored: bytes) -> Row:
    """Raises msgspec.DecodeError if the bytes are no row."""
    return _decoder.decode(stored)
