"""What the hosts said lately, and for how long each has been silent by this machine's clock."""

from __future__ import annotations

import time
from collections.abc import Iterable

from console.app.draw.hosts import Heard
from console.app.service import Service

SHOWN = 240
"""Readings that a sparkline looks at."""


class Listening:
    """Asks the hosts for readings from the first `heard` on."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._last: dict[str, tuple[float, float]] = {}

    def heard(self, ids: Iterable[str]) -> dict[str, Heard]:
        """Each host's state and recent readings."""
        return {id: self._one(id) for id in ids}

    def _one(self, id: str) -> Heard:
        readings = self._service.hosts.readings(id)[-SHOWN:]
        state = str(self._service.hosts.state(id))
        if not readings:
            return Heard(state)
        told, came = self._last.get(id, (0.0, 0.0))
        now = time.monotonic()
        if readings[-1].t != told:  # a host's clock may differ: what counts is when its reading changed here
            came = now
            self._last[id] = (readings[-1].t, now)
        return Heard(state, readings, now - came)
