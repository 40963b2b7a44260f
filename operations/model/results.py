"""An evaluation's results as a file: the plan's keys, and ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from operations import stats
from operations.contract import Context, Refusal
from operations.files import write_atomic
from operations.model.rows import BENIGN, Row

RIGHT_KEPT = 100
PAYLOAD_KEPT = 2_000
"""Characters of a payload that the results keep."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One row and what the model made of it; ``generated`` is None where it was not asked to answer freely."""

    id: str
    attack_type: str
    predicted: str
    probability: float
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


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` to ``by_attack_type`` are the plan's; a share is None where there was nothing to count."""

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


def answer(row: Row, predicted: str, probability: float) -> Answer:
    """The row with the model's answer."""
    return Answer(
        id=str(row.id),
        attack_type=row.completion,
        predicted=predicted,
        probability=round(probability, 6),
        payload=row.shown[:PAYLOAD_KEPT],
        hard=row.hard,
        combination=row.combination,
    )


def share(flags: Iterable[bool]) -> Share | None:
    """How many are true; None for none at all."""
    counted = Counter(flags)
    total = counted.total()
    return Share(total, counted[True], counted[True] / total) if total else None


def by(answers: Sequence[Answer], key: str) -> dict[str, Share]:
    """Shares of right answers by an attribute of the answers, in its order."""
    values = sorted({getattr(a, key) for a in answers})
    found = {value: share(a.right for a in answers if getattr(a, key) == value) for value in values}
    return {str(value): counted for value, counted in found.items() if counted}


def confusion(answers: Iterable[Answer]) -> dict[str, int]:
    """Wrong answers by ``class > answer``, the most frequent first."""
    counted = Counter(f"{a.attack_type} > {a.predicted}" for a in answers if not a.right)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def summarise(
    answers: Sequence[Answer],
    *,
    labels: tuple[str, ...],
    shift: Share | None,
    loss: float | None,
    scored_by: str,
    device: str,
    seconds: float,
    inputs: dict[str, str],
    kept: int,
) -> Results:
    """The results of the answers, of which ``kept`` wrong ones are listed."""
    right = share(a.right for a in answers)
    assert right is not None, "rows.read gives at least one row"
    types = by(answers, "attack_type")
    hard = [a for a in answers if a.hard]
    asked = [a for a in answers if a.generated is not None]
    return Results(
        total=right.total,
        correct=right.correct,
        incorrect=right.total - right.correct,
        accuracy=right.accuracy,
        by_attack_type=types,
        interval=stats.wilson(right.correct, right.total),
        macro_accuracy=sum(s.accuracy for s in types.values()) / len(types),
        confusion=confusion(answers),
        false_alarms=share(a.predicted != BENIGN for a in answers if a.attack_type == BENIGN),
        overlooked=share(a.predicted == BENIGN for a in answers if a.attack_type != BENIGN),
        hard=share(a.right for a in hard),
        by_hard=by(hard, "hard"),
        combination=share(a.right for a in answers if a.combination),
        coherent=share(a.generated in labels for a in asked),
        generated_accuracy=share(a.generated == a.attack_type for a in asked),
        agreement=share(a.generated == a.predicted for a in asked),
        shift=shift,
        loss=loss,
        errors=int(loss is None),
        labels=labels,
        scored_by=scored_by,
        device=device,
        seconds=seconds,
        inputs=inputs,
        failures=tuple(a for a in answers if not a.right)[:kept],
        right=tuple(a for a in answers if a.right)[:RIGHT_KEPT],
    )


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
