"""Which label a model finds likeliest, and what it says when it answers freely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from operations.contract import Refusal
from operations.model import models, prompts

PAD_TO = 8
LABELS, LABEL_CHARACTERS = 400, 128
"""More would be texts, not labels, and no table could show them."""


@dataclass(frozen=True, slots=True)
class Score:
    """Row ``index``: its likeliest label (by index) and that label's probability among the label set."""

    index: int
    label: int
    probability: float


class Scorer:
    """Scores prompts by a label set.

    A label's probability is that of its tokens when at every point where labels part only their tokens compete. With
    distinct first tokens that is one position, and one pass a prompt.
    """

    def __init__(self, model: Any, form: prompts.Format, labels: Sequence[str]) -> None:
        if len(labels) < 2:
            raise Refusal(f"a label set of {len(labels)} decides nothing")
        if len(labels) > LABELS or (longest := max(labels, key=len))[LABEL_CHARACTERS:]:
            what = f"{len(labels)} labels" if len(labels) > LABELS else f"a label of {len(longest)} characters"
            raise Refusal(f"{what}: at most {LABELS} of {LABEL_CHARACTERS} characters make a label set")
        self.model, self.form, self.labels = model, form, tuple(labels)
        self.answers = [form.label(label) for label in labels]
        for one, answer in enumerate(self.answers):
            if answer in self.answers[:one]:
                other = labels[self.answers.index(answer)]
                raise Refusal(f"labels {other!r} and {labels[one]!r} are the same tokens to this model")
        self.branches = prompts.branches(self.answers)
        self.head: Callable[[mx.array], mx.array] | None = models.head(model)

    @property
    def scored_by(self) -> str:
        """In words, how labels are told apart."""
        if len(self.branches) == 1:
            return "one position"
        root = self.branches[0]
        shared = next(members for members in root.members if len(members) > 1)
        names = " and ".join(repr(self.labels[i]) for i in shared[:2])
        return f"whole labels at {len(self.branches)} positions: {names} begin with the same token"

    def score(self, asked: Sequence[Sequence[int]], batch: int) -> Iterator[list[Score]]:
        """Scores of all prompts (token ids), a batch at a time, those of like length together.

        Raises ArithmeticError, naming the row, at a score that is not finite.
        """
        by_length = sorted(range(len(asked)), key=lambda i: len(asked[i]))
        for start in range(0, len(asked), batch):
            chosen = by_length[start : start + batch]
            logs = self.log_probabilities([asked[i] for i in chosen])
            for row, values in zip(chosen, logs, strict=True):
                if not np.isfinite(values).all():
                    raise ArithmeticError(f"row {row + 1}'s scores are not finite")
            best = logs.argmax(axis=1)
            yield [Score(i, int(b), float(np.exp(v[b]))) for i, b, v in zip(chosen, best, logs, strict=True)]

    def log_probabilities(self, asked: Sequence[Sequence[int]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(prompts, labels) natural logarithms; each row's probabilities add up to 1."""
        logs = np.zeros((len(asked), len(self.labels)))
        for branch in self.branches:
            logits = np.array(self._last([[*ids, *branch.prefix] for ids in asked], branch.next), np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
            for column, members in enumerate(branch.members):
                logs[:, list(members)] += logits[:, [column]]
        return logs

    def _last(self, asked: Sequence[Sequence[int]], tokens: Sequence[int]) -> mx.array:
        """(prompts, tokens) logits of those tokens to follow each prompt, float32."""
        width = -(-max(map(len, asked)) // PAD_TO) * PAD_TO
        ids = np.zeros((len(asked), width), np.int32)
        for row, prompt in enumerate(asked):
            ids[row, : len(prompt)] = prompt
        last = mx.array([len(prompt) - 1 for prompt in asked])
        rows = mx.arange(len(asked))
        if self.head is None:
            logits = self.model(mx.array(ids))[rows, last]
        else:
            logits = self.head(self.model.model(mx.array(ids))[rows, last])
        found: mx.array = logits[:, mx.array(list(tokens))].astype(mx.float32)
        mx.eval(found)
        return found


def generate(model: Any, tokenizer: Any, asked: Sequence[Sequence[int]], tokens: int) -> list[str]:
    """What the model answers freely: greedy, to its own end or ``tokens`` tokens; spaces around are cut."""
    from mlx_lm import batch_generate

    answered = batch_generate(model, tokenizer, [list(ids) for ids in asked], max_tokens=tokens)
    return [text.strip() for text in answered.texts]
