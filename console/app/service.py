"""What the app asks of the conductor, and nothing else: its facade as the screens see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from console.conductor.view import JobView, View


class Workspace(Protocol):
    def view(self) -> View:
        """What to show now; the same object while nothing changed."""

    def changed(self) -> bool:
        """Whether another console wrote."""


class Reading(Protocol):
    """One sample of a host; what could not be had is None with a reason."""

    t: float
    cpu_percent: float | None
    cpu_reason: str
    gpu_percent: float | None
    gpu_reason: str
    ram_used: int
    ram_total: int
    temperature_c: float | None
    temperature_reason: str
    watts: float | None
    watts_reason: str
    disk_free: int


class Hosts(Protocol):
    def readings(self, host: str) -> Sequence[Any]:
        """The host's recent readings, oldest first; empty before the first one."""

    def state(self, host: str) -> Any:
        """Whether the host answers, as a word."""


class Service(Protocol):
    """The conductor's verbs. Writing ones raise `console.conductor.errors.Refused` with one line."""

    operator: str
    """Who writes; "" for nobody, and then every write is refused."""

    @property
    def workspace(self) -> Workspace: ...

    @property
    def hosts(self) -> Hosts: ...

    async def start(self, task: str, sets: Mapping[str, object], resume: bool = True) -> list[str]: ...

    async def stop(self, task: str) -> Any: ...

    def record(self, task: str, slug: str, value: Any) -> Any: ...

    def tick(self, task: str, deliverable: str, undo: bool = False) -> Any: ...

    def decide(self, gate: str, outcome: Any, reason: str, waivers: Any = ()) -> Any: ...

    def skip(self, task: str, reason: str) -> Any: ...

    def events_file(self, job: JobView) -> Path: ...

    def command(self, task: str, sets: Mapping[str, object]) -> str: ...

    def rows(self, after: int = 0) -> Iterable[Any]:
        """The journal's rows past that sequence."""

    async def reconcile(self) -> Any: ...

    async def watch(self) -> Any: ...
