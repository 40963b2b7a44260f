"""A training run as its jobs' files tell it: attempts read as they grow, and folded into one curve."""

from __future__ import annotations

import bisect
import math
import statistics
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from operations import events, job
from operations.contract import Context
from operations.host.readings import Reading
from operations.model.oversight import faults

CHECKPOINT, BEST = "checkpoint", "best"
LOSS = "loss"
POLL = 0.2
"""Seconds between looks whether a run that is waited for has ended."""
NO_READING = "the host was not read at that time"


class Tail:
    """The whole lines of a file that grows, from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> Iterator[bytes]:
        """The lines completed since; none while the file is absent."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                for line in stream:
                    if not line.endswith(b"\n"):
                        return
                    self._offset += len(line)
                    yield line
        except FileNotFoundError:
            return


@dataclass(frozen=True, slots=True)
class At:
    """The host at a time: GPU utilisation in percent or None with a reason, memory in use in bytes."""

    gpu: float | None
    reason: str
    ram: float | None


class Readings:
    """A job's readings by time."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self._times, self._gpu, self._ram = array("d"), array("d"), array("d")
        self._reason = NO_READING

    def look(self) -> None:
        """Takes in what was written since."""
        for line in self._tail.lines():
            try:
                reading = msgspec.json.decode(line, type=Reading)
            except msgspec.DecodeError:
                continue
            self._times.append(reading.t)
            self._gpu.append(math.nan if reading.gpu_percent is None else reading.gpu_percent)
            self._ram.append(reading.ram_used)
            self._reason = reading.gpu_reason or self._reason

    def at(self, t: float) -> At:
        """The last reading up to a time, or the first after it."""
        if not self._times:
            return At(None, NO_READING, None)
        index = max(0, bisect.bisect_right(self._times, t) - 1)
        gpu = self._gpu[index]
        return At(None, self._reason, self._ram[index]) if math.isnan(gpu) else At(gpu, "", self._ram[index])


@dataclass(frozen=True, slots=True)
class Point:
    """A step's loss, NaN where it was not finite, when it was reported, and by which attempt."""

    t: float
    loss: float
    attempt: int


class Attempt:
    """One job of the run, as far as its events go."""

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.number = number
        self.points: dict[int, Point] = {}
        self.values: dict[str, dict[int, float]] = {}
        self.made: dict[str, dict[int, events.Made]] = {}
        self.said: list[events.Log] = []
        """Lines in which something went wrong."""
        self.total: int | None = None
        self.errors = 0
        self.finished: events.Finished | None = None
        self.readings = Readings(directory / job.READINGS)
        self._tail = Tail(directory / job.EVENTS)

    def look(self) -> bool:
        """Takes in what was written since; True if there was a step in it."""
        before = len(self.points)
        self.readings.look()
        for event in events.decode_lines(self._tail.lines()):
            self._take(event)
        return len(self.points) > before

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.Metric):
            value = math.nan if event.value is None else event.value
            if event.name == LOSS:
                self.points[event.step] = Point(event.t, value, self.number)
            self.values.setdefault(event.name, {})[event.step] = value
        elif isinstance(event, events.Progress) and event.unit == "steps":
            self.total = event.total
        elif isinstance(event, events.Made) and event.step is not None:
            self.made.setdefault(event.name, {})[event.step] = event
        elif isinstance(event, events.Log):
            self.errors += event.level == "error"
            if event.level == "error" or faults.sign(event.text):
                self.said.append(event)
        elif isinstance(event, events.Finished):
            self.finished = event


@dataclass(slots=True)
class Run:
    """All attempts, oldest first; of a step that several took the latest counts."""

    attempts: list[Attempt]
    steps: list[int] = field(default_factory=list)
    points: dict[int, Point] = field(default_factory=dict)
    elapsed: dict[int, float] = field(default_factory=dict)
    """Seconds in steps up to and with each step: pauses between attempts don't count."""
    pace: float | None = None
    """Median seconds a step; None before the second step of an attempt."""

    def look(self) -> None:
        """Takes in what was written since."""
        if sum(attempt.look() for attempt in self.attempts):
            self._fold()

    def _fold(self) -> None:
        self.points = {}
        for attempt in self.attempts:
            self.points.update(attempt.points)
        self.steps = sorted(self.points)
        taken = {step: self._seconds(step) for step in self.steps}
        known = [seconds for seconds in taken.values() if seconds is not None]
        self.pace = statistics.median(known) if known else None
        total, self.elapsed = 0.0, {}
        for step, seconds in taken.items():
            total += seconds if seconds is not None else self.pace or 0.0
            self.elapsed[step] = total

    def _seconds(self, step: int) -> float | None:
        """How long a step took in its attempt; None for an attempt's first, whose start is not told."""
        point = self.points[step]
        before = self.attempts[point.attempt].points.get(step - 1)
        return max(0.0, point.t - before.t) if before else None

    @property
    def losses(self) -> list[float]:
        """The curve's losses in the order of steps."""
        return [self.points[step].loss for step in self.steps]

    @property
    def total(self) -> int | None:
        """Steps to do, as the latest attempt that knew says."""
        return next((a.total for a in reversed(self.attempts) if a.total is not None), None)

    @property
    def checkpoints(self) -> dict[int, events.Made]:
        """Checkpoints by step."""
        return self.made(CHECKPOINT)

    def made(self, name: str) -> dict[int, events.Made]:
        """Artefacts of that name by step."""
        return {step: made for attempt in self.attempts for step, made in attempt.made.get(name, {}).items()}

    @property
    def state(self) -> str:
        """What became of the latest attempt: running, done, failed, stopped or lost."""
        latest = self.attempts[-1]
        if latest.finished:
            return latest.finished.outcome
        return "running" if job.state(latest.directory) == "running" else "lost"

    def stalled(self, now: float, factor: float) -> bool | None:
        """Whether a running attempt took no step for ``factor`` times the pace; None if no step's time is known."""
        if self.state != "running":
            return False
        if self.pace is None:
            return None
        since = max((point.t for point in self.attempts[-1].points.values()), default=None)
        return since is not None and now - since > factor * self.pace

    @property
    def lost(self) -> int:
        """Attempts that ended without a last word."""
        return sum(a.finished is None for a in self.attempts[:-1]) + (self.state == "lost")

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return sum(bool(a.finished and a.finished.outcome == "failed") for a in self.attempts)

    def values(self, name: str) -> dict[int, float]:
        """Another curve by step, folded alike."""
        found: dict[int, float] = {}
        for attempt in self.attempts:
            found.update(attempt.values.get(name, {}))
        return dict(sorted(found.items()))


def run_of(directories: Sequence[Path]) -> Run:
    """The run that the jobs in these directories made, oldest first, from the last one that began from nothing."""
    run = Run([Attempt(directory, number) for number, directory in enumerate(_since_last_start(directories))])
    run.look()
    return run


def _since_last_start(directories: Sequence[Path]) -> list[Path]:
    """The jobs (oldest first) from the last one that began from nothing: what was before it was given up."""
    first = 0
    for number, directory in enumerate(directories):
        if not job.read(directory).resume:
            first = number
    return list(directories[first:])


def wait_for_end(context: Context, directory: Path) -> None:
    """Returns once the job in a directory has ended, or this one is asked to: then it says that it stopped."""
    while job.state(directory) == "running":
        if context.stopping:
            context.stopped("asked to end before the run has")
            return
        time.sleep(POLL)
