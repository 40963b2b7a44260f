"""A workspace at one moment as both faces show it: derived from plan, site and journal, never stored."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from console.plan.sites import Site
from console.plan.types import Plan
from operations import registry
from operations.contract import Takes, Value

TaskState = Literal["locked", "ready", "running", "done", "failed", "lost", "skipped"]
GateState = Literal["closed", "ready", "go", "no-go", "passed-over"]


class Row(Struct, frozen=True):
    """One row of a series record."""

    step: int
    value: Value
    reason: str = ""
    label: str = ""
    """What the row is called instead of its step: a day."""


class RecordView(Struct, frozen=True):
    """A value, or series of values, that the plan asks for."""

    slug: str
    label: str
    ref: str
    typed: bool
    """True where a person fills it."""
    value: Value = None
    unit: str = ""
    n: int | None = None
    count: int | None = None
    interval: tuple[float, float] | None = None
    """95 % Wilson interval of a proportion."""
    met: bool | None = None
    """Whether the expectation holds; None without one or without a value. Colours, never gates."""
    expected: str = ""
    source: str = ""
    """Job id, or the name of the person who typed it, or "" while empty."""
    reason: str = ""
    written: bool = False
    """True where the program itself writes a file; the value is its path, the source who had it written."""
    rows: tuple[Row, ...] | None = None
    """For a series; then ``value`` is the last row's."""


class DeliverableView(Struct, frozen=True):
    """A box that a person ticks once there is something to tick."""

    id: str
    text: str
    ticked_by: str = ""
    ticked_at: str = ""
    may_tick: bool = False
    why_not: str = ""
    evidence: tuple[str, ...] = ()
    """What speaks for it, or against: a line for each gate, criterion or record that the plan names."""


class Occurrence(Struct, frozen=True):
    """One of the days on which a repeated task falls due; times are UTC."""

    id: str
    """The day, YYYY-MM-DD, in the site's zone."""
    opens: datetime.datetime
    due: datetime.datetime
    state: Literal["coming", "open", "due", "done", "missed", "skipped"]
    """``due`` once its time has passed on its day, ``missed`` once the day has."""


class NoteView(Struct, frozen=True):
    """What a person noted on a task, or a file laid beside it."""

    text: str
    operator: str
    at: str
    file: str = ""
    """Of an attachment: its path in the workspace."""
    sha256: str = ""
    size: int = 0


class JobView(Struct, frozen=True):
    """One attempt. ``state`` is running until its end is in the journal."""

    id: str
    task: str
    round: int
    occurrence: str
    role: str
    host: str
    attempt: int
    operation: str
    state: Literal["running", "done", "failed", "stopped", "lost"]
    started: str
    finished: str = ""
    reason: str = ""
    signal: str = ""
    """What killed its worker; empty for any other end."""
    leaves: bool = False
    """Whether it failed and left what the next attempt goes on from."""
    continues: str = ""
    parameters: Mapping[str, object] = msgspec.field(default_factory=dict)
    inputs: tuple[tuple[str, str, str, str], ...] = ()
    """(task, artefact, job, sha256) of each artefact it took."""

    @property
    def ends_with_console(self) -> bool:
        """Whether it runs, and goes through the console that started it."""
        relay = self.parameters.get("relay")
        return self.state == "running" and isinstance(relay, Mapping) and not relay.get("here")

    @property
    def afterwards(self) -> str:
        """What becomes of it when the console that started it is left."""
        if self.ends_with_console:
            return "goes through the console and ends with it; run again, it goes on from what is kept"
        return "goes on"


class ParameterView(Struct, frozen=True):
    """One parameter as bound now: its value, what the plan says where that differs, and where the value comes from."""

    name: str
    value: object
    plan: object
    source: Literal["operation", "plan", "site", "option", "set"]
    amount: bool
    about: str
    required: bool
    takes: Takes


T = TypeVar("T")


class Later(Sequence[T]):
    """A task's parameters or records, found when someone looks: a plan has thousands, a screen shows one task's."""

    def __init__(self, find: Callable[[], Sequence[T]]) -> None:
        self._find = find
        self._found: Sequence[T] | None = None

    def _all(self) -> Sequence[T]:
        if self._found is None:
            self._found = self._find()
        return self._found

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, place: Any) -> Any:
        return self._all()[place]


class TaskView(Struct, frozen=True):
    """One task in its current round."""

    id: str
    title: str
    phase: str
    day: str
    state: TaskState
    why: tuple[str, ...]
    """Why it is locked, failed, lost or skipped; each a short sentence."""
    stale: tuple[str, ...]
    """Why what it produced no longer follows from its inputs; empty when it does."""
    hosts: tuple[str, ...]
    operation: str
    gate: str
    optional: bool
    round: int
    jobs: tuple[JobView, ...]
    """All attempts of all rounds, oldest first."""
    records: Sequence[RecordView]
    deliverables: Sequence[DeliverableView]
    parameters: Sequence[ParameterView]
    contingencies: tuple[str, ...]
    notes: tuple[NoteView, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()
    """Of a person's task that repeats day by day, up to the next one."""
    occurrence: str = ""
    """The one whose records and deliverables these are."""

    @property
    def resumable(self) -> bool:
        """Whether an interrupted attempt of it can be continued."""
        return self.operation in registry.names() and registry.find(self.operation).resumable

    @property
    def interrupted(self) -> bool:
        """Whether its last attempt was stopped, lost or killed, or left its part, so that the next one takes it up."""
        ended = any(
            j.state in ("stopped", "lost") or (j.state == "failed" and (j.signal != "" or j.leaves))
            for j in self.attempt
        )
        return ended and self.resumable

    @property
    def job(self) -> JobView | None:
        """The latest attempt of the current round."""
        return next((j for j in reversed(self.jobs) if j.round == self.round), None)

    @property
    def leading(self) -> JobView | None:
        """Of the latest attempt the first role's job: what its partners find is collected and judged there."""
        return next(iter(self.attempt), None)

    @property
    def attempt(self) -> list[JobView]:
        """The jobs of the latest attempt, in the order of their roles."""
        last = self.job
        return [] if last is None else [j for j in self.jobs if _attempt(j) == _attempt(last)]


def _attempt(job: JobView) -> tuple[int, str, int]:
    return job.round, job.occurrence, job.attempt


def chain(jobs: list[JobView]) -> list[JobView]:
    """The attempts that the newest one goes on from, oldest first: one curve. One begun anew is a curve of its own.

    Of several roles it is the first one's: what its partners find is collected there.
    """
    found = [job for job in jobs if _attempt(job) == _attempt(jobs[-1])][:1]
    by_id = {job.id: job for job in jobs}
    while found and found[0].continues in by_id:
        found.insert(0, by_id[found[0].continues])
    return found


class CriterionView(Struct, frozen=True):
    """One rule of a gate with what the evidence says of it."""

    name: str
    label: str
    value: Value
    shown: str
    """The value as a person reads it: ``93 of 100 = 93.0 %``, ``n/a``."""
    threshold: bool | int | float | str
    compare: str
    asks: str
    """The rule as a person reads it: ``≥ 90 %``."""
    unit: str
    kind: Literal["software", "facility"]
    gates: bool
    met: bool | None
    reason: str
    """Why it is not met or not measured, or stands aside; empty when met."""
    stale: bool
    waivable: bool
    waived: str
    """Reason and expiry of the waiver in force, else empty."""
    n: int | None = None
    count: int | None = None
    interval: tuple[float, float] | None = None
    enough: int | None = None
    """The count of n whose whole interval would meet the threshold; None where n is too small."""
    task: str = ""
    measure: str = ""
    job: str = ""
    host: str = ""
    measured_at: str = ""
    typed: str = ""
    """Who typed the value, and when; empty for a measured one."""
    ours: bool = False


class ContingencyView(Struct, frozen=True):
    """What the plan says to do when something calls for it, and whether something does."""

    id: str
    cause: str
    condition: str
    action: str
    impact: str
    tasks: tuple[str, ...]
    state: Literal["quiet", "open", "answered"]
    signs: tuple[str, ...]
    """What calls for it now, each in words that stay the same while it is the same."""
    answers: tuple[NoteView, ...]
    """What persons did about it, oldest first."""


class DecisionView(Struct, frozen=True):
    """The decision in force at a gate."""

    gate: str
    round: int
    outcome: Literal["go", "no-go"]
    reads: str
    """The outcome in words: ``NO-GO``, ``GO (rehearsal); not proven here: ...``."""
    operator: str
    reason: str
    at: str
    also_ran: bool
    file: str
    signed: bool
    actor: Literal["person", "rule"]
    waivers: tuple[tuple[str, str], ...] = ()
    bound: str = ""
    """What it was decided for alone; empty for a gate that binds nothing."""


class GateView(Struct, frozen=True):
    """One gate as it stands."""

    id: str
    title: str
    task: str
    state: GateState
    provisional: bool
    criteria: tuple[CriterionView, ...]
    may_go: bool
    why_not: tuple[str, ...]
    """Why GO is off, one sentence a criterion; empty when it is on."""
    decision: DecisionView | None
    stale: bool = False
    also_ran: tuple[str, ...] = ()
    """Operators who started a job among the evidence."""
    not_proven: tuple[str, ...] = ()
    """What a rehearsal can't prove here, nor at the gates that this one waits for."""
    bound: str | None = None
    """What a decision would be for, and nothing else; "" while it is not there, None for a gate that binds nothing."""
    opens: tuple[str, ...] = ()
    """Tasks that the decision, or each outcome, opens or has opened."""


class AlertView(Struct, frozen=True):
    """A limit of the plan that a host's reading does not hold, as the journal has it."""

    host: str
    limit: str
    label: str
    reading: str
    level: Literal["alert", "warning"]
    since: str
    text: str
    """Value and limit as a person reads them, as of when it began: ``92 °C, limit < 85 °C``."""


class View(Struct, frozen=True):
    """Everything on the screen at one moment, apart from logs, curves and readings."""

    plan: Plan
    site: Site
    workspace: str
    rehearsal: bool
    tasks: Mapping[str, TaskView]
    gates: Mapping[str, GateView]
    contingencies: Mapping[str, ContingencyView]
    sequence: int
    """Of the journal's last row."""
    started: str
    done: int
    total: int
    next_gate: str
    attention: tuple[tuple[str, str], ...]
    """(task, gate, contingency or host id, what needs a person), most pressing first."""
    day: int
    """Day of the programme, from 1; by the workspace's start date."""
    plan_differs: bool = False
    """The workspace's plan files are not those in force: changed, and not adopted."""
    site_differs: bool = False
    """The same of its ``site.toml``."""
    alerts: tuple[AlertView, ...] = ()
    """Those that have not ended, most pressing first."""
    limits: Mapping[tuple[str, str], str] = msgspec.field(default_factory=dict)
    """(limit, host) where it is watched -> why it does not hold there now; empty if it does."""
