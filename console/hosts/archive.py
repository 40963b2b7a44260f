"""A host's readings over the whole programme in constant space: the last hour by the second, then coarser.

Three ring files a host, some 4 MB. One console at a time writes them; all may read.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from console.hosts.ring import Ring
from console.plan.types import ReadingName
from operations.host.readings import Reading

Span = Literal["hour", "day", "programme"]
COLUMNS: tuple[str, ...] = get_args(ReadingName)
PARTS = 120
DAY = 86_400
_TIERS: Mapping[Span, tuple[str, int, int]] = {
    "hour": ("1s", 1, 3_600),
    "day": ("1min", 60, 2 * DAY // 60),
    "programme": ("15min", 900, 8 * 7 * DAY // 900),
}
_LASTS: Mapping[Span, int] = {"hour": 3_600, "day": DAY, "programme": 8 * 7 * DAY}
_decoder = msgspec.json.Decoder(Reading)


class Point(NamedTuple):
    """What a reading was over some time."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class History:
    """What a host's readings were over a span, by column; gaps are None."""

    span: Span
    start: float
    """Of what is told: the span's, or where the programme's first reading was; seconds since 1970."""
    end: float
    whole: Mapping[str, Point] = field(default_factory=dict)
    """Over the whole span; a column that was never had is not in it."""
    parts: Mapping[str, Sequence[Point | None]] = field(default_factory=dict)
    """The span in PARTS equal parts, oldest first."""


def values(reading: Reading) -> dict[str, float]:
    """What a reading has, by column; what it could not have is left out."""
    found = {name: getattr(reading, name) for name in COLUMNS}
    return {name: float(v) for name, v in found.items() if v is not None and math.isfinite(v)}


class Archive:
    """One host's readings under ``workspace/readings``. For use from several threads."""

    def __init__(self, directory: Path, host: str) -> None:
        self._lock = threading.Lock()
        self._rings = {
            span: Ring(directory / f"{host}.{name}", step, slots, COLUMNS)
            for span, (name, step, slots) in _TIERS.items()
        }

    def close(self) -> None:
        with self._lock:
            for ring in self._rings.values():
                ring.close()
            self._rings = {}

    def add(self, reading: Reading, now: float | None = None) -> None:
        """Takes a reading of now. One whose clock is more than a day off counts for the time it came."""
        came = time.time() if now is None else now
        self._add(reading.t if abs(reading.t - came) < DAY else came, values(reading), came)
        self._flush()

    def fill(self, files: Iterable[Path], now: float) -> int:
        """Takes what jobs' supervisors sampled since the newest reading here; how many were taken.

        Lines that are no reading, and those of a clock that is ahead, are skipped. What two jobs sampled in the same
        second counts once.
        """
        since, taken, last = self.newest(now), 0, 0
        known = [file for file in files if _changed(file) >= since]
        for reading in heapq.merge(*(_readings(file, since, now) for file in known), key=lambda r: r.t):
            if int(reading.t) > last:
                last = int(reading.t)
                self._add(reading.t, values(reading), now)
                taken += 1
        self._flush()
        return taken

    def newest(self, now: float) -> float:
        """When the newest reading was, seconds since 1970; 0 if there is none.

        One that was older than an hour when it was filled in is known to the minute, or the quarter of an hour, only:
        what is filled in again from there moves no least and no most.
        """
        with self._lock:
            rings = self._rings.values()
            return max((ring.newest(now + 60) - (ring.step if ring.step > 1 else 0) for ring in rings), default=0.0)

    def history(self, span: Span, now: float) -> History:
        """The span that ends now; a programme begins with its first reading. Imports numpy."""
        start, step = now - _LASTS[span], _TIERS[span][1]
        with self._lock:
            if span not in self._rings:
                return History(span, start, now)
            table = self._rings[span].table(int(start // step) + 1, int(now // step))
        if span == "programme" and len(table):
            start = float(table["period"][0] * step)
        return _history(span, start, now, step, table)

    def _add(self, t: float, told: Mapping[str, float], now: float) -> None:
        with self._lock:
            for span, ring in self._rings.items():
                if now - t < _TIERS[span][1] * _TIERS[span][2]:
                    ring.add(t, told)

    def _flush(self) -> None:
        with self._lock:
            for ring in self._rings.values():
                ring.flush()


def _history(span: Span, start: float, end: float, step: int, table: Any) -> History:
    import numpy as np

    whole: dict[str, Point] = {}
    parts: dict[str, list[Point | None]] = {}
    places = (table["period"] * step - start) / max(end - start, 1.0) * PARTS
    places = np.clip(places.astype(np.int64), 0, PARTS - 1)
    for name in table.dtype.names[1:-1]:
        had = table[name]["n"] > 0
        if not had.any():
            continue
        column = {kind: np.ascontiguousarray(table[name][kind][had]) for kind in ("n", "low", "mean", "high")}
        at, firsts = np.unique(places[had], return_index=True)  # in order, so each part is one stretch of the column
        n = np.add.reduceat(column["n"].astype(np.float64), firsts)
        mean = np.add.reduceat(column["n"] * column["mean"], firsts) / n
        low, high = np.minimum.reduceat(column["low"], firsts), np.maximum.reduceat(column["high"], firsts)
        whole[name] = Point(float(low.min()), float((mean * n).sum() / n.sum()), float(high.max()))
        parts[name] = [None] * PARTS
        for place, *point in zip(at.tolist(), low.tolist(), mean.tolist(), high.tolist(), strict=True):
            parts[name][place] = Point(*point)
    return History(span, start, end, whole, parts)


class Turn:
    """The right to write a workspace's archives: one console has it at a time, and a killed one lets go."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.ours = False

    def take(self) -> bool:
        """Whether it is ours, now or already."""
        if not self.ours:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.ours = True
        return self.ours

    def close(self) -> None:
        os.close(self._descriptor)


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return -math.inf


def _readings(file: Path, since: float, now: float) -> Iterator[Reading]:
    with contextlib.suppress(OSError), file.open("rb") as stream:
        for line in stream:
            try:
                reading = _decoder.decode(line)
            except msgspec.DecodeError:
                continue  # the last line of a supervisor that was killed, or a first one written by a full disk
            if since <= reading.t <= now:
                yield reading
