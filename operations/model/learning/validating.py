"""A fixed set of events that a training is scored on: the loss, and for each task how many it gets right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from operations.model import prompts, scoring
from operations.model.learning.training import Example, Training, mean_loss
from operations.model.tasks import FIRST, Task

SCORED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Scored:
    """What a validation found: the loss in nats a token of the answer, and by task how many of how many are right."""

    loss: float
    right: Mapping[Task, tuple[int, int]]

    @property
    def first(self) -> tuple[int, int]:
        """Right answers and questions of the first task."""
        return self.right[FIRST]

    @property
    def by_task(self) -> dict[Task, float]:
        """Accuracy by task."""
        return {task: count / n for task, (count, n) in self.right.items()}


@dataclass(frozen=True, slots=True)
class Questions:
    """Events asked one task: prompts as tokens, and of each the label that is right."""

    form: prompts.Format
    labels: tuple[str, ...]
    asked: Sequence[Sequence[int]]
    right: Sequence[str]


class Validation(Protocol):
    """Scores a model under training on what it is not trained on, always the same."""

    def score(self, training: Training) -> Scored: ...


class Bounded:
    """Examples whose loss is told, and the questions of each task, the first among them."""

    def __init__(self, examples: Sequence[Example], questions: Mapping[Task, Questions]) -> None:
        self._examples, self._questions = examples, questions

    def score(self, training: Training) -> Scored:
        """Asks all of it."""
        loss = mean_loss(training.model, training.head, self._examples, SCORED_AT_ONCE)
        right = {}
        for task, some in self._questions.items():
            scorer = scoring.Scorer(training.model, some.form, some.labels)
            count = sum(
                scorer.labels[score.label] == some.right[score.index]
                for scores in scorer.score(some.asked, SCORED_AT_ONCE)
                for score in scores
            )
            right[task] = (count, len(some.asked))
        return Scored(loss, right)
