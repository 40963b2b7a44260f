"""What a host was doing lately, as far as it has said."""

from __future__ import annotations

import time
from collections import deque

from operations.host.readings import Reading

HISTORY = 3_600
"""Readings kept a host; at one a second, an hour."""


class Telemetry:
    """The readings of one host, oldest first, as many as HISTORY."""

    def __init__(self) -> None:
        self.history: deque[Reading] = deque(maxlen=HISTORY)
        self._came = 0.0

    @property
    def latest(self) -> Reading | None:
        """The last reading; None before the first."""
        return self.history[-1] if self.history else None

    @property
    def age(self) -> float | None:
        """Seconds since the last reading came, by this machine's clock; None before the first."""
        return time.monotonic() - self._came if self.history else None

    def add(self, reading: Reading) -> None:
        """Takes the next reading."""
        self.history.append(reading)
        self._came = time.monotonic()
