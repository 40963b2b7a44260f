"""What the app asks of the conductor, and nothing else: its facade as the screens see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from console.conductor.view import JobView, TaskView, View
from console.journal.entries import RoundOpened, Row, Waiver

if TYPE_CHECKING:  # the forecast is loaded when someone looks at it
    from console.conductor.timeline import Timeline
    from console.hosts.archive import History, Span


class Workspace(Protocol):
    """The open workspace."""

    def view(self) -> View:
        """What to show now; the same object while nothing changed."""

    def changed(self) -> bool:
        """Whether another console wrote."""


class Reading(Protocol):
    """One sample of a host; what could not be had is None with a reason. Bytes, percent, °C, W."""

    @property
    def t(self) -> float: ...

    @property
    def cpu_percent(self) -> float | None: ...

    @property
    def cpu_reason(self) -> str: ...

    @property
    def gpu_percent(self) -> float | None: ...

    @property
    def gpu_reason(self) -> str: ...

    @property
    def gpu_memory_used(self) -> float | None: ...

    @property
    def gpu_memory_total(self) -> float | None: ...

    @property
    def gpu_memory_reason(self) -> str: ...

    @property
    def ram_used(self) -> int: ...

    @property
    def ram_total(self) -> int: ...

    @property
    def temperature_c(self) -> float | None: ...

    @property
    def temperature_reason(self) -> str: ...

    @property
    def thermal_pressure(self) -> int | None: ...

    @property
    def thermal_reason(self) -> str: ...

    @property
    def watts(self) -> float | None: ...

    @property
    def watts_reason(self) -> str: ...

    @property
    def disk_free(self) -> int: ...

    @property
    def disk_written(self) -> float | None: ...

    @property
    def disk_reason(self) -> str: ...

    @property
    def net_sent(self) -> float | None: ...

    @property
    def net_received(self) -> float | None: ...

    @property
    def net_reason(self) -> str: ...

    @property
    def load1(self) -> float: ...


class Hosts(Protocol):
    """The hosts of the site."""

    def readings(self, host: str) -> Sequence[Reading]:
        """What the host was doing lately, oldest first; it is asked from the first call on."""

    def state(self, host: str) -> object:
        """How things stand with the host, as a word."""


class Service(Protocol):
    """The conductor's verbs. Writing ones raise `console.conductor.errors.Refused` with one line."""

    operator: str
    """Who writes; "" for nobody, and then every write is refused."""

    @property
    def workspace(self) -> Workspace: ...

    @property
    def hosts(self) -> Hosts: ...

    async def start(
        self, task: str, sets: Mapping[str, object] | None = None, *, again: bool = False, fresh: bool = False
    ) -> list[str]: ...

    async def stop(self, task: str, *, kill: bool = False) -> list[str]: ...

    def task(self, id: str, occurrence: str) -> TaskView: ...

    def record(self, task: str, slug: str, text: str, *, occurrence: str = "") -> object: ...

    def tick(self, task: str, deliverable: str, *, undo: bool = False, occurrence: str = "") -> None: ...

    def skip(self, task: str, reason: str, *, occurrence: str = "") -> None: ...

    def answer(self, contingency: str, text: str) -> None: ...

    def note(self, task: str, text: str) -> None: ...

    def attach(self, task: str, path: Path) -> str: ...

    def write(self, task: str, *, again: bool = False) -> list[str]: ...

    def decide(
        self, gate: str, outcome: str, reason: str, waivers: Sequence[Waiver] = (), *, again: bool = False
    ) -> str: ...

    def retest(self, gate: str, option: str, sets: Mapping[str, Mapping[str, object]] | None = None) -> RoundOpened: ...

    def timeline(self) -> Timeline: ...

    def command(self, task: str, sets: Mapping[str, object] | None = None) -> str: ...

    def relay(self, task: str, sets: Mapping[str, object] | None = None) -> str: ...

    def events_file(self, job: JobView) -> Path: ...

    def rows(self, after: int = 0) -> Sequence[Row]: ...

    def history(self, host: str, span: Span) -> History | None: ...

    async def keep_readings(self) -> None: ...

    async def reconcile(self) -> None: ...

    def watch(self) -> AsyncIterator[int]: ...

    async def close(self) -> None:
        """Lets go of hosts and journal; jobs go on."""
