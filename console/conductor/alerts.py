"""Alerts: which limits of the plan a host's readings don't hold, since when, and what of it the journal is told.

Pure: readings come in, entries for the journal go out. A reading that can't be had raises nothing and clears nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from console.conductor import wording
from console.conductor.scene import Scene
from console.conductor.view import AlertView
from console.journal.entries import AlertCleared, AlertRaised
from console.journal.fold import Alert, State
from console.plan import limits
from console.plan.sites import matches
from console.plan.types import Limit

GAP = 15.0
"""Seconds between two readings after which what was before says nothing of what was between."""
MARGIN = 0.02
"""Part of the threshold by which a reading must hold again for its alert to end: else noise would write the journal."""
_HOLDS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_Side = Literal["beyond", "between", "well"]


@dataclass(frozen=True, slots=True)
class Watched:
    """A limit where it is watched, and why it does not hold there now; empty if it does."""

    id: str
    limit: Limit
    host: str
    why_not: str = ""


def holds(limit: Limit, value: float, margin: float = 0.0) -> bool:
    """Whether a value holds the limit, strictly as written, by a margin in the reading's unit."""
    threshold = limit.threshold + (margin if limit.compare in (">", ">=") else -margin)
    return bool(_HOLDS[limit.compare](value, threshold))


def watched(scene: Scene) -> list[Watched]:
    """Every limit of the plan at each machine that it names, in the plan's order."""
    running = [(job.started.host, job.started.operation) for job in scene.state.open_jobs()]
    found = []
    for id, limit in scene.plan.limit.items():
        why_not = limits.why_aside(scene.not_here, id)
        for host, hosts in limits.watched(limit, scene.site).items():
            here = [operation for at, operation in running if at in hosts]
            idle = limit.running and not any(matches(p, o) for p in limit.running for o in here)
            found.append(Watched(id, limit, host, why_not or (f"no {limit.running[0]} runs there" if idle else "")))
    return found


def open_alerts(scene: Scene) -> tuple[AlertView, ...]:
    """Alerts that have not ended: alerts before warnings, older ones first."""
    found = [_view(scene, alert) for alert in scene.state.open_alerts().values()]
    return tuple(sorted(found, key=lambda alert: (alert.level != "alert", alert.since)))


def _view(scene: Scene, alert: Alert) -> AlertView:
    entry = alert.entry
    limit = scene.plan.limit.get(entry.limit)
    return AlertView(
        host=entry.host,
        limit=entry.limit,
        label=limit.label if limit else entry.limit,
        reading=entry.reading,
        level=entry.level,
        since=alert.at,
        text=f"{wording.reading(entry.reading, entry.value)}, limit {asks(entry)}",
    )


def asks(limit: Limit | AlertRaised) -> str:
    """The limit as a person reads it: ``< 85 °C``."""
    return f"{wording.SIGNS[limit.compare]} {wording.reading(limit.reading, limit.threshold)}"


def needs(alerts: tuple[AlertView, ...]) -> tuple[tuple[str, str], ...]:
    """What needs a person: (host, its most pressing alert, and how many more)."""
    found: dict[str, list[AlertView]] = {}
    for alert in alerts:
        found.setdefault(alert.host, []).append(alert)
    more = {host: f", and {len(held) - 1} more" if len(held) > 1 else "" for host, held in found.items()}
    return tuple((h, f"{held[0].level}: {held[0].label} {held[0].text}{more[h]}") for h, held in found.items())


@dataclass(slots=True)
class _Run:
    """For how long a reading has been on one side of its limit, by its host's clock."""

    side: _Side
    since: float
    last: float


class Watch:
    """Sees readings as they come and says what the journal is to be told."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], _Run] = {}

    def look(
        self, scene: Scene, readings: Mapping[str, tuple[float, Mapping[str, float]]]
    ) -> Iterator[AlertRaised | AlertCleared]:
        """What begins and ends with each host's newest reading: its time, and its values by name, none for n/a."""
        places = {(one.host, one.id): one for one in watched(scene)}
        alerts = scene.state.open_alerts()
        for place, open_alert in alerts.items():
            why_not = places[place].why_not if place in places else "the plan in force has no such limit there"
            if why_not:
                yield _cleared(open_alert, None, why_not)
        for place, one in places.items():
            t, values = readings.get(one.host, (0.0, {}))
            value = values.get(one.limit.reading)
            if one.why_not or value is None:
                self._runs.pop(place, None)
            else:
                run = self._run(place, one.limit, t, value)
                alert = alerts.get(place)
                if t - run.since < one.limit.seconds:
                    continue
                if run.side == "beyond" and alert is None:
                    yield _raised(scene.state, one, value)
                elif run.side == "well" and alert is not None:
                    yield _cleared(alert, value, "")

    def _run(self, place: tuple[str, str], limit: Limit, t: float, value: float) -> _Run:
        well = holds(limit, value, MARGIN * abs(limit.threshold))
        side: _Side = "beyond" if not holds(limit, value) else "well" if well else "between"
        run = self._runs.get(place)
        if run is None or run.side != side or not 0 <= t - run.last <= GAP:
            run = self._runs[place] = _Run(side, t, t)
        run.last = t
        return run


def keyed(state: State, entry: AlertRaised | AlertCleared) -> list[tuple[str | None, AlertRaised | AlertCleared]]:
    """The entry under its unique key, or nothing where another console was first: to be asked in the transaction."""
    place = entry.host, entry.limit
    known = state.open_alerts().get(place)
    if isinstance(entry, AlertRaised):
        first = known is None and len(state.alerts.get(place, ())) == entry.number - 1
        return [(f"alert-raised:{entry.host}:{entry.limit}:{entry.number}", entry)] if first else []
    first = known is not None and known.entry.number == entry.number
    return [(f"alert-cleared:{entry.host}:{entry.limit}:{entry.number}", entry)] if first else []


def _raised(state: State, one: Watched, value: float) -> AlertRaised:
    return AlertRaised(
        host=one.host,
        limit=one.id,
        number=len(state.alerts.get((one.host, one.id), ())) + 1,
        reading=one.limit.reading,
        value=value,
        compare=one.limit.compare,
        threshold=one.limit.threshold,
        level=one.limit.level,
    )


def _cleared(alert: Alert, value: float | None, reason: str) -> AlertCleared:
    entry = alert.entry
    return AlertCleared(
        host=entry.host,
        limit=entry.limit,
        number=entry.number,
        reading=entry.reading,
        threshold=entry.threshold,
        value=value,
        reason=reason,
    )
