"""``model.base``: the model that training starts from, made by seed or found on the host."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An existing model's directory, or the shape of one to make."""

    path: Annotated[
        str,
        Meta(
            max_length=4_096,
            description="an existing model's directory, absolute or below the root; empty makes a small random one",
            extra=AMOUNT,
        ),
    ] = ""
    source: Annotated[
        Artefact | None,
        Meta(description="a pattern store, or a file of patterns or rows, whose words the tokenizer learns"),
    ] = None
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="the same seed makes the same weights")] = 1
    layers: Annotated[int, Meta(ge=1, le=64, description="transformer layers", extra=AMOUNT)] = 4
    width: Annotated[int, Meta(ge=8, le=8_192, description="hidden size", extra=AMOUNT)] = 64
    heads: Annotated[
        int, Meta(ge=1, le=128, description="attention heads; they divide the width evenly", extra=AMOUNT)
    ] = 4
    vocabulary: Annotated[int, Meta(ge=300, le=200_000, description="tokens at most", extra=AMOUNT)] = 1_024


def run(context: Context, parameters: Parameters) -> None:
    """Makes or verifies the model and reports its directory."""
    from operations.model import making

    making.base(context, parameters)


OPERATION = Operation(
    name="model.base",
    about="Make a small random base model and its tokenizer, or take an existing one",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("parameters", Kind.COUNT, "weights of the model"),
        Measure("non_embedding", Kind.COUNT, "weights that are not token embeddings"),
        Measure("vocabulary", Kind.COUNT, "tokens of the vocabulary"),
        Measure("layers", Kind.COUNT, "transformer layers"),
        Measure("architecture", Kind.TEXT, "the model's type, and how its weights are stored"),
        Measure("size", Kind.NUMBER, "the directory's size", "MB"),
        Measure("longest", Kind.COUNT, "tokens of the longest input among the source's first 10,000 payloads"),
        Measure("origin", Kind.TEXT, "made here by seed, or where it was found"),
    ),
    outputs=(Output("model", "config.json, weights, tokenizer; mlx_lm loads it offline", directory=True),),
    uses="accelerator",
)
