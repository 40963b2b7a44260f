"""Counts of a pipeline's verdicts against labels, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from operations import stats
from operations.dataset.language import ATTACK
from operations.model.evaluation.results import PAYLOAD_KEPT, Share
from operations.model.production.pipeline import Verdict
from operations.model.production.reserved import LABELS
from operations.model.rows import Row


class Wrong(msgspec.Struct, frozen=True):
    """A sample on which something that was said is wrong; labels by task."""

    id: str
    attack_type: str
    payload: str
    expected: dict[str, str]
    said: dict[str, str]


class Tally(msgspec.Struct):
    """What was counted so far. Pairs are (total, correct); ``alarms`` is what was called an attack, by true label."""

    kept: int = 0
    rows: int = 0
    right: int = 0
    in_pieces: int = 0
    by_class: dict[str, tuple[int, int]] = {}
    by_task: dict[str, tuple[int, int]] = {}
    by_truth: dict[str, tuple[int, int]] = {}
    failures: list[Wrong] = []

    def add(self, row: Row, verdict: Verdict) -> None:
        """One more sample."""
        asked = LABELS if verdict.attack else LABELS[:1]
        rights = {task: getattr(verdict, task) == getattr(row, task) for task in asked}
        for task, is_right in rights.items():
            _count(self.by_task, task, is_right)
        # Of what is called benign nothing else is said, so that nothing else can be wrong.
        right = all(rights.values())
        self.rows += 1
        self.right += right
        self.in_pieces += verdict.inputs > 1
        _count(self.by_class, row.attack_type or row.anomaly, right)
        _count(self.by_truth, row.anomaly, rights["anomaly"])
        if not right and len(self.failures) < self.kept:
            self.failures.append(
                Wrong(
                    str(row.id),
                    row.attack_type,
                    row.shown[:PAYLOAD_KEPT],
                    {task: getattr(row, task) for task in LABELS},
                    {task: getattr(verdict, task) for task in asked},
                )
            )

    def shares(self, counted: dict[str, tuple[int, int]]) -> dict[str, Share]:
        """Shares by name, sorted."""
        return {name: Share(total, right, right / total) for name, (total, right) in sorted(counted.items())}

    @property
    def macro(self) -> float:
        """The mean of the classes' accuracies."""
        accuracies = [share.accuracy for share in self.shares(self.by_class).values()]
        return sum(accuracies) / len(accuracies)

    @property
    def false_alarms(self) -> Share | None:
        """Of what is benign, what was called an attack; None if nothing is."""
        return _wrong(pair for truth, pair in self.by_truth.items() if truth != ATTACK)

    @property
    def overlooked(self) -> Share | None:
        """Of the attacks, what was not called one; None if there are none."""
        return _wrong(pair for truth, pair in self.by_truth.items() if truth == ATTACK)


def upper(found: Share | None) -> float | None:
    """The exact one-sided upper 95 % bound of a share, in percent: none of n is no zero."""
    return None if found is None else 100 * stats.binomial_upper(found.correct, found.total)


def _count(counted: dict[str, tuple[int, int]], name: str, right: bool) -> None:
    total, correct = counted.get(name, (0, 0))
    counted[name] = total + 1, correct + right


def _wrong(pairs: Iterable[tuple[int, int]]) -> Share | None:
    found = list(pairs)
    total, right = (sum(pair[side] for pair in found) for side in (0, 1))
    return Share(total, total - right, (total - right) / total) if total else None
