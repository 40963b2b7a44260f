"""``dataset.corpus``: a red team's pattern store, made by seed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the store holds."""

    patterns: Annotated[int, Meta(ge=1, description="patterns in the store", extra=AMOUNT)] = 10_000_000
    batch: Annotated[int, Meta(ge=1, le=100_000, description="patterns a batch file", extra=AMOUNT)] = 10_000
    shift: Annotated[int, Meta(ge=0, le=100_000, description="patterns of the shift set", extra=AMOUNT)] = 1_000
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="the same seed makes the same store")] = 1


def run(context: Context, parameters: Parameters) -> None:
    """Writes the store and the shift set."""
    from operations.dataset import store

    store.write(context, parameters.patterns, parameters.batch, parameters.shift, parameters.seed)


OPERATION = Operation(
    name="dataset.corpus",
    about="Make a store of labelled security events, by seed",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("patterns", Kind.COUNT, "patterns in the store"),
        Measure("batches", Kind.COUNT, "batch files"),
        Measure("size", Kind.NUMBER, "the store's size", "MB"),
        Measure("classes", Kind.COUNT, "attack types, benign among them"),
        Measure("distribution", Kind.TABLE, "patterns by attack type"),
        Measure("majority", Kind.PROPORTION, "share of the most frequent attack type"),
        Measure("hard", Kind.PROPORTION, "share that turns on order, negation, context or encoding"),
        Measure("combination", Kind.PROPORTION, "share from templates kept for validation"),
        Measure("information", Kind.TABLE, "bits: entropy of each further label, and what the attack type says of it"),
        Measure("rate", Kind.NUMBER, "patterns made and written in a second", "patterns/s"),
        Measure("shift", Kind.COUNT, "patterns of the shift set, in wording the store has nowhere"),
    ),
    outputs=(
        Output("patterns", "the store: batch_NNNN.json, arrays of patterns", directory=True),
        Output("shift", "the shift set: one array of patterns in wholly new wording; gates nothing"),
    ),
)
