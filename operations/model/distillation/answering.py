"""A student's accuracy on the same validation samples, again and again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from operations.contract import Refusal
from operations.model import prompts, rows, scoring
from operations.model.tasks import Task

SCORED_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Answers:
    """How a model did: ``by_label`` is (right, total) of each label that occurs, ``said`` how often each was said."""

    right: int
    total: int
    by_label: dict[str, tuple[int, int]]
    said: dict[str, int]
    correct: tuple[bool, ...]
    """Sample by sample, so that two models can be compared in pairs."""

    @property
    def accuracy(self) -> float:
        return self.right / self.total

    @property
    def macro(self) -> float:
        """Mean of the labels' accuracies."""
        return sum(right / total for right, total in self.by_label.values()) / len(self.by_label)

    @property
    def one_answer(self) -> str:
        """The label that every sample got, where there are samples of several; else ""."""
        return next(iter(self.said)) if len(self.said) == 1 and len(self.by_label) > 1 else ""


class Samples:
    """The first samples of a file, for one task."""

    def __init__(self, path: Path, task: Task, limit: int, form: prompts.Format, labels: tuple[str, ...]) -> None:
        """Raises Refusal if there is none, or if one has a label that is not among ``labels``."""
        self.rows = tuple(islice(rows.each(path, task), limit))
        if not self.rows:
            raise Refusal(f"{path.name} has no rows")
        strange = next((row for row in self.rows if row.completion not in labels), None)
        if strange is not None:
            raise Refusal(f"{path.name}: sample {strange.id} has a {task} that no training had: {strange.completion!r}")
        self._form, self._labels = form, labels
        self._asked = [form.prompt(row.prompt)[0] for row in self.rows]

    def score(self, model: Any) -> Answers:
        """The model's likeliest labels held against the samples' own. Raises ArithmeticError if one is not finite."""
        scorer = scoring.Scorer(model, self._form, self._labels)
        correct = [False] * len(self.rows)
        said: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for scores in scorer.score(self._asked, SCORED_AT_ONCE):
            for score in scores:
                label, own = scorer.labels[score.label], self.rows[score.index].completion
                said[label] += 1
                right[own] += label == own
                correct[score.index] = label == own
        totals = Counter(row.completion for row in self.rows)
        by_label = {label: (right[label], total) for label, total in sorted(totals.items())}
        return Answers(sum(correct), len(correct), by_label, dict(said), tuple(correct))
