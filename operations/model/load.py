"""``model.load``: a checkpoint loads in a fresh process and answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import Artefact, Context, Kind, Measure, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model, and what it is asked."""

    model: Annotated[Artefact, Meta(description="the model's directory")]
    validation: Annotated[Artefact | None, Meta(description="rows; the first is asked")] = None
    payload: Annotated[str, Meta(max_length=4_096, description="an event to ask instead of the first row's")] = ""
    tokens: Annotated[int, Meta(ge=1, le=512, description="tokens of the answer at most")] = 16


def run(context: Context, parameters: Parameters) -> None:
    """Loads and answers once."""
    from operations.model.evaluation import trying

    trying.load(context, parameters)


OPERATION = Operation(
    name="model.load",
    about="Load a checkpoint in a fresh process and let it answer once",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("loaded", Kind.FLAG, "it loaded and answered"),
        Measure(
            "load_seconds", Kind.NUMBER, "importing mlx_lm and loading the model; its digest was taken before", "s"
        ),
        Measure("answer", Kind.TEXT, "what it answered"),
        Measure("answer_seconds", Kind.NUMBER, "the answer's time", "s"),
        Measure("expected", Kind.TEXT, "the asked row's label"),
        Measure("coherent", Kind.FLAG, "the answer is one of the model's labels"),
        Measure("resident", Kind.NUMBER, "the process's resident memory after the answer", "GB"),
        Measure("parameters", Kind.COUNT, "weights of the model"),
        Measure("errors", Kind.COUNT, "errors on the way"),
    ),
    uses="accelerator",
)
