"""``model.quantise``: a model's weights in a few bits, and what that costs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output
from operations.model.tasks import Task


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model, how it is quantised, and the samples it is compared on."""

    model: Annotated[Artefact, Meta(description="the model's directory, not quantised")]
    dataset: Annotated[Artefact, Meta(description="the exported dataset, whose test samples are scored")]
    task: Annotated[Task | None, Meta(description="what is asked; the model's only task if none is named")] = None
    bits: Annotated[Literal[4, 8], Meta(description="bits a weight, scales and offsets left out")] = 4
    group: Annotated[
        Literal[0, 32, 64, 128],
        Meta(description="weights that share a scale; 0 is the largest that fits all layers", extra=AMOUNT),
    ] = 0
    samples: Annotated[int, Meta(ge=1, description="test samples scored before and after at most", extra=AMOUNT)] = (
        1_000
    )


def run(context: Context, parameters: Parameters) -> None:
    """Quantises, writes, loads what was written, compares."""
    from operations.model.distillation import quantising

    quantising.quantise(context, parameters)


OPERATION = Operation(
    name="model.quantise",
    about="Quantise a model to 4 bits, and compare its accuracy before and after",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("bits", Kind.COUNT, "bits a weight in the written file, the most of any layer", "bits"),
        Measure("bits_in_all", Kind.NUMBER, "bits a weight, scales, offsets and norms counted", "bits"),
        Measure("group", Kind.COUNT, "weights that share a scale"),
        Measure("equal", Kind.FLAG, "the file's weights, loaded again, are those that were made"),
        Measure("accuracy", Kind.PROPORTION, "test samples right after it"),
        Measure("accuracy_before", Kind.PROPORTION, "the same samples right before it"),
        Measure("lost", Kind.NUMBER, "accuracy before minus after, on the same samples", "percentage points"),
        Measure("broken", Kind.COUNT, "samples that were right before and are wrong after"),
        Measure("mended", Kind.COUNT, "samples that were wrong before and are right after"),
        Measure("weights", Kind.DIGEST, "SHA-256 over the names and bytes of the quantised weights"),
        Measure("size", Kind.NUMBER, "the weights file's size", "MB"),
        Measure("size_before", Kind.NUMBER, "the size of the model's weights before", "MB"),
        Measure("duration", Kind.NUMBER, "time for all of it", "s"),
        Measure("device", Kind.TEXT, "what MLX computed on, and the linear algebra library"),
    ),
    outputs=(Output("model", "the quantised model: config.json, weights, tokenizer, labels.json", directory=True),),
    uses="accelerator",
)
