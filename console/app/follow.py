"""Follows a job's ``events.jsonl`` as it grows: whole lines only, by offset, a bounded time at a go."""

from __future__ import annotations

import os
import time
from array import array
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from console.app.draw import times
from console.conductor import wording
from console.conductor.wording import size
from console.text import clean
from operations import events
from operations.events import Endpoint, Finished, Log, Made, Measured, Metric, Progress

CHUNK = 1 << 18
BLOCK = 256
"""Lines between two entries of the index of older lines."""
RING_BYTES = 4 << 20
"""Characters of recent lines kept in memory; older ones are read from the file again."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a job's log as it is shown."""

    clock: str
    text: str
    level: str = "info"


@dataclass(slots=True)
class Series:
    """A metric of one job in the order it was reported; NaN and infinities are kept as such."""

    steps: array[int]
    values: array[float]


class Follower:
    """One job's events so far: its log, its curves, its progress. `poll` reads what was added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.progress: Progress | None = None
        self.series: dict[str, Series] = {}
        self.measured: dict[str, Measured] = {}
        self.finished: Finished | None = None
        self.first: float | None = None
        self.last: float | None = None
        self.count = 0
        """Log lines so far."""
        self._ring: deque[Said] = deque()
        self._ring_first = 0
        self._ring_size = 0
        self._index = array("Q")
        self._block: tuple[int, list[Said]] = (-1, [])
        self._offset = 0
        self._rest = b""

    @property
    def behind(self) -> bool:
        """Whether the file holds more than was read."""
        try:
            return self.path.stat().st_size > self._offset + len(self._rest)
        except OSError:
            return False

    def poll(self, seconds: float = 0.008) -> bool:
        """Reads what was added, for at most about that long; True if anything came."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        came = False
        deadline = time.monotonic() + seconds
        try:
            while data := os.pread(descriptor, CHUNK, self._offset + len(self._rest)):
                came = True
                self._take(self._rest + data)
                if time.monotonic() >= deadline:
                    break
        except OSError:
            return came
        finally:
            os.close(descriptor)
        return came

    def _take(self, data: bytes) -> None:
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._skip_endless(data)
            return
        offset = self._offset
        for raw in whole.split(b"\n"):
            self._event(raw, offset)
            offset += len(raw) + 1
        self._offset = offset
        self._rest = rest

    def _skip_endless(self, data: bytes) -> None:
        """A line past the protocol's limit can't be an event: what there is of it is let go."""
        if len(data) > 16 * events.LINE_LIMIT:
            self._offset += len(data)
            self._rest = b""
        else:
            self._rest = data

    def _event(self, raw: bytes, offset: int) -> None:
        event = _decode(raw)
        if event is None:
            return
        if event.t:
            self.first = event.t if self.first is None else self.first
            self.last = event.t
        if isinstance(event, Metric):
            value = event.value if event.value is not None else float(event.nonfinite or "nan")
            held = self.series.get(event.name)
            if held is None:
                held = self.series[event.name] = Series(array("q"), array("d"))
            held.steps.append(event.step)
            held.values.append(value)
            return
        if isinstance(event, Progress):
            self.progress = event
            return
        if isinstance(event, Measured):
            self.measured[event.name] = event
        elif isinstance(event, Finished):
            self.finished = event
        self._keep(said(event), offset)

    def _keep(self, line: Said, offset: int) -> None:
        if self.count % BLOCK == 0:
            self._index.append(offset)
        self.count += 1
        self._ring.append(line)
        self._ring_size += len(line.text) + 64
        while self._ring_size > RING_BYTES:
            self._ring_size -= len(self._ring.popleft().text) + 64
            self._ring_first += 1

    def line(self, number: int) -> Said | None:
        """The log's line of that number from 0: from memory, else read from the file; None if there is no such line."""
        if not 0 <= number < self.count:
            return None
        if number >= self._ring_first:
            return self._ring[number - self._ring_first]
        block = number // BLOCK
        if self._block[0] != block:
            self._block = (block, self._read_block(block))
        held = self._block[1]
        place = number % BLOCK
        return held[place] if place < len(held) else Said("", "the file no longer holds this line", "warning")

    def block(self, block: int) -> list[Said]:
        """Lines ``block * BLOCK`` and following, for a search."""
        first = block * BLOCK
        if first >= self._ring_first:
            at = first - self._ring_first
            return [self._ring[i] for i in range(at, min(at + BLOCK, len(self._ring)))]
        return self._read_block(block)

    def _read_block(self, block: int) -> list[Said]:
        offset = self._index[block]
        found: list[Said] = []
        rest = b""
        try:
            with self.path.open("rb", buffering=0) as stream:
                while len(found) < BLOCK and offset < self._offset:
                    data = os.pread(stream.fileno(), min(CHUNK, self._offset - offset), offset)
                    if not data:
                        break
                    offset += len(data)
                    *whole, rest = (rest + data).split(b"\n")
                    for raw in whole:
                        event = _decode(raw)
                        if event is not None and not isinstance(event, Metric | Progress):
                            found.append(said(event))
        except OSError:
            return found
        return found[:BLOCK]


def _decode(raw: bytes) -> events.Event | None:
    return next(events.decode_lines(iter((raw,))), None) if raw.strip() else None


def said(event: Log | Measured | Made | Endpoint | Finished) -> Said:
    """What the log shows of an event."""
    clock = time.strftime("%H:%M:%S", time.gmtime(event.t)) if 0 < event.t < 1e11 else ""
    match event:
        case Log():
            return Said(clock, clean(event.text), event.level)
        case Measured():
            value = wording.value(event.value, event.unit, event.n, event.count)
            why = f" ({event.reason})" if event.reason else ""
            return Said(clock, clean(f"{event.name}  {value}{why}"), "measure")
        case Made():
            kept = "kept" if event.retention == "keep" else "made"
            return Said(clock, clean(f"{kept} {event.path}, {size(event.size)}"))
        case Endpoint():
            return Said(clock, clean(f"listens at {event.address} port {event.port}"))
        case Finished():
            level = {"done": "info", "stopped": "warning", "failed": "error"}[event.outcome]
            why = f": {event.reason}" if event.reason else ""
            return Said(clock, clean(f"{event.outcome} after {times.lasted(event.seconds)}{why}"), level)
