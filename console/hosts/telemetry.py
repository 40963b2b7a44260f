"""What a host was doing lately, as far as it has said."""

from __future__ import annotations

from collections import deque

from operations.host.readings import Reading

HISTORY = 3_600
"""Readings kept a host; at one a second, an hour."""


class Telemetry:
    """The last readings of one host, as many as HISTORY."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque(maxlen=HISTORY)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Oldest first; empty before the first one."""
        return tuple(self._readings)

    def add(self, reading: Reading) -> None:
        """Takes the next reading."""
        self._readings.append(reading)
