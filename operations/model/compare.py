"""``model.compare``: whether four specialists are four, and what each of them is."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import Artefact, Context, Kind, Measure, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The four quantised models."""

    silent_analyzer: Annotated[Artefact, Meta(description="the model for anomaly")]
    threat_profiler: Annotated[Artefact, Meta(description="the model for family")]
    evidence_collector: Annotated[Artefact, Meta(description="the model for evidence")]
    alert_generator: Annotated[Artefact, Meta(description="the model for severity")]


def run(context: Context, parameters: Parameters) -> None:
    """Holds the four against one another."""
    from operations.model.distillation import comparing

    comparing.compare(context, parameters)


OPERATION = Operation(
    name="model.compare",
    about="Hold four specialists against one another: distinct weights, each its own task, bits, size",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("distinct", Kind.COUNT, "different weights among the four, by SHA-256 over names and bytes"),
        Measure("own_task", Kind.COUNT, "models that answer the one task that is theirs and no other"),
        Measure("one_tokenizer", Kind.FLAG, "all four have the same tokenizer.json"),
        Measure("bits", Kind.TABLE, "bits a weight in each file"),
        Measure("sizes", Kind.TABLE, "size of each model's weights, in MB"),
        Measure("silent_analyzer", Kind.DIGEST, "SHA-256 over the names and bytes of its weights"),
        Measure("threat_profiler", Kind.DIGEST, "SHA-256 over the names and bytes of its weights"),
        Measure("evidence_collector", Kind.DIGEST, "SHA-256 over the names and bytes of its weights"),
        Measure("alert_generator", Kind.DIGEST, "SHA-256 over the names and bytes of its weights"),
    ),
)
