"""Own output fed back as events, round by round."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import msgspec

from operations import stats
from operations.model.production import own_output
from operations.model.production.own_output import Alert
from operations.model.production.pipeline import Pipeline

ENDS_WITHIN = 2
"""Rounds of feeding back within which every chain must end: the last of them may raise no alert any more."""


class Echo(msgspec.Struct, frozen=True):
    """What came of feeding back: alerts by round, the seeds' first, and how many texts were fed in each after that."""

    alerts: tuple[int, ...]
    fed: tuple[int, ...]

    @property
    def own(self) -> int:
        """Own alerts that were fed back."""
        return sum(self.alerts[: len(self.fed)])

    @property
    def new(self) -> int:
        """Alerts that they raised."""
        return sum(self.alerts[1:])

    @property
    def reproduction(self) -> float | None:
        """New alerts per own alert; None where no own alert was fed back."""
        return self.new / self.own if self.own else None

    @property
    def upper(self) -> float | None:
        """Its exact one-sided upper 95 % bound.

        Poisson, because an alert goes back twice, by itself and in a report, so that it may raise more than one. Each
        text raises one or none, so that their sum is no wider than Poisson's.
        """
        return stats.poisson_upper(self.new) / self.own if self.own else None

    @property
    def longest(self) -> int:
        """The last round in which own output raised an alert; 0 for none."""
        return max((number for number, count in enumerate(self.alerts) if count and number), default=0)


def feed(
    pipeline: Pipeline,
    first: Sequence[Alert],
    *,
    rounds: int,
    in_report: int,
    seed: int,
    tell: Callable[[int, int, int], None],
) -> Echo:
    """Feeds the first alerts back, and reports of them, then what those raise, for at most ``rounds`` rounds.

    ``tell`` gets each round's number, how many texts were fed and how many alerts they raised.
    """
    order = _order(seed)
    alerts = list(first)
    counts, fed = [len(alerts)], list[int]()
    while alerts and len(fed) < rounds:
        texts = [pipeline.marks.alert(told) for told in alerts]
        texts += [pipeline.marks.report(group) for group in _groups(alerts, in_report, order)]
        alerts = _raised(pipeline, texts)
        fed.append(len(texts))
        counts.append(len(alerts))
        tell(len(fed), len(texts), len(alerts))
    return Echo(tuple(counts), tuple(fed))


def stripped(pipeline: Pipeline, first: Sequence[Alert], in_report: int, seed: int) -> float | None:
    """New alerts per own alert when all is fed back once without its mark; None without an alert."""
    if not first:
        return None
    texts = [own_output.alert(told) for told in first]
    texts += [own_output.report(own_output.fresh(), group) for group in _groups(first, in_report, _order(seed))]
    return len(_raised(pipeline, texts)) / len(first)


def _order(seed: int) -> random.Random:
    return random.Random(f"{seed} reports")  # noqa: S311 - mixes, keeps no secret


def _groups(alerts: Sequence[Alert], size: int, order: random.Random) -> Iterator[tuple[Alert, ...]]:
    """All alerts in groups of at most ``size``, in a new order."""
    mixed = list(alerts)
    order.shuffle(mixed)
    for at in range(0, len(mixed), size):
        yield tuple(mixed[at : at + size])


def _raised(pipeline: Pipeline, events: Sequence[str]) -> list[Alert]:
    return [told for told in pipeline.alerts(events) if told]
