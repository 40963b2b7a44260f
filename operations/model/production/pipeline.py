"""The four specialists as they are deployed: an event goes in, and if it is an attack, an alert comes out.

Silent-Analyzer says whether it is an attack; only then Threat-Profiler, Evidence-Collector and Alert-Generator say
whose, where the proof is, and how severe it is. Own output is known by its mark (`own_output`). An
event that is longer than Silent-Analyzer's inputs is judged in pieces that overlap by half, and is an attack if a piece
is: what does not fit into one input hides nothing that is at most half an input long. The others are asked about the
text, or the piece, that was found to be an attack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from operations.dataset.language import ATTACK
from operations.model.production import own_output
from operations.model.production.own_output import Alert, Marks
from operations.model.tasks import Task

SPECIALISTS: dict[str, Task] = {
    "silent_analyzer": "anomaly",
    "threat_profiler": "family",
    "evidence_collector": "evidence",
    "alert_generator": "severity",
}
"""Each specialist by its parameter's name, and the one task it has."""
FURTHER: tuple[Task, ...] = ("family", "evidence", "severity")
"""What is asked of an attack."""


class Specialist(Protocol):
    """A model with one task."""

    def pieces(self, text: str) -> list[str]:
        """The text, or where it is too long for one input, overlapping pieces that leave nothing out."""

    def answer(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text."""


class Verdict(msgspec.Struct, frozen=True):
    """What was said of an event. ``anomaly`` is "" for own output, which nobody is asked about; the labels of an attack
    are "" for anything else; ``inputs`` counts what Silent-Analyzer was asked."""

    anomaly: str
    family: str = ""
    evidence: str = ""
    severity: str = ""
    inputs: int = 0

    @property
    def attack(self) -> bool:
        """Whether it raises an alert."""
        return self.anomaly == ATTACK


class Pipeline:
    """Specialists by task, behind an ingest that knows own output."""

    def __init__(self, specialists: Mapping[Task, Specialist], marks: Marks) -> None:
        self.marks = marks
        self._specialists = specialists

    def judge(self, events: Sequence[str]) -> list[Verdict]:
        """A verdict an event."""
        said = self._analyse(events)
        attacks = [index for index, (label, _, _) in enumerate(said) if label == ATTACK]
        texts = [said[index][1] for index in attacks]
        answers = [self._specialists[task].answer(texts) if texts else [] for task in FURTHER]
        verdicts = [Verdict(label, inputs=inputs) for label, _, inputs in said]
        for index, *labels in zip(attacks, *answers, strict=True):
            further = dict(zip(FURTHER, labels, strict=True))
            verdicts[index] = msgspec.structs.replace(verdicts[index], **further)
        return verdicts

    def alerts(self, events: Sequence[str]) -> list[Alert | None]:
        """The alert that each event raises, or None."""
        return [
            Alert(own_output.fresh(), verdict.severity, verdict.family, verdict.evidence, event)
            if verdict.attack
            else None
            for event, verdict in zip(events, self.judge(events), strict=True)
        ]

    def _analyse(self, events: Sequence[str]) -> list[tuple[str, str, int]]:
        """(label, the text that it was said of, inputs asked) for each event; the first that is an attack counts."""
        specialist = self._specialists["anomaly"]
        asked = [
            (index, piece)
            for index, event in enumerate(events)
            for text in self.marks.readings(event)
            for piece in specialist.pieces(text)
        ]
        labels = specialist.answer([piece for _, piece in asked]) if asked else []
        said = [("", "", 0)] * len(events)
        for (index, piece), label in zip(asked, labels, strict=True):
            told, text, inputs = said[index]
            said[index] = (told, text, inputs + 1) if told == ATTACK else (label, piece, inputs + 1)
        return said
