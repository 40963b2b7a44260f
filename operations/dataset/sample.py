"""``dataset.sample``: a stratified, diverse sample of a pattern store."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which store is sampled, and how much bad input it may hold."""

    source: Annotated[Artefact | None, Meta(description="a store that a job made")] = None
    store: Annotated[
        str,
        Meta(
            max_length=4_096,
            description="a store no job made: a directory on the host, absolute or below the root; goes before source",
            extra=AMOUNT,
        ),
    ] = ""
    samples: Annotated[int, Meta(ge=1, le=1_000_000, description="patterns to draw", extra=AMOUNT)] = 1_000
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="the same seed draws the same sample")] = 1
    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="the file's name begins with it")] = (
        "reality_check"
    )
    malformed_limit: Annotated[int, Meta(ge=0, description="batches that can't be read before the job ends")] = 10
    unusable_limit: Annotated[
        float, Meta(ge=0, le=1, description="share of records without label or payload above which the job ends")
    ] = 0.05


def run(context: Context, parameters: Parameters) -> None:
    """Draws the sample in one pass and constant memory."""
    from operations.dataset import draw

    draw.draw(context, parameters)


OPERATION = Operation(
    name="dataset.sample",
    about="Draw a stratified, diverse sample of a pattern store",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("size", Kind.NUMBER, "the sample file's size", "MB"),
        Measure("patterns", Kind.COUNT, "patterns in the sample"),
        Measure("distribution", Kind.TABLE, "patterns in the sample by attack type"),
        Measure("classes", Kind.COUNT, "attack types in the sample"),
        Measure("groups", Kind.COUNT, "templates, or groups of ids, that the sample has rows of"),
        Measure("duplicates", Kind.COUNT, "candidates passed over because an equal payload was drawn"),
        Measure("read", Kind.COUNT, "usable patterns in the store"),
        Measure("batches", Kind.COUNT, "batch files read"),
        Measure("malformed", Kind.COUNT, "batch files that could not be read as patterns"),
        Measure("malformed_batches", Kind.TABLE, "by what was wrong: batches"),
        Measure("unusable", Kind.COUNT, "records without a label or a payload"),
        Measure("unusable_records", Kind.TABLE, "by what was wrong: records"),
        Measure("store", Kind.TEXT, "where the store is"),
        Measure("store_digest", Kind.DIGEST, "SHA-256 of the store's manifest, taken while reading"),
    ),
    outputs=(Output("dataset", "the sample: NAME_SAMPLES.json, one array of patterns"),),
)
