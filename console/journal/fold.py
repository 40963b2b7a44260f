"""The journal's rows folded into what they amount to. Pure: one row after another, no clock, no files."""

from __future__ import annotations

import msgspec

from console.journal.entries import (
    AlertCleared,
    AlertRaised,
    Answered,
    Attached,
    Created,
    Decided,
    JobFinished,
    JobStarted,
    Noted,
    PlanAdopted,
    RecordTyped,
    RoundOpened,
    Row,
    Scalar,
    SiteAdopted,
    Skipped,
    Ticked,
)
from operations.events import Made, Measured


class Job(msgspec.Struct):
    """One attempt and, once known, its end."""

    started: JobStarted
    operator: str
    at: str
    finished: JobFinished | None = None
    ended_at: str = ""
    ended: int = 0
    """Sequence of the row that ended it."""

    def measure(self, name: str) -> Measured | None:
        """The last value of that name; None before the end or if it reported none."""
        found = None
        for measured in self.finished.measures if self.finished else ():
            if measured.name == name:
                found = measured
        return found

    def artefact(self, name: str) -> Made | None:
        """The last artefact of that name."""
        found = None
        for made in self.finished.artefacts if self.finished else ():
            if made.name == name:
                found = made
        return found


class Signed(msgspec.Struct, frozen=True):
    """Who wrote a value or a tick, and when."""

    operator: str
    at: str
    value: Scalar = True


class Taken(msgspec.Struct, frozen=True):
    """A decision as journalled."""

    entry: Decided
    operator: str
    at: str
    sequence: int
    epoch: int
    """Rounds opened before it: the evidence that it stands on is of that epoch."""


class Remark(msgspec.Struct, frozen=True):
    """A note or an attachment as journalled."""

    entry: Noted | Attached
    operator: str
    at: str


class Written(msgspec.Struct, frozen=True):
    """A file that the program wrote for a task, as journalled."""

    entry: Attached
    operator: str
    at: str
    sequence: int


class Answer(msgspec.Struct, frozen=True):
    """An answer to a contingency as journalled."""

    entry: Answered
    operator: str
    at: str


class Opening(msgspec.Struct, frozen=True):
    """A round as journalled."""

    entry: RoundOpened
    operator: str
    at: str


class Adoption(msgspec.Struct, frozen=True):
    """Another plan or site put in force, as journalled; ``before`` is the digest of the one that was until then."""

    entry: PlanAdopted | SiteAdopted
    operator: str
    at: str
    before: str


class Alert(msgspec.Struct):
    """An alert as journalled and, once it has ended, its end."""

    entry: AlertRaised
    at: str
    cleared: AlertCleared | None = None
    cleared_at: str = ""


class State(msgspec.Struct):
    """All that has happened up to row ``sequence``."""

    sequence: int = 0
    head: str = ""
    created: Created | None = None
    created_at: str = ""
    jobs: dict[str, Job] = msgspec.field(default_factory=dict)
    runs: dict[tuple[str, int], list[Job]] = msgspec.field(default_factory=dict)
    """The attempts by (task, round), oldest first."""
    records: dict[tuple[str, int, str, str], Signed] = msgspec.field(default_factory=dict)
    """By (task, round, slug, occurrence)."""
    ticks: dict[tuple[str, int, str, str], Signed] = msgspec.field(default_factory=dict)
    """By (task, round, deliverable, occurrence)."""
    skipped: dict[tuple[str, int, str], Signed] = msgspec.field(default_factory=dict)
    """By (task, round, occurrence); the value is the reason."""
    answers: dict[str, list[Answer]] = msgspec.field(default_factory=dict)
    """What persons did about each contingency, oldest first."""
    decisions: dict[str, list[Taken]] = msgspec.field(default_factory=dict)
    """By gate, oldest first."""

    notes: dict[str, list[Remark]] = msgspec.field(default_factory=dict)
    """What persons noted on or attached to each task, oldest first."""
    written: dict[tuple[str, int, str], Written] = msgspec.field(default_factory=dict)
    """The newest file that the program wrote, by (task, round, what)."""
    plan_digest: str = ""
    """Of the plan in force."""
    compiled: str = ""
    """SHA-256 of the plan in force as `console.plan.compiled` has it; "" where none was pinned."""
    site_digest: str = ""
    """Of the site in force."""
    adoptions: list[Adoption] = msgspec.field(default_factory=list)
    """Plans and sites put in force since the first row, oldest first."""
    clock_back: list[int] = msgspec.field(default_factory=list)
    """Rows whose time lies before that of the row before them: a clock jumped; the order is the sequence's."""
    last_at: str = ""
    openings: list[Opening] = msgspec.field(default_factory=list)
    """Rounds opened, oldest first; how many there were by some moment is that moment's epoch."""
    alerts: dict[tuple[str, str], list[Alert]] = msgspec.field(default_factory=dict)
    """By (host, limit), oldest first."""

    def apply(self, row: Row, digest: str) -> None:  # noqa: PLR0912 - a branch a kind
        """Adds the next row, whose hash is ``digest``."""
        entry = row.entry
        if row.time < self.last_at:
            self.clock_back.append(row.sequence)
        self.last_at = row.time
        match entry:
            case Created():
                self.created, self.created_at = entry, row.time
                self.plan_digest, self.compiled = entry.plan_digest, entry.compiled
                self.site_digest = entry.site_digest
            case JobStarted():
                job = Job(entry, row.operator, row.time)
                self.jobs[entry.job] = job
                self.runs.setdefault((entry.task, entry.round), []).append(job)
            case JobFinished():
                job = self.jobs[entry.job]
                job.finished, job.ended_at, job.ended = entry, row.time, row.sequence
            case RecordTyped():
                key = (entry.task, entry.round, entry.record, entry.occurrence)
                self.records[key] = Signed(row.operator, row.time, entry.value)
            case Ticked():
                self._tick(entry, row)
            case Skipped():
                self.skipped[entry.task, entry.round, entry.occurrence] = Signed(row.operator, row.time, entry.reason)
            case Noted() | Attached():
                self.notes.setdefault(entry.task, []).append(Remark(entry, row.operator, row.time))
                if isinstance(entry, Attached) and entry.written:
                    made = Written(entry, row.operator, row.time, row.sequence)
                    self.written[entry.task, entry.round, entry.written] = made
            case Answered():
                self.answers.setdefault(entry.contingency, []).append(Answer(entry, row.operator, row.time))
            case PlanAdopted():
                self.adoptions.append(Adoption(entry, row.operator, row.time, self.plan_digest))
                self.plan_digest, self.compiled = entry.plan_digest, entry.compiled
            case SiteAdopted():
                self.adoptions.append(Adoption(entry, row.operator, row.time, self.site_digest))
                self.site_digest = entry.site_digest
            case RoundOpened():
                self.openings.append(Opening(entry, row.operator, row.time))
            case Decided():
                taken = Taken(entry, row.operator, row.time, row.sequence, len(self.openings))
                self.decisions.setdefault(entry.gate, []).append(taken)
            case AlertRaised() | AlertCleared():
                self._alert(entry, row)
        self.sequence, self.head = row.sequence, digest

    def _tick(self, entry: Ticked, row: Row) -> None:
        key = (entry.task, entry.round, entry.deliverable, entry.occurrence)
        if entry.undo:
            self.ticks.pop(key, None)
        else:
            self.ticks[key] = Signed(row.operator, row.time)

    def _alert(self, entry: AlertRaised | AlertCleared, row: Row) -> None:
        alerts = self.alerts.setdefault((entry.host, entry.limit), [])
        if isinstance(entry, AlertRaised):
            alerts.append(Alert(entry, row.time))
        elif alerts:
            alerts[-1].cleared, alerts[-1].cleared_at = entry, row.time

    def decision(self, gate: str) -> Taken | None:
        """The decision in force: the latest, unless a round for another has been opened since."""
        taken = self.decisions.get(gate)
        if not taken or any(opening.entry.gate == gate for opening in self.openings[taken[-1].epoch :]):
            return None
        return taken[-1]

    def open_jobs(self) -> list[Job]:
        """Jobs whose end is not journalled."""
        return [j for j in self.jobs.values() if j.finished is None]

    def open_alerts(self) -> dict[tuple[str, str], Alert]:
        """Alerts that have not ended, by (host, limit)."""
        return {place: alerts[-1] for place, alerts in self.alerts.items() if alerts and alerts[-1].cleared is None}
