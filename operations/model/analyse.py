"""``model.analyse``: what the wrong answers of an evaluation have in common."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import Artefact, Context, Kind, Measure, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evaluation to read."""

    results: Annotated[Artefact, Meta(description="what model.evaluate wrote")]
    listed: Annotated[int, Meta(ge=0, le=1_000, description="wrong rows written to the log at most")] = 20


def run(context: Context, parameters: Parameters) -> None:
    """Reads the results and says where the model fails."""
    from operations.model.evaluation import failures

    failures.analyse(context, parameters)


OPERATION = Operation(
    name="model.analyse",
    about="Find what the wrong answers of an evaluation have in common",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("accuracy", Kind.PROPORTION, "rows whose likeliest label is theirs"),
        Measure("correct", Kind.COUNT, "rows right"),
        Measure("incorrect", Kind.COUNT, "rows wrong"),
        Measure("types_missed", Kind.TABLE, "classes with wrong rows: how many"),
        Measure("confusions", Kind.TABLE, "'class > answer': wrong rows, the most frequent pairs first"),
        Measure("hardest", Kind.TABLE, "accuracy by kind of case, the worst first"),
        Measure("patterns", Kind.TEXT, "in one line: the class, pair and kind of case with the most wrong rows"),
    ),
)
