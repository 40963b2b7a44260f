"""An evaluation's results as a file: the plan's keys, and ours."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from operations import stats
from operations.contract import Context, Refusal
from operations.files import write_atomic
from operations.model.rows import BENIGN, Row
from operations.model.tasks import FIRST, Task

RIGHT_KEPT = 100
NO_LABEL = "none of the labels"
PAYLOAD_KEPT = 2_000
"""Characters of a payload that the results keep."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One row and what the model made of it; ``attack_type`` is its label, whatever the task.

    ``generated`` is None where it was not asked to answer freely, ``probability`` where it was asked in no other way.
    """

    id: str
    attack_type: str
    predicted: str
    probability: float | None
    payload: str
    hard: str = ""
    combination: bool = False
    generated: str | None = None

    @property
    def right(self) -> bool:
        """Whether the likeliest label is the row's."""
        return self.predicted == self.attack_type


class Share(msgspec.Struct, frozen=True):
    """``correct`` of ``total``; ``accuracy`` is their ratio. Made by `share`."""

    total: int
    correct: int
    accuracy: float


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Another's answers to the same rows; ``advantage`` is the model's, in percentage points, ``interval`` its 95 %.

    The interval is of a paired difference, see `operations.stats.paired`.
    """

    about: str
    total: int
    correct: int
    accuracy: float
    both: int
    model_alone: int
    other_alone: int
    neither: int
    advantage: float
    interval: tuple[float, float]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` to ``by_attack_type`` are the plan's; a share is None where there was nothing to count.

    ``leaked`` counts rows whose payload a training row has, None where no training rows were given. ``split`` is "" for
    rows of no data set; ``length`` is how many tokens an input had at most, 0 where the plan's rule cut none.
    """

    total: int
    correct: int
    incorrect: int
    accuracy: float
    by_attack_type: dict[str, Share]
    interval: tuple[float, float]
    macro_accuracy: float
    confusion: dict[str, int]
    false_alarms: Share | None
    overlooked: Share | None
    hard: Share | None
    by_hard: dict[str, Share]
    combination: Share | None
    coherent: Share | None
    generated_accuracy: Share | None
    agreement: Share | None
    shift: Share | None
    loss: float | None
    errors: int
    labels: tuple[str, ...]
    scored_by: str
    device: str
    seconds: float
    inputs: dict[str, str]
    failures: tuple[Answer, ...]
    right: tuple[Answer, ...]
    task: Task = FIRST
    split: str = ""
    length: int = 0
    method: str = "score"
    leaked: int | None = None
    teacher: Beside | None = None
    rival: Beside | None = None


def answer(row: Row, predicted: str, probability: float | None, generated: str | None = None) -> Answer:
    """The row with the model's answer."""
    return Answer(
        id=str(row.id),
        attack_type=row.completion,
        predicted=predicted,
        probability=None if probability is None else round(probability, 6),
        payload=row.shown[:PAYLOAD_KEPT],
        hard=row.hard,
        combination=row.combination,
        generated=None if generated is None else generated[:PAYLOAD_KEPT],
    )


def share(flags: Iterable[bool]) -> Share | None:
    """How many are true; None for none at all."""
    return _share(Counter(flags))


def beside(
    about: str, ours: np.ndarray[Any, np.dtype[np.bool_]], theirs: np.ndarray[Any, np.dtype[np.bool_]]
) -> Beside:
    """The comparison of which rows the model and another have right, in the same order."""
    both, model_alone = int((ours & theirs).sum()), int((ours & ~theirs).sum())
    other_alone, neither = int((~ours & theirs).sum()), int((~ours & ~theirs).sum())
    difference, low, high = stats.paired(both, model_alone, other_alone, neither)
    return Beside(
        about=about,
        total=len(ours),
        correct=both + other_alone,
        accuracy=(both + other_alone) / len(ours),
        both=both,
        model_alone=model_alone,
        other_alone=other_alone,
        neither=neither,
        advantage=100 * difference,
        interval=(100 * low, 100 * high),
    )


def summarise(
    answers: Iterable[Answer],
    *,
    labels: tuple[str, ...],
    shift: Share | None,
    loss: float | None,
    scored_by: str,
    device: str,
    seconds: float,
    inputs: dict[str, str],
    kept: int,
    errors: int = 0,
) -> Results:
    """The results of a stream of answers (at least one), of which ``kept`` wrong ones are listed."""
    tally = _Tally(labels, kept)
    for one in answers:
        tally.add(one)
    right = _share(tally.flags["right"])
    assert right is not None, "there is at least one row"
    types = _by(tally.types)
    return Results(
        total=right.total,
        correct=right.correct,
        incorrect=right.total - right.correct,
        accuracy=right.accuracy,
        by_attack_type=types,
        interval=stats.wilson(right.correct, right.total),
        macro_accuracy=sum(s.accuracy for s in types.values()) / len(types),
        confusion=dict(sorted(tally.confusion.items(), key=lambda item: (-item[1], item[0]))),
        by_hard=_by(tally.hard),
        loss=loss,
        errors=errors,
        labels=labels,
        scored_by=scored_by,
        device=device,
        seconds=seconds,
        inputs=inputs,
        failures=tuple(tally.failures),
        right=tuple(tally.right),
        shift=shift,
        false_alarms=_share(tally.flags["false_alarms"]),
        overlooked=_share(tally.flags["overlooked"]),
        hard=_share(tally.flags["hard"]),
        combination=_share(tally.flags["combination"]),
        coherent=_share(tally.flags["coherent"]),
        generated_accuracy=_share(tally.flags["generated_accuracy"]),
        agreement=_share(tally.flags["agreement"]),
    )


class _Tally:
    """Counts of answers as they come by, and the first of them."""

    def __init__(self, labels: tuple[str, ...], kept: int) -> None:
        self._labels, self._kept = set(labels), kept
        self.flags: defaultdict[str, Counter[bool]] = defaultdict(Counter)
        self.types: defaultdict[str, Counter[bool]] = defaultdict(Counter)
        self.hard: defaultdict[str, Counter[bool]] = defaultdict(Counter)
        self.confusion: Counter[str] = Counter()
        self.failures: list[Answer] = []
        self.right: list[Answer] = []

    def add(self, one: Answer) -> None:
        """Counts an answer."""
        flags, right = self.flags, one.right
        flags["right"][right] += 1
        self.types[one.attack_type][right] += 1
        if one.attack_type == BENIGN:
            flags["false_alarms"][one.predicted != BENIGN] += 1
        elif BENIGN in self._labels:
            flags["overlooked"][one.predicted == BENIGN] += 1
        if one.hard:
            flags["hard"][right] += 1
            self.hard[one.hard][right] += 1
        if one.combination:
            flags["combination"][right] += 1
        if one.generated is not None:
            flags["coherent"][one.generated in self._labels] += 1
            flags["generated_accuracy"][one.generated == one.attack_type] += 1
            flags["agreement"][one.generated == one.predicted] += 1
        if not right:
            self.confusion[f"{one.attack_type} > {one.predicted}"] += 1
        listed, limit = (self.right, RIGHT_KEPT) if right else (self.failures, self._kept)
        if len(listed) < limit:
            listed.append(one)


def _share(counted: Counter[bool]) -> Share | None:
    total = counted.total()
    return Share(total, counted[True], counted[True] / total) if total else None


def _by(counted: dict[str, Counter[bool]]) -> dict[str, Share]:
    return {name: share for name in sorted(counted) if (share := _share(counted[name]))}


def write(path: Path, results: Results) -> None:
    """Writes them as JSON, for people too."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read(path: Path) -> Results:
    """Reads them. Raises Refusal, naming key and what was expected."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"{path.name} holds no results of an evaluation: {error}") from None


def measure_share(context: Context, name: str, found: Share | None, reason: str) -> None:
    """Reports a proportion, or why there is none."""
    if found is None:
        context.measure(name, None, reason=reason)
    else:
        context.measure(name, found.accuracy, n=found.total, count=found.correct)
