"""The self-attack check's negative controls: pipelines that must not pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from operations.dataset.language import ATTACK
from operations.model.production import own_output
from operations.model.production.own_output import Marks
from operations.model.production.pipeline import Pipeline, Specialist
from operations.model.tasks import Task

SAID = {
    "": "as deployed",
    "loop": "NEGATIVE CONTROL: marks are ignored, and Silent-Analyzer alerts on whatever looks like an alert",
    "forged": "NEGATIVE CONTROL: any mark is taken for genuine",
}
"""Each control, in words."""


class NoMarks(Marks):
    """An ingest that ignores marks, and takes what looks like an alert for any event."""

    def readings(self, event: str) -> list[str]:
        return [event]


class AnyMark(Marks):
    """An ingest that takes any mark for genuine."""

    def genuine(self, text: str, tag: str) -> bool:  # noqa: ARG002 - that is what is wrong with it
        return True


class Loop:
    """A specialist that alerts on its own alerts."""

    def __init__(self, inner: Specialist) -> None:
        self._inner = inner

    def pieces(self, text: str) -> list[str]:
        return [text] if own_output.dressed(text) else self._inner.pieces(text)

    def answer(self, texts: Sequence[str]) -> list[str]:
        others = [text for text in texts if not own_output.dressed(text)]
        said = iter(self._inner.answer(others) if others else ())
        return [ATTACK if own_output.dressed(text) else next(said) for text in texts]


def pipeline(specialists: Mapping[Task, Specialist], key: bytes, control: str) -> Pipeline:
    """The pipeline as deployed, or what a control makes of it."""
    if control == "loop":
        return Pipeline({**specialists, "anomaly": Loop(specialists["anomaly"])}, NoMarks(key))
    return Pipeline(specialists, AnyMark(key) if control == "forged" else Marks(key))
