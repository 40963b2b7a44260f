"""``dataset.verify``: whether an export's sets are what their lists of digests say, and have nothing in common."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is verified."""

    dataset: Annotated[Artefact, Meta(description="a directory that dataset.export made, or a copy of it")]
    gauntlet: Annotated[Artefact | None, Meta(description="the set that was kept back, to be held against it")] = None
    processes: Annotated[int, Meta(ge=0, le=256, description="at work at once, 0 for one a core", extra=AMOUNT)] = 0


def run(context: Context, parameters: Parameters) -> None:
    """Reads every byte and reports; what is wrong is a measure's to say and no failure."""
    from operations.dataset import verifying

    verifying.verify(context, parameters)


OPERATION = Operation(
    name="dataset.verify",
    about="Prove an export: digests, counts, and no pattern in two sets, also after masking its literals",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("verdict", Kind.FLAG, "all below is right"),
        Measure("faults", Kind.TEXT, "what is not right"),
        Measure("unchanged", Kind.FLAG, "all bytes are those of the artefacts"),
        Measure("md5", Kind.FLAG, "the three sets are what checksums.txt says"),
        Measure("sha256", Kind.FLAG, "the three sets are what sha256sums.txt says"),
        Measure("counts", Kind.FLAG, "each set has as many patterns as the export counted"),
        Measure("train", Kind.COUNT, "lines of training", "patterns"),
        Measure("validation", Kind.COUNT, "lines of validation", "patterns"),
        Measure("test", Kind.COUNT, "lines of test", "patterns"),
        Measure("gauntlet", Kind.COUNT, "lines of the gauntlet set", "patterns"),
        Measure("unusable", Kind.COUNT, "lines that are no pattern with label and payload"),
        Measure("repeated", Kind.COUNT, "patterns that stand in one set more than once, by normalised payload"),
        Measure("overlap", Kind.COUNT, "normalised payloads that are in two sets"),
        Measure("overlaps", Kind.TABLE, "the same by pair of sets"),
        Measure("masked_overlap", Kind.COUNT, "payloads that are in two sets once their literals are masked"),
        Measure("masked_overlaps", Kind.TABLE, "the same by pair of sets"),
        Measure("classes", Kind.COUNT, "attack types in training"),
        Measure("distribution", Kind.TABLE, "patterns of training by attack type"),
    ),
)
