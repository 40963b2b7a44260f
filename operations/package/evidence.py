"""Results of evaluations as figures with a source; a figure that no result has is absent, never guessed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from operations import report
from operations.contract import Refusal

HEADLINES: Mapping[str, str] = {
    "total": "Samples",
    "accuracy": "Accuracy",
    "macro_accuracy": "Macro accuracy",
    "false_alarms": "Benign events called an attack",
    "overlooked": "Attacks called benign",
    "teacher": "The teacher, on the same samples",
    "leaked": "Samples that training has seen",
    "loss": "Loss",
}
"""What a card shows even where it was not measured, by the results' keys."""
NOT_MEASURED = "not measured"
_INSIDE = ("correct", "incorrect", "failures", "right", "inputs", "labels", "interval", "seconds", "rival")
"""Parts of other figures, and what the results themselves keep and no card is about."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One results file: its place in the package, its digest, and what it says."""

    file: str
    sha256: str
    told: Mapping[str, Any]

    @property
    def source(self) -> str:
        return f"{self.file}, SHA-256 {self.sha256}"


def decode(what: str, data: bytes) -> dict[str, Any]:
    """Raises Refusal, naming the evidence, if it is no JSON object."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Refusal(f"{what} is no JSON object: {error}") from None


def figures(found: Evidence | None, headlines: Mapping[str, str] = HEADLINES) -> Iterator[tuple[str, str, str | None]]:
    """(figure, value, source): the headlines, measured or not, then what else the results count or measure."""
    told = found.told if found else {}
    for key, label in headlines.items():
        shown = _shown(told, key)
        yield label, shown or NOT_MEASURED, found.source if found and shown else None
    for key in told:
        if found and key not in headlines and key not in _INSIDE and (shown := _shown(told, key)):
            yield key.replace("_", " "), shown, found.source


def tables(found: Evidence | None) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """The results' figures by class or kind: a name, and (class, value) of each that is one."""
    for key, value in (found.told if found else {}).items():
        if isinstance(value, dict) and key not in _INSIDE and not _is_share(value):
            rows = tuple((str(name), shown) for name in value if (shown := _shown(value, name)))
            if rows:
                yield key.replace("_", " "), rows


def _shown(told: Mapping[str, Any], key: str) -> str | None:
    value = told.get(key)
    if key == "accuracy" and _is_share({**told, "accuracy": value}):
        return report.proportion(told["correct"], told["total"])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return report.number(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return value or None
    if isinstance(value, dict) and _is_share(value):
        return report.proportion(value["correct"], value["total"])
    return None


def _is_share(value: Mapping[str, Any]) -> bool:
    total, correct = value.get("total"), value.get("correct")
    return (
        isinstance(total, int)
        and isinstance(correct, int)
        and not isinstance(total, bool)
        and 0 <= correct <= total
        and total > 0
    )
