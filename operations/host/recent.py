"""What a job's host was doing lately, by the readings in the job's directory."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from operations.host.readings import Reading

SPAN = 600.0
"""Seconds up to the last reading that are looked at."""
NOTHING = "the job has no readings"
_BYTES = 1 << 20
"""From the file's end: more than SPAN of readings a second."""

Had: TypeAlias = tuple[float | None, str]
"""A value, or None with its reason."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Readings of the last ten minutes, oldest first."""

    readings: Sequence[Reading]

    def gpu(self) -> Had:
        """Mean GPU utilisation in percent."""
        return self._of(lambda r: r.gpu_percent, lambda r: r.gpu_reason, statistics.fmean)

    def temperature(self) -> Had:
        """Highest temperature in degrees Celsius."""
        return self._of(lambda r: r.temperature_c, lambda r: r.temperature_reason, max)

    def ram(self) -> Had:
        """Most memory in use, in GB."""
        return self._of(lambda r: r.ram_used / 1e9, lambda _: "", max)

    def disk(self) -> Had:
        """Free disk at the last reading, in GB."""
        return self._of(lambda r: r.disk_free / 1e9, lambda _: "", lambda values: values[-1])

    def _of(
        self,
        value: Callable[[Reading], float | None],
        reason: Callable[[Reading], str],
        fold: Callable[[list[float]], float],
    ) -> Had:
        if not self.readings:
            return None, NOTHING
        known = [found for reading in self.readings if (found := value(reading)) is not None]
        if known:
            return fold(known), ""
        return None, next((why for r in reversed(self.readings) if (why := reason(r))), NOTHING)


def read(path: Path) -> Recent:
    """The last readings of a job's file; none where there is no file. A line that is no reading is passed over."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _BYTES))
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return Recent(())
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Reading))
        except msgspec.DecodeError:
            continue
    return Recent([reading for reading in found if reading.t >= found[-1].t - SPAN])
