"""The contract between an operation and everything that runs, shows or checks it.

An operation declares its parameters (a msgspec Struct), the measures it reports, the artefacts it makes and what it
uses of its host. Declarations import nothing heavy: an operation's module imports MLX or numpy inside ``run`` only, so
that ``python -P -m operations list`` and the console can describe it on a machine without them.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from operations.events import Event

Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = Scalar | Mapping[str, int | float | None] | None
"""What a measure may hold: a scalar, a small table of numbers by name, or None for "could not be had"."""

Level = Literal["info", "warning", "error"]
Retention = Literal["keep", "rotates"]
Uses = Literal["accelerator", "network"] | None
Takes = Literal["artefact", "jobs", "relay", "standing", "value"]
AMOUNT = {"amount": True}
"""``Meta(extra=AMOUNT)`` marks a parameter that a site may set for itself (an amount or a learning rate)."""
WAY = {"way": True}
"""``extra=WAY`` marks one that says how it is done, not what: with another, an attempt that was cut still goes on."""
OWN_ADDRESS = {**AMOUNT, **WAY, "own_address": True}
"""``Meta(extra=OWN_ADDRESS)`` marks where the first role's job listens, as the site says it of its host."""


def of_hosts(key: str) -> dict[str, object]:
    """``Meta(extra=of_hosts(KEY))`` marks a list of what the site's file says under that key of each role's host."""
    return {"of_hosts": key}


class Refusal(Exception):
    """The job can't do what was asked, for a reason the operator can act on: one line, no traceback."""


class Artefact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file or directory that some job made, as an operation receives it in a parameter.

    ``path`` is relative to the host's root and uses ``/``; ``sha256`` is the file's digest, or for a directory the
    digest of its manifest (see `operations.files.digest`); ``size`` is in bytes.
    """

    path: str
    sha256: str
    size: int
    job: str
    name: str


class Observed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Jobs whose events an operation reads: the attempts of one run on this host, oldest first."""

    jobs: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a site's evidence stands for, as the conductor says it: no operation finds out by itself.

    ``not_proven`` says of each criterion or limit that the site sets aside, by its name in the plan, why.
    """

    rehearsal: bool
    not_proven: dict[str, str] = {}

    @property
    def line(self) -> str:
        """How a GO on such evidence reads."""
        aside = "; ".join(f"{name}: {reason}" for name, reason in self.not_proven.items())
        return f"GO{' (rehearsal)' if self.rehearsal else ''}{f'; not proven here: {aside}' if aside else ''}"


class Relayed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That the console brings a run's jobs together, as the conductor says it: on the loopback of their hosts.

    ``here`` when both are on the console's own machine: they meet there, and nothing has to be carried.
    """

    why: str
    here: bool = False

    @property
    def line(self) -> str:
        """Which way they meet, and why."""
        return f"{'by the loopback of one machine' if self.here else 'through the console'}: {self.why}"


class Kind(enum.StrEnum):
    """How a measure is read and shown."""

    NUMBER = "number"
    COUNT = "count"
    PROPORTION = "proportion"  # value in 0..1, always with n and count
    TEXT = "text"
    FLAG = "flag"
    TABLE = "table"
    DIGEST = "digest"


class Measure(msgspec.Struct, frozen=True):
    """A named value that an operation reports; a series reports it once a row, told apart by ``step``."""

    name: str
    kind: Kind
    about: str
    unit: str = ""
    series: bool = False


class Output(msgspec.Struct, frozen=True):
    """An artefact that an operation makes; ``many`` when it makes it again and again, told apart by ``step``.

    ``resumes`` marks what even an attempt that failed leaves for the next one to go on from.
    """

    name: str
    about: str
    retention: Retention = "keep"
    directory: bool = False
    many: bool = False
    resumes: bool = False


class Context(Protocol):
    """What a running operation may use; the worker provides it."""

    job: str
    root: Path
    directory: Path
    threads: int
    resume: tuple[Artefact, ...]
    """Artefacts of the stopped or lost attempts that this job continues, oldest first; empty for a fresh start."""

    @property
    def stopping(self) -> bool:
        """True once someone asked the job to checkpoint and end; look at it between steps."""

    def secret(self, name: str) -> str:
        """A value handed over at launch that is in no file, such as a transfer's token. Raises Refusal if absent."""

    def input(self, artefact: Artefact) -> Path:
        """The absolute path of an input, its digest verified on first use. Raises Refusal if it is not that file."""

    def inside(self, path: str) -> Path:
        """An absolute path for one relative to the host's root. Raises Refusal if it would leave the root."""

    def output(self, filename: str) -> Path:
        """Where an artefact of that file name belongs: ``jobs/<id>/artefacts/<filename>`` under the root."""

    def observed(self, job: str) -> Path:
        """The directory of another job on this host."""

    def log(self, text: str, level: Level = "info") -> None: ...

    def progress(self, done: int, total: int, unit: str) -> None: ...

    def metric(self, name: str, value: float, step: int) -> None:
        """One point of a curve. NaN and infinities are kept as such."""

    def measure(
        self,
        name: str,
        value: Value,
        *,
        n: int | None = None,
        count: int | None = None,
        step: int | None = None,
        reason: str = "",
    ) -> None:
        """Report a declared measure; ``value=None`` needs a ``reason``. A proportion needs ``n`` and ``count``."""

    def artefact(
        self, name: str, path: Path, *, step: int | None = None, taken: Mapping[str, str] = MappingProxyType({})
    ) -> Artefact:
        """Report a finished file or directory below the root as the declared output ``name``; hashes it.

        ``taken`` are SHA-256 taken while the files were written, as `operations.files.digest` has them.
        """

    def relay(self, event: Event) -> None:
        """Pass on what another process of this job told, whose context has checked it."""

    def endpoint(self, address: str, port: int) -> None:
        """Tell the other role's job where to connect."""

    def stopped(self, reason: str) -> None:
        """Say that the job ends before its work is done, because it was asked to; its run can be continued."""


class Operation(msgspec.Struct, frozen=True):
    """One thing the program can do on a host."""

    name: str
    about: str
    parameters: type[msgspec.Struct]
    run: Callable[[Context, Any], None]
    measures: tuple[Measure, ...] = ()
    outputs: tuple[Output, ...] = ()
    uses: Uses = None
    resumable: bool = False
    roles: tuple[str, ...] = ("",)
    """Two-host operations name their roles, the one that listens first; ``run`` finds its own in its parameters."""
    relays: Callable[[Mapping[str, object]], str] | None = None
    """Of two roles: why the console is to bring them together, by the parameters that are set; "" if they meet by
    themselves. It is told in the parameter of type `Relayed`, and who listens does so on its loopback then."""

    def measure(self, name: str) -> Measure | None:
        return next((m for m in self.measures if m.name == name), None)

    def output(self, name: str) -> Output | None:
        return next((o for o in self.outputs if o.name == name), None)

    def leaves(self, made: Iterable[str]) -> bool:
        """Whether among artefacts of these names is one that the next attempt goes on from, even after a failure."""
        return any(output.resumes for name in made if (output := self.output(name)))


class Field(msgspec.Struct, frozen=True):
    """One parameter of an operation as forms, lint and ``describe`` show it."""

    name: str
    about: str
    required: bool
    default: object
    amount: bool
    takes: Takes
    schema: dict[str, Any]
    own_address: bool = False
    of_hosts: str = ""
    way: bool = False


_TAKES: dict[str, Takes] = {"Artefact": "artefact", "Observed": "jobs", "Relayed": "relay", "Standing": "standing"}


@functools.cache
def fields(operation: Operation) -> tuple[Field, ...]:
    """The operation's parameters in declaration order; ``role`` is the conductor's and left out."""
    described = msgspec.json.schema(operation.parameters)
    properties = described["$defs"][operation.parameters.__name__]["properties"]
    found = []
    for field in msgspec.structs.fields(operation.parameters):
        if field.name == "role":
            continue
        schema = properties[field.encode_name]
        names = str(schema)
        takes: Takes = next((takes for named, takes in _TAKES.items() if f"/{named}'" in names), "value")
        required = field.required
        default = None if required else _default(field)
        extra = _extra(field.type)
        found.append(
            Field(
                field.name,
                schema.get("description", ""),
                required,
                default,
                bool(extra.get("amount")),
                takes,
                schema,
                bool(extra.get("own_address")),
                str(extra.get("of_hosts", "")),
                bool(extra.get("way")),
            )
        )
    return tuple(found)


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else None


def _extra(annotation: object) -> Mapping[str, object]:
    described = msgspec.inspect.type_info(annotation)
    return getattr(described, "extra", None) or {}
