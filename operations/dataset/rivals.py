"""Cheap rivals, so that a model's accuracy has something beside it: a constant, a word list, and character n-grams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from operations.dataset import language

Rival: TypeAlias = Callable[[Sequence[str]], list[str]]
"""Labels for payloads."""

FEATURES = 50_000
"""n-grams kept at most, the most frequent."""
INVERSE_REGULARISATION = 10.0
ITERATIONS = 60


def majority(labels: Sequence[str]) -> Rival:
    """Always the most frequent label; of equals the one that sorts first."""
    counts = Counter(labels)
    label = min(counts, key=lambda name: (-counts[name], name))
    return lambda payloads: [label] * len(payloads)


def keyword(labels: Sequence[str]) -> Rival | None:
    """The class with most of its step words in the payload, from the generator's own vocabulary.

    Ties go to the class that is rarer in ``labels`` so that an attack goes before benign, then to the one that sorts
    first; no word is benign. None if ``labels`` has a class that the vocabulary has not.
    """
    counts = Counter(labels)
    if not set(counts) <= set(language.STEPS):
        return None
    known = {word: label for label, words in language.STEPS.items() for word in words}

    def answer(payload: str) -> str:
        hits = Counter(known[word] for word in payload.split() if word in known)
        return min(hits, key=lambda label: (-hits[label], counts[label], label)) if hits else language.BENIGN

    return lambda payloads: [answer(payload) for payload in payloads]


def ngrams(payloads: Sequence[str], labels: Sequence[str]) -> Rival | None:
    """Character 1- to 5-grams, sublinear TF-IDF, multinomial logistic regression; None for a single label."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) < 2:
        return None
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), sublinear_tf=True, max_features=FEATURES)
    known = vectorizer.fit_transform(payloads)
    regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=ITERATIONS).fit(known, labels)
    return lambda asked: [str(label) for label in regression.predict(vectorizer.transform(asked))]
