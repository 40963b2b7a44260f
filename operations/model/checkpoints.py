"""``model.checkpoints``: whether a training's checkpoints are there, whole, fresh and no more than asked for."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Observed, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The training to look after, and by what it was configured."""

    training: Annotated[Observed, Meta(description="the training's jobs")]
    configuration: Annotated[Artefact, Meta(description="what model.plan_training wrote")]
    follow: Annotated[bool, Meta(description="wait for the training's end and look then", extra=AMOUNT)] = False


def run(context: Context, parameters: Parameters) -> None:
    """Lists, measures and hashes them."""
    from operations.model.oversight import retention

    retention.look(context, parameters)


OPERATION = Operation(
    name="model.checkpoints",
    about="Check a training's checkpoints: sizes, age, digests, and that exactly the last and the best are kept",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("count", Kind.COUNT, "checkpoints on the disk, the best one not counted", "checkpoints"),
        Measure("asked", Kind.COUNT, "checkpoints that should be there: the last ones written", "checkpoints"),
        Measure("latest", Kind.COUNT, "step of the latest checkpoint", "steps"),
        Measure("best", Kind.COUNT, "step of the best checkpoint by validation", "steps"),
        Measure("size", Kind.NUMBER, "size of the latest", "GB"),
        Measure("total", Kind.NUMBER, "size of all that are there, the best one counted", "GB"),
        Measure("sizes", Kind.TABLE, "size of each in GB, by its name"),
        Measure("age", Kind.NUMBER, "time from the latest checkpoint until now, or until the training's end", "s"),
        Measure("overdue", Kind.FLAG, "more steps than lie between checkpoints have been done since the latest"),
        Measure("missing", Kind.COUNT, "checkpoints that should be there and are not"),
        Measure("left_over", Kind.COUNT, "checkpoints that are there and should not be"),
        Measure("wrong", Kind.COUNT, "checkpoints whose digest is not the one they were written with"),
        Measure("retained", Kind.FLAG, "exactly the last ones and the best are there"),
        Measure("digests", Kind.FLAG, "all that should be there still have the digests they were written with"),
        Measure("status", Kind.TEXT, "ON TRACK or ISSUES"),
        Measure("reasons", Kind.TEXT, "why there are issues"),
    ),
    outputs=(Output("latest", "the latest checkpoint, where the training wrote it: to be backed up", "rotates", True),),
)
