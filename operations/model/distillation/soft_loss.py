"""What a student is trained on: the teacher's distribution over a task's labels, and the answer itself.

At a place where labels part, both distributions are over the label set's tokens and one bucket for all others, the
tail, whose probability follows from the logsumexp over the whole vocabulary. Both are softened by a temperature T:
probabilities to the power 1 / T, made to add up to 1 again. The soft loss is the mean Kullback-Leibler divergence of
the student's from the teacher's times T squared, which keeps its gradients' size (Hinton, Vinyals and Dean 2015); the
hard loss is the mean cross-entropy of all tokens of the answer, its end included, so that the student can speak freely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from operations.model import prompts
from operations.model.distillation import soft_store
from operations.model.distillation.soft_store import Array
from operations.model.learning import training

NEVER = -1e9
"""Stands for the logarithm of a probability of 0; finite, so that 0 times it is 0."""
LEAST = 1e-7
"""What is left of 1 for the tail, at least: float32 can't tell less from nothing."""


@dataclass(frozen=True, slots=True)
class SoftBatch:
    """A `training.Batch`, and for each place where labels part: which of the batch's answer tokens stands there
    (``place``), the label set's tokens (places, kept; ``follow``), the teacher's softened probabilities of those and of
    the tail (places, kept + 1), and a weight of 1, or 0 for padding (``counts``)."""

    hard: training.Batch
    place: mx.array
    follow: mx.array
    teacher: mx.array
    counts: mx.array

    @property
    def arrays(self) -> tuple[mx.array, ...]:
        return (*self.hard.arrays, self.place, self.follow, self.teacher, self.counts)

    @property
    def tokens(self) -> int:
        return self.hard.tokens


class Soft:
    """Batches of soft labels from a store, in an order by seed and epoch, as `training.Source` asks.

    ``shuffled`` teaches each sample what belongs to another one, hard and soft alike: a control.
    """

    def __init__(
        self,
        store: soft_store.Store,
        known: soft_store.Known,
        taught: soft_store.Taught,
        form: prompts.Format,
        *,
        size: int,
        seed: int,
        temperature: float,
        shuffled: bool = False,
    ) -> None:
        self._store, self._taught, self._form = store, taught, form
        self._answers = known.answers
        self._paths = soft_store.paths(known.answers)
        self._size, self._seed, self._temperature = size, seed, temperature
        rows = store.index.rows
        self._of = np.random.default_rng([seed, rows]).permutation(rows) if shuffled else None

    def batch(self, step: int) -> SoftBatch:
        chosen = training.order(self._seed, self._store.index.rows, (step - 1) * self._size, self._size)
        lessons = chosen if self._of is None else self._of[chosen].tolist()
        labels = [int(self._taught.label[lesson]) for lesson in lessons]
        examples = [
            training.Example(tuple(self._form.around(self._store.event(row))[0]), self._answers[label])
            for row, label in zip(chosen, labels, strict=True)
        ]
        place, at, number = [], [], []
        start = 0
        for index, label in enumerate(labels):
            for position, found in enumerate(self._paths[label]):
                place.append(start + found.prefix)
                number.append(lessons[index])
                at.append(position)
            start += len(self._answers[label])
        tokens = self._taught.tokens[number, at]
        teacher = softened(
            tokens, self._taught.logits[number, at], self._taught.logsumexp[number, at], self._temperature
        )
        missing = -len(place) % (2 * training.PAD_TO)
        return SoftBatch(
            training.collate(examples),
            mx.array(np.array([*place, *[0] * missing], np.int32)),
            mx.array(np.pad(tokens, ((0, missing), (0, 0)))),
            mx.array(np.pad(teacher, ((0, missing), (0, 0))).astype(np.float32)),
            mx.array(np.array([*[1] * len(place), *[0] * missing], np.float32)),
        )


def softened(tokens: Array, logits: Array, logsumexp: Array, temperature: float) -> Array:
    """(places, kept + 1) probabilities of the tokens and, last, of the tail, to the power 1 / ``temperature``."""
    inside = np.where(tokens >= 0, np.exp(logits.astype(np.float64) - logsumexp[:, None]), 0)
    tail = np.maximum(LEAST, 1 - inside.sum(axis=1, keepdims=True))
    powers = np.concatenate([inside, tail], axis=1) ** (1 / temperature)
    found: Array = powers / powers.sum(axis=1, keepdims=True)
    return found


def mixed(share: float, temperature: float) -> training.Loss:
    """The loss of a `SoftBatch`: ``share`` of the soft one, the rest of the hard one."""

    def loss(
        model: Any,
        head: Any,
        ids: mx.array,
        row: mx.array,
        column: mx.array,
        target: mx.array,
        weight: mx.array,
        place: mx.array,
        follow: mx.array,
        teacher: mx.array,
        counts: mx.array,
    ) -> mx.array:
        logits = model(ids)[row, column] if head is None else head(model.model(ids)[row, column])
        logits = logits.astype(mx.float32)
        hard: mx.array = (nn.losses.cross_entropy(logits, target) * weight).sum() / weight.sum()
        if not share:
            return hard
        divergence = kl(logits[place], follow, teacher, temperature)
        soft: mx.array = (divergence * counts).sum() / counts.sum()
        found: mx.array = share * temperature**2 * soft + (1 - share) * hard
        return found

    return loss


def kl(logits: mx.array, follow: mx.array, teacher: mx.array, temperature: float) -> mx.array:
    """(places,) divergence in nats of the softened student from the softened ``teacher``.

    ``logits`` (places, vocabulary) are the student's, ``follow`` (places, kept) the label set's tokens.
    """
    there = follow >= 0
    tokens = mx.maximum(follow, 0)
    # The tail's own logsumexp, not 1 minus the rest: its gradient is right however little is left.
    inside = mx.zeros(logits.shape, mx.float32)
    inside = mx.put_along_axis(inside, mx.where(there, tokens, tokens[:, :1]), mx.array(1.0), axis=-1)
    tail = mx.logsumexp(mx.where(inside > 0, NEVER, logits), axis=-1, keepdims=True)
    labels = mx.where(there, mx.take_along_axis(logits, tokens, axis=-1), NEVER)
    student = nn.log_softmax(mx.concatenate([labels, tail], axis=-1) / temperature, axis=-1)
    known = mx.log(mx.maximum(teacher, 1e-30))
    found: mx.array = (teacher * (known - student)).sum(axis=-1)
    return found
