"""The cheap rival at the size of the programme: character n-grams and logistic regression, learnt from a stream.

TF-IDF of characters 1 to 5 (logarithmic counts, rows of length 1), hashed, because a vocabulary of millions of rows
fits into no memory; a logistic regression a label, by stochastic gradient descent in passes over the stream. On 10,000
rows of the synthetic store it reaches what `rivals.ngrams` does with a solver that needs all rows at once, sooner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

Example: TypeAlias = tuple[str, str]
"""A payload and its label."""

INVERSE_REGULARISATIONS = (1.0, 10.0, 100.0)
"""C as in scikit-learn's logistic regression: one over the weight of the squared norm, rows counted."""
AT_ONCE = 10_000
ENOUGH = 200_000
"""Rows to learn from, repetitions counted: fewer are gone through again, `PASSES` times at most."""
PASSES = 6
CHOSEN_AFTER = 2
"""Passes after which the best C alone goes on."""
KEPT = 20_000
"""Rows whose features are kept for the next pass instead of being made again."""
FEATURES, WEIGHTS = 20, 24
"""Bits of the hash, and of the weights of all labels together."""
FEATURES_A_ROW = 64
"""Few rows have few n-grams: a hash of so many places for each is wide enough."""
COUNTED = 100_000
"""Rows from which it is counted how rare an n-gram is."""


@dataclass(slots=True)
class Rival:
    """A fitted rival: which C was best on the rows to choose by, how many rows it learnt from."""

    features: Features
    model: Any
    c: float
    rows: int
    tuned: float

    @property
    def about(self) -> str:
        """What it is, in words."""
        return (
            f"TF-IDF of characters 1-5, logistic regression with C {self.c:g} ({self.tuned:.1%} right where "
            f"it was chosen), {self.rows:,} training rows"
        )

    def answer(self, payloads: Sequence[str]) -> list[str]:
        """The likeliest label of each payload."""
        return [str(label) for label in self.model.predict(self.features.of(payloads))]


class Features:
    """Hashed n-grams of payloads, weighted by how rare they are."""

    def __init__(self, bits: int) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        self._hashing = HashingVectorizer(
            analyzer="char", ngram_range=(1, 5), n_features=1 << bits, alternate_sign=False, norm=None, dtype=np.float32
        )
        self._weights: Any = None

    def hashed(self, payloads: Sequence[str]) -> Any:
        """(payloads, features) counts, sparse."""
        return self._hashing.transform(payloads)

    def count(self, hashed: Iterable[Any]) -> None:
        """Counts in how many payloads each n-gram is."""
        rows, found = 0, np.zeros(self._hashing.n_features, np.int64)
        for matrix in hashed:
            found += np.bincount(matrix.indices, minlength=len(found))
            rows += matrix.shape[0]
        self._weights = (np.log((1 + rows) / (1 + found)) + 1).astype(np.float32)

    def weighed(self, matrix: Any) -> Any:
        """(payloads, features) of counts, which are overwritten."""
        from sklearn.preprocessing import normalize

        matrix.data = (np.log(matrix.data) + 1) * self._weights[matrix.indices]
        return normalize(matrix, copy=False)

    def of(self, payloads: Sequence[str]) -> Any:
        """(payloads, features), sparse."""
        return self.weighed(self.hashed(payloads))


def fit(
    train: Callable[[], Iterator[Example]],
    chosen_by: Sequence[Example],
    labels: Sequence[str],
    rows: int,
    tell: Callable[[int, int], None],
    threads: int = 1,
) -> Rival:
    """The rival that answers best on ``chosen_by`` of one for each C.

    ``labels`` are two or more. ``train`` starts a stream of its ``rows`` rows anew at each call; ``tell`` hears rows
    done and rows to do.
    """
    from sklearn.linear_model import SGDClassifier

    bits = min(FEATURES, WEIGHTS - math.ceil(math.log2(len(labels))), math.ceil(math.log2(rows * FEATURES_A_ROW)))
    features = Features(bits)
    kept: list[tuple[Any, list[str]]] = []
    if rows <= KEPT:
        kept = list(_hashed(features, train()))
        features.count(matrix for matrix, _ in kept)
        kept = [(features.weighed(matrix), known) for matrix, known in kept]
    else:
        features.count(matrix for matrix, _ in _hashed(features, islice(train(), COUNTED)))
    models = {
        c: SGDClassifier(loss="log_loss", alpha=1 / (c * rows), random_state=1, n_jobs=threads)
        for c in INVERSE_REGULARISATIONS
    }
    passes = min(PASSES, -(-ENOUGH // rows))
    done, best = 0, INVERSE_REGULARISATIONS[0]
    for number in range(1, passes + 1):
        for matrix, known in kept or ((features.weighed(m), some) for m, some in _hashed(features, train())):
            for model in models.values():
                model.partial_fit(matrix, known, classes=np.array(labels))
            done += len(known)
            tell(done, passes * rows)
        if number == min(CHOSEN_AFTER, passes):
            right = _right(features, models, chosen_by)
            best = max(models, key=lambda c: (right[c], -c))
            models = {best: models[best]}
    tuned = _right(features, models, chosen_by)[best] / len(chosen_by)
    return Rival(features, models[best], best, rows, tuned)


def _right(features: Features, models: dict[float, Any], asked: Sequence[Example]) -> dict[float, int]:
    """How many answers of each model are right."""
    right = dict.fromkeys(models, 0)
    for some in chunks(asked):
        matrix = features.of([payload for payload, _ in some])
        known = np.array([label for _, label in some])
        for c, model in models.items():
            right[c] += int((model.predict(matrix) == known).sum())
    return right


def _hashed(features: Features, train: Iterator[Example]) -> Iterator[tuple[Any, list[str]]]:
    for some in chunks(train):
        yield features.hashed([payload for payload, _ in some]), [label for _, label in some]


def chunks(some: Iterable[Any], size: int = AT_ONCE) -> Iterator[list[Any]]:
    """Lists of ``size``, the last one shorter."""
    waiting = iter(some)
    while chunk := list(islice(waiting, size)):
        yield chunk
