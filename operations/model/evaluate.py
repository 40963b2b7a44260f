"""``model.evaluate``: a model scored on rows it has not seen."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model and the rows."""

    model: Annotated[Artefact, Meta(description="the model's directory")]
    validation: Annotated[Artefact, Meta(description="rows to score")]
    shift: Annotated[Artefact | None, Meta(description="rows in wholly new wording, scored apart")] = None
    train: Annotated[Artefact | None, Meta(description="training rows, whose labels belong to the label set too")] = (
        None
    )
    samples: Annotated[int, Meta(ge=0, description="rows to score at most; 0 is all", extra=AMOUNT)] = 0
    generations: Annotated[int, Meta(ge=0, description="rows answered by free generation too", extra=AMOUNT)] = 100
    tokens: Annotated[int, Meta(ge=1, le=512, description="tokens of a free generation at most")] = 16
    length: Annotated[
        int, Meta(ge=0, le=8_192, description="tokens of an input at most; 0 is the model's own, or 512", extra=AMOUNT)
    ] = 0
    batch: Annotated[int, Meta(ge=1, le=4_096, description="rows scored at once", extra=AMOUNT)] = 64
    failures: Annotated[int, Meta(ge=0, le=10_000, description="wrong rows kept in the results at most")] = 200
    name: Annotated[
        str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="the results file's name begins with it")
    ] = "reality_check"


def run(context: Context, parameters: Parameters) -> None:
    """Scores the rows and writes the results."""
    from operations.model import evaluating

    evaluating.evaluate(context, parameters)


OPERATION = Operation(
    name="model.evaluate",
    about="Score a model on rows it has not seen, by the label set and by free generation",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("accuracy", Kind.PROPORTION, "rows whose likeliest label is theirs"),
        Measure("total", Kind.COUNT, "rows scored"),
        Measure("correct", Kind.COUNT, "rows right"),
        Measure("incorrect", Kind.COUNT, "rows wrong"),
        Measure("macro_accuracy", Kind.NUMBER, "mean of the classes' accuracies"),
        Measure("by_class", Kind.TABLE, "accuracy by class"),
        Measure("by_class_total", Kind.TABLE, "rows by class"),
        Measure("confusion", Kind.TABLE, "'class > answer': wrong rows, the fifty most frequent pairs"),
        Measure("false_alarms", Kind.PROPORTION, "benign rows called an attack"),
        Measure("overlooked", Kind.PROPORTION, "attack rows called benign"),
        Measure("types_missed", Kind.TABLE, "classes with wrong rows: how many"),
        Measure("coherent", Kind.PROPORTION, "free generations that are exactly one of the labels"),
        Measure("generated_accuracy", Kind.PROPORTION, "free generations that are exactly the row's label"),
        Measure("agreement", Kind.PROPORTION, "free generations that are the label scoring chose"),
        Measure("hard", Kind.PROPORTION, "accuracy on the rows that turn on order, negation, context or encoding"),
        Measure("by_hard", Kind.TABLE, "accuracy by kind of hard case"),
        Measure("combination", Kind.PROPORTION, "accuracy on rows from templates that training has not"),
        Measure("shift", Kind.PROPORTION, "accuracy on the shift set; gates nothing"),
        Measure("loss", Kind.NUMBER, "mean cross-entropy of the labels' tokens, as in training"),
        Measure("classes", Kind.COUNT, "labels in the label set"),
        Measure("scored_by", Kind.TEXT, "one position, or whole labels where first tokens are not distinct"),
        Measure("cut", Kind.COUNT, "rows whose input was longer than the length and was cut"),
        Measure("rate", Kind.NUMBER, "rows scored a second", "1/s"),
        Measure("generation_rate", Kind.NUMBER, "free generations a second", "1/s"),
        Measure("duration", Kind.NUMBER, "time for all of it, loading left out", "s"),
        Measure(
            "load_seconds", Kind.NUMBER, "importing mlx_lm and loading the model; its digest was taken before", "s"
        ),
        Measure("errors", Kind.COUNT, "critical errors: scores or a loss that are not finite"),
    ),
    outputs=(Output("results", "NAME_results.json: the plan's keys and ours"),),
    uses="accelerator",
)
