"""``model.evaluate``: a model scored on rows it has not seen, beside a teacher or a cheap rival on the same rows."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output
from operations.model.tasks import FIRST, Task


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model and the rows: a file of them, or a split of an exported data set."""

    model: Annotated[Artefact, Meta(description="the model's directory")]
    validation: Annotated[Artefact | None, Meta(description="rows to score, instead of a data set's split")] = None
    shift: Annotated[Artefact | None, Meta(description="rows in wholly new wording, scored apart")] = None
    train: Annotated[
        Artefact | None,
        Meta(description="training rows: their labels belong to the label set too; a data set brings its own"),
    ] = None
    samples: Annotated[
        int, Meta(ge=0, description="rows to score at most, always the same ones; 0 is all", extra=AMOUNT)
    ] = 0
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
    dataset: Annotated[Artefact | None, Meta(description="an exported data set's directory")] = None
    split: Annotated[Literal["validation", "test"], Meta(description="which of its files is scored")] = "test"
    task: Annotated[Task, Meta(description="what the model is asked")] = FIRST
    teacher: Annotated[Artefact | None, Meta(description="another model, asked the same rows")] = None
    rival: Annotated[
        bool, Meta(description="whether the cheap rival learns from the training rows and answers too")
    ] = False
    rival_rows: Annotated[
        int, Meta(ge=0, description="training rows the rival learns from at most; 0 is all", extra=AMOUNT)
    ] = 0
    method: Annotated[
        Literal["score", "generate"],
        Meta(description="by the label set, or by the plan's own prompt, 50 tokens and substring rule, for comparison"),
    ] = "score"
    chunk: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="rows whose answers are kept at once; none is asked twice", extra=AMOUNT),
    ] = 10_000


def run(context: Context, parameters: Parameters) -> None:
    """Scores the rows and writes the results; goes on after the last chunk that an interrupted attempt has finished."""
    from operations.model.evaluation import evaluating

    evaluating.evaluate(context, parameters)


OPERATION = Operation(
    name="model.evaluate",
    about="Score a model on rows it has not seen, by the label set and by free generation, beside teacher and rival",
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
        Measure("by_class_correct", Kind.TABLE, "rows right by class"),
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
        Measure(
            "loss", Kind.NUMBER, "mean cross-entropy of the labels' tokens, as in training; of the first 10,000 rows"
        ),
        Measure("teacher_accuracy", Kind.PROPORTION, "the teacher's accuracy on the same rows"),
        Measure("of_teacher", Kind.NUMBER, "the model's accuracy, as a share of the teacher's", "%"),
        Measure("rival_accuracy", Kind.PROPORTION, "the cheap rival's accuracy on the same rows"),
        Measure(
            "rival_advantage",
            Kind.NUMBER,
            "the model's accuracy above the rival's, on the same rows",
            "percentage points",
        ),
        Measure(
            "rival_low", Kind.NUMBER, "low end of its 95 % interval (Newcombe's for paired data)", "percentage points"
        ),
        Measure("rival_high", Kind.NUMBER, "high end of that interval", "percentage points"),
        Measure("rival", Kind.TEXT, "the rival: its C, chosen on rows of validation, and the rows it learnt from"),
        Measure("leaked", Kind.COUNT, "rows whose normalised payload a training row has"),
        Measure("training_rows", Kind.COUNT, "training rows that were looked through for it"),
        Measure("classes", Kind.COUNT, "labels in the label set"),
        Measure(
            "scored_by", Kind.TEXT, "one position, or whole labels where first tokens are not distinct; or the rule"
        ),
        Measure("cut", Kind.COUNT, "rows whose input was longer than the length and was cut"),
        Measure("rate", Kind.NUMBER, "rows scored a second", "1/s"),
        Measure("generation_rate", Kind.NUMBER, "free generations a second", "1/s"),
        Measure("duration", Kind.NUMBER, "time for all of it, loading left out", "s"),
        Measure(
            "load_seconds", Kind.NUMBER, "importing mlx_lm and loading the model; its digest was taken before", "s"
        ),
        Measure("resumed", Kind.COUNT, "rows whose answers an interrupted attempt had given"),
        Measure("errors", Kind.COUNT, "critical errors: scores or a loss that are not finite"),
    ),
    outputs=(
        Output("results", "NAME_results.json: the plan's keys and ours"),
        Output("state", "WHO-CHUNK.npz: the answers to a chunk of rows", retention="rotates", many=True, resumes=True),
    ),
    uses="accelerator",
    resumable=True,
)
