"""Who answers an evaluation's rows: a model by its label set, a model by the plan's own rule, the cheap rival."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from operations.model import models, prompts, scoring
from operations.model.learning.training import Example, mean_loss
from operations.model.rows import Row

if TYPE_CHECKING:
    from operations.dataset.ngrams import Rival

GENERATED_AT_ONCE = 32
LOSS_ROWS = 10_000
"""The loss is that of the first rows: a million would double an evaluation's time for a fifth digit."""
PLAN_PROMPT = "Classify this security event: {}"
PLAN_TOKENS = 50
PLAN_RULE = f"the plan's own rule: its prompt, {PLAN_TOKENS} tokens, right where the label is anywhere in the answer"


@dataclass(slots=True)
class Answers:
    """Answers to a chunk of rows as they come: see `parts.Part` and `parts.Description` for the fields."""

    predicted: np.ndarray[Any, np.dtype[np.int16]]
    probability: np.ndarray[Any, np.dtype[np.float64]]
    cut: int = 0
    loss: float | None = 0.0
    tokens: int = 0
    generating: float = 0.0
    said: list[str] = field(default_factory=list)
    about: str = ""


class Answerer(Protocol):
    """Answers chunks of rows, ``first`` being the number of a chunk's first row; yields the indices answered so far."""

    def answer(self, rows: Sequence[Row], first: int) -> Iterator[tuple[Answers, Sequence[int]]]: ...


class Scoring:
    """A model by its label set; the first ``generations`` rows are answered freely too."""

    def __init__(
        self,
        loaded: models.Loaded,
        form: prompts.Format,
        labels: Sequence[str],
        batch: int,
        generations: int,
        tokens: int,
    ) -> None:
        self.loaded, self.form, self.batch, self.generations = loaded, form, batch, generations
        self.scorer = scoring.Scorer(loaded.model, form, labels)
        self.tokens = max(tokens, *map(len, self.scorer.answers))

    def answer(self, rows: Sequence[Row], first: int) -> Iterator[tuple[Answers, Sequence[int]]]:
        made = self.form.prompts([row.prompt for row in rows])
        asked = [ids for ids, _ in made]
        found = Answers(np.zeros(len(rows), np.int16), np.zeros(len(rows)), sum(cut for _, cut in made))
        found.about = self.scorer.scored_by
        for scores in self.scorer.score(asked, self.batch):
            for score in scores:
                found.predicted[score.index], found.probability[score.index] = score.label, score.probability
            yield found, [score.index for score in scores]
        self._loss(found, asked[: max(0, LOSS_ROWS - first)], rows)
        free, start = asked[: max(0, self.generations - first)], time.perf_counter()
        for at in range(0, len(free), GENERATED_AT_ONCE):
            some = free[at : at + GENERATED_AT_ONCE]
            found.said += scoring.generate(self.loaded.model, self.loaded.tokenizer, some, self.tokens)
            yield found, ()
        found.generating = time.perf_counter() - start if free else 0.0

    def _loss(self, found: Answers, asked: list[list[int]], rows: Sequence[Row]) -> None:
        if not asked:
            return
        examples = [
            Example(tuple(ids), tuple(self.form.label(row.completion))) for ids, row in zip(asked, rows, strict=False)
        ]
        examples.sort(key=lambda e: len(e.prompt) + len(e.answer))
        found.tokens = sum(len(e.answer) for e in examples)
        loss = mean_loss(self.loaded.model, self.scorer.head, examples, self.batch)
        found.loss = loss * found.tokens if math.isfinite(loss) else None


class Generating:
    """A model by the plan's own rule, for comparison.

    The label counts as found anywhere in the answer, whatever else is said: "not xss" is xss, and who lists every label
    is always right. So a right answer is the row's label; of a wrong one the first other label that occurs is told.
    """

    def __init__(self, loaded: models.Loaded, labels: Sequence[str]) -> None:
        self.loaded, self.labels = loaded, tuple(labels)

    def answer(self, rows: Sequence[Row], first: int) -> Iterator[tuple[Answers, Sequence[int]]]:  # noqa: ARG002
        tokenizer = self.loaded.tokenizer
        found = Answers(np.full(len(rows), -1, np.int16), np.zeros(0), about=PLAN_RULE)
        for at in range(0, len(rows), GENERATED_AT_ONCE):
            some = rows[at : at + GENERATED_AT_ONCE]
            start = time.perf_counter()
            asked = [tokenizer.encode(PLAN_PROMPT.format(row.shown)) for row in some]
            said = scoring.generate(self.loaded.model, tokenizer, asked, PLAN_TOKENS)
            found.generating += time.perf_counter() - start
            for index, (row, text) in enumerate(zip(some, said, strict=True), at):
                found.predicted[index] = self._label(row.completion, text.lower())
            found.said += said
            yield found, range(at, at + len(some))

    def _label(self, right: str, said: str) -> int:
        if right.lower() in said:
            return self.labels.index(right)
        return next((i for i, label in enumerate(self.labels) if label.lower() in said), -1)


class Rivalling:
    """The cheap rival, fitted when it is first asked."""

    def __init__(self, fit: Callable[[], Rival], labels: Sequence[str]) -> None:
        self._fit, self._labels = fit, {label: index for index, label in enumerate(labels)}
        self.rival: Rival | None = None

    def answer(self, rows: Sequence[Row], first: int) -> Iterator[tuple[Answers, Sequence[int]]]:  # noqa: ARG002
        self.rival = self.rival or self._fit()
        answered = [self._labels[label] for label in self.rival.answer([row.shown for row in rows])]
        yield Answers(np.array(answered, np.int16), np.zeros(0), about=self.rival.about), range(len(rows))
