"""``model.baseline``: what the untrained model costs and knows, in a fresh process."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model, and the rows it is asked about."""

    model: Annotated[Artefact, Meta(description="the model's directory")]
    validation: Annotated[Artefact | None, Meta(description="rows to score; without them accuracy is not measured")] = (
        None
    )
    samples: Annotated[int, Meta(ge=1, description="rows to score at most", extra=AMOUNT)] = 1_000
    tokens: Annotated[int, Meta(ge=1, le=512, description="tokens of the timed answer at most")] = 16
    length: Annotated[int, Meta(ge=16, le=8_192, description="tokens of an input at most", extra=AMOUNT)] = 512


def run(context: Context, parameters: Parameters) -> None:
    """Loads, answers once, scores."""
    from operations.model.evaluation import trying

    trying.baseline(context, parameters)


OPERATION = Operation(
    name="model.baseline",
    about="Load the untrained model, time it, and score it",
    parameters=Parameters,
    run=run,
    measures=(
        Measure(
            "load_seconds", Kind.NUMBER, "importing mlx_lm and loading the model; its digest was taken before", "s"
        ),
        Measure("answer_seconds", Kind.NUMBER, "one generated answer", "s"),
        Measure("answer", Kind.TEXT, "what it answered"),
        Measure("resident", Kind.NUMBER, "the process's resident memory after the answer", "GB"),
        Measure("parameters", Kind.COUNT, "weights of the model"),
        Measure("device", Kind.TEXT, "what MLX computes on"),
        Measure("blas", Kind.TEXT, "the linear algebra library"),
        Measure("blas_speed", Kind.NUMBER, "a 1,024 x 1,024 float32 product, best of several", "GFLOP/s"),
        Measure("accuracy", Kind.PROPORTION, "of the rows, by the label set"),
        Measure("chance", Kind.NUMBER, "one over the number of labels"),
        Measure("classes", Kind.COUNT, "labels"),
        Measure("errors", Kind.COUNT, "errors on the way"),
    ),
    uses="accelerator",
)
