"""What a plan says, as types. It is TOML; every table is keyed by id, so the order is the file's own."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Id = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)", description="an id of letters, digits, '.', '_' and '-'"),
]
Slug = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$(?!\n)", description="a name of small letters, digits and '_'")
]
Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$(?!\n)", description="a time of day, HH:MM")]
Filename = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,58}\.toml$(?!\n)", description="a file beside plan.toml, NAME.toml"),
]
Scalar = bool | int | float | str
Weekday = Literal["", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Compare = Literal[">=", ">", "<=", "<", "=="]
Condition = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]+ is (go|no-go|decided)( (or|and) [A-Za-z0-9._-]+ is (go|no-go|decided))*$(?!\n)",
        description="a condition such as 'G1 is go or G1r is go'; 'no-go' and 'decided' may stand for 'go'",
    ),
]
"""``G1 is go``, terms joined by ``or`` or by ``and``; ``and`` binds tighter. passed-over counts as go."""


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every table: immutable, and an unknown key is an error.

    What is not said is not encoded, so that a digest of a table stays the same when tables learn to say more.
    """


class ArtefactFrom(Struct, frozen=True, kw_only=True):
    """A parameter that is another task's artefact; the conductor resolves host, path and digest."""

    task: Id
    artefact: str


class JobsOf(Struct, frozen=True, kw_only=True):
    """A parameter that is the jobs of another task's run, for operations that observe it."""

    jobs_of: Id


class Expectation(Struct, frozen=True, kw_only=True):
    """Colours a record and gates nothing; every given bound must hold."""

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    equals: Scalar | None = None


class Record(Struct, frozen=True, kw_only=True):
    """A value, or a series of them, that the plan asks for. Filled by ``measure``, else typed by a person.

    Or the program itself writes a file of what the journal holds, and its place is the value.
    """

    label: str
    ref: str = ""
    measure: str = ""
    written: Literal["", "report"] = ""
    """Of a task without operation: what the program writes when it is run."""
    role: str = ""
    series: bool = False
    unit: str = ""
    expect: Expectation | None = None

    @property
    def typed_as(self) -> Literal["flag", "number", "text"]:
        """How what a person types is read: yes or no where that is expected, a number with a unit or a bound."""
        expect = self.expect
        if expect is not None and isinstance(expect.equals, bool):
            return "flag"
        bounds = (expect.at_least, expect.at_most, expect.above, expect.below) if expect else ()
        return "number" if self.unit or any(bound is not None for bound in bounds) else "text"


class Task(Struct, frozen=True, kw_only=True):
    """One item of the plan."""

    title: str
    ref: str = ""
    day: Id = ""
    about: str = ""
    host: str | list[str] = ""
    """The site's host it runs on; for an operation with two roles, one host a role in the operation's order."""
    minutes: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=2, max_length=2)] | None = None
    due: Clock = ""
    """On the task's day, in the site's zone."""
    needs: list[Id] = []
    during: Id = ""
    """Ready from the moment that task's run has started, and observes it."""
    when: Condition = ""
    instead_of: Id = ""
    optional: bool = False
    repeats: Literal["", "2 h", "daily", "weekly"] = ""
    weekday: Weekday = ""
    """For a task that repeats weekly: when it falls due, by the calendar."""
    until: Id = ""
    """For a person's task that repeats: it falls due until that one is done; else until its phase's days are over."""
    gate: Id = ""
    operation: str = ""
    parameters: dict[str, Any] = {}
    """Each a `Scalar`, a list of them, `ArtefactFrom` or `JobsOf`; `console.plan.tables` tells the two tables apart."""
    step: dict[Id, str] = {}
    record: dict[Slug, Record] = {}
    deliverable: dict[Id, str] = {}
    shown_by: dict[Id, list[str]] = {}
    """Deliverable -> what speaks for it, shown before a person ticks: gates, and records as ``TASK.record``."""
    ours: bool = False
    """True for a task that the plan does not have, or only as a heading: its content is this project's."""


class Criterion(Struct, frozen=True, kw_only=True):
    """One rule of a gate, compared with a threshold strictly as written.

    What is compared is either a ``measure`` of the task's latest job or, where no operation can tell, a ``record`` of
    the task that a person types, in the record's own unit: exactly one of the two is named.
    """

    label: str
    task: Id
    measure: str = ""
    record: Slug = ""
    compare: Compare
    threshold: Scalar
    unit: str = ""
    kind: Literal["software", "facility"]
    smallest_sample: Annotated[int, Meta(ge=0)] = 0
    bound: Literal["point", "lower", "upper"] = "point"
    waivable: bool = True
    ours: bool = False


class Binds(Struct, frozen=True, kw_only=True):
    """What a gate is decided for and nothing else: a value that a task measured, such as a digest."""

    task: Id
    measure: str


class Option(Struct, frozen=True, kw_only=True):
    """A corrective option of a retest; what it sets stands above plan and site for the new round."""

    title: str
    about: str = ""
    parameters: dict[Id, dict[str, Scalar]] = {}
    """Task -> values. Where neither these nor ``again`` name a task, the operator has to choose."""
    again: list[Id] = []
    """Tasks that begin anew although nothing is set for them, and with them what lies between them and the gate."""


class Gate(Struct, frozen=True, kw_only=True):
    """A decision point."""

    title: str
    about: str = ""
    provisional: bool = False
    """Recommends and unlocks nothing."""
    retests: Id = ""
    """The gate whose NO-GO this one takes up again, in a new round of the tasks its criteria name."""
    criterion: dict[Slug, Criterion] = {}
    """A retest that names none has those of the gate that it retests."""
    binds: Binds | None = None
    """The decision names that value as it stands; with another one it is stale, and without one there is no GO."""
    option: dict[Id, Option] = {}
    """What a retest may change, by step id or name."""
    go: str = ""
    no_go: str = ""


class Day(Struct, frozen=True, kw_only=True):
    """A day of a phase."""

    title: str
    offset: Annotated[int, Meta(ge=0)]
    """Days after the plan's start."""
    within: Id = ""
    """The day, or stretch of days, that this one is a part of; to any depth."""


class Phase(Struct, frozen=True, kw_only=True):
    """A stretch of the plan."""

    title: str
    file: Filename
    """Holds the phase's days, tasks, gates and contingencies."""
    about: str = ""
    priority: str = ""
    objective: list[str] = []
    success: list[str] = []
    when: Condition = ""
    blocked_by: str = ""
    blocked_ref: Id = ""
    offset: Annotated[int, Meta(ge=0)] = 0
    days: Annotated[int, Meta(ge=0)] = 0


class Sign(Struct, frozen=True, kw_only=True):
    """Something by which a contingency is known: a task's state, how it stands to its time, or a value of it.

    Exactly one of ``state``, ``schedule``, ``measure`` and ``record`` is named; a value calls for the contingency when
    it is as ``value`` says.
    """

    task: Id
    state: Literal["", "running", "done", "failed", "lost", "stopped"] = ""
    schedule: Literal["", "ahead", "late"] = ""
    """``ahead``: its day has come and all that the plan has before it in the phase is done; ``late``: it is not."""
    measure: str = ""
    record: Slug = ""
    value: Expectation | None = None


class Contingency(Struct, frozen=True, kw_only=True):
    """What the plan says to do when one of its signs is there, or when its gate is NO-GO."""

    cause: Literal["stalled", "diverging", "error", "transfer", "gate", "self-attack", "schedule"]
    condition: str
    action: str
    task: list[Id] = []
    """Where it belongs: the tasks that it may befall, or that answer it."""
    gate: Id = ""
    sign: list[Sign] = []
    until: Id = ""
    """Once that task is done nothing calls for it any more."""
    impact: str = ""


class Milestone(Struct, frozen=True, kw_only=True):
    """A date that the plan wants to keep: the end of a phase, or of the whole."""

    title: str
    offset: Annotated[int, Meta(ge=0)]
    """Days after the plan's start at whose end it is reached; it may lie after the plan's last day."""
    phase: Id = ""
    """The phase whose end it is; empty for one of the whole plan."""
    about: str = ""


class Risk(Struct, frozen=True, kw_only=True):
    """A risk of the plan's register, and the contingency that answers it."""

    title: str
    contingency: Id


class Resource(Struct, frozen=True, kw_only=True):
    """Who and what the plan counts on."""

    title: str
    about: str


class Addendum(Struct, frozen=True, kw_only=True):
    """What the report writes once a gate, or its retest, is GO: its results and the phase that it opens."""

    gate: Id
    version: str
    """Of the plan that the addendum makes."""
    phase: Id


ReadingName = Literal[
    "cpu_percent",
    "gpu_percent",
    "gpu_memory_used",
    "ram_used",
    "temperature_c",
    "thermal_pressure",
    "watts",
    "disk_free",
    "disk_written",
    "load1",
    "net_sent",
    "net_received",
]
"""What a host's reading tells, in its own unit: percent, bytes, °C, watts, bytes a second."""


class Limit(Struct, frozen=True, kw_only=True):
    """What a host's reading should hold. Where it does not for ``seconds``, an alert begins; it gates nothing."""

    label: str
    reading: ReadingName
    compare: Literal[">", ">=", "<", "<="]
    threshold: float
    host: list[Id] = []
    """Empty for every host of the site; hosts that share a machine are watched once."""
    running: list[str] = []
    """Operations, or ``model.*``: it holds only while a job of one of them runs on the host. Empty: always."""
    seconds: Annotated[int, Meta(ge=1)] = 10
    level: Literal["alert", "warning"] = "alert"


class PlanFile(Struct, frozen=True, kw_only=True):
    """What plan.toml holds: the plan as a whole, and its phases in order with the file of each."""

    schema: Literal[1]
    id: Id
    title: str
    version: str
    start: datetime.date
    days: Annotated[int, Meta(ge=1)]
    owner: str = ""
    about: str = ""
    phase: dict[Id, Phase]
    milestone: dict[Id, Milestone] = {}
    risk: dict[Id, Risk] = {}
    resource: dict[Id, Resource] = {}
    addendum: Addendum | None = None
    limit: dict[Slug, Limit] = {}


class PhaseFile(Struct, frozen=True, kw_only=True):
    """What a phase's file holds."""

    day: dict[Id, Day] = {}
    task: dict[Id, Task] = {}
    gate: dict[Id, Gate] = {}
    contingency: dict[Id, Contingency] = {}


class Plan(PlanFile, frozen=True, kw_only=True):
    """A whole plan, its files merged. Phases, days, tasks and gates keep the files' order."""

    day: dict[Id, Day] = {}
    task: dict[Id, Task]
    gate: dict[Id, Gate] = {}
    contingency: dict[Id, Contingency] = {}
    task_phase: dict[Id, Id] = {}
    """Which phase each task belongs to, by the file it stands in; set by loading."""
    digest: str = ""
    """SHA-256 over the ``sha256sum`` lines of plan.toml and the phases' files, in that order; set by loading."""


def within(plan: Plan, day: str) -> list[str]:
    """The days that the day is a part of, the innermost first; one that is a part of itself stands there once."""
    found: list[str] = []
    outer = plan.day[day].within if day in plan.day else ""
    while outer in plan.day and outer not in found:
        found.append(outer)
        outer = plan.day[outer].within
    return found
