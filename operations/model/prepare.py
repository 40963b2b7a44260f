"""``model.prepare``: the dataset as tokens on the disk, and one training step tried on them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is tokenised for which model."""

    model: Annotated[Artefact, Meta(description="the base model's directory: its tokenizer counts")]
    dataset: Annotated[Artefact, Meta(description="a directory with training_8m.jsonl and validation_1m.jsonl")]
    configuration: Annotated[Artefact | None, Meta(description="the training's configuration")] = None
    length: Annotated[
        Annotated[int, Meta(ge=16, le=8_192)] | None,
        Meta(description="tokens of an input at most; None is the configuration's", extra=AMOUNT),
    ] = None
    shuffle_labels: Annotated[
        bool, Meta(description="negative control: permutes the labels of the training rows; nothing can be learnt")
    ] = False


def run(context: Context, parameters: Parameters) -> None:
    """Tokenises and tries a step."""
    from operations.model.learning import preparing

    preparing.prepare(context, parameters)


OPERATION = Operation(
    name="model.prepare",
    about="Tokenise the dataset for a training, once and on the disk, and try one step",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("tried", Kind.FLAG, "one step was taken on the tokens, and its loss and gradient are finite"),
        Measure("tried_loss", Kind.NUMBER, "that step's loss"),
        Measure("tried_seconds", Kind.NUMBER, "that step's time, first compilation included", "s"),
        Measure("train", Kind.COUNT, "training rows"),
        Measure("validation", Kind.COUNT, "validation rows"),
        Measure("labels", Kind.TABLE, "labels by task; a task without any is none of this dataset's"),
        Measure("tokens", Kind.COUNT, "tokens of the training events"),
        Measure("longest", Kind.COUNT, "tokens of the longest event, before cutting"),
        Measure("cut", Kind.COUNT, "events that are longer than the length and were cut"),
        Measure("control", Kind.TEXT, "labels as recorded, or permuted by a control"),
        Measure("rate", Kind.NUMBER, "rows tokenised a second", "1/s"),
        Measure("duration", Kind.NUMBER, "time of the tokenising", "s"),
        Measure("size", Kind.NUMBER, "what the tokens take on the disk", "MB"),
        Measure("memory", Kind.NUMBER, "resident memory after the tokenising", "GB"),
    ),
    outputs=(Output("tokens", "tokens, offsets and labels of train and validation, and index.json", directory=True),),
    uses="accelerator",
)
