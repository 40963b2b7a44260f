"""``model.validate``: a training that has ended, by its own figures and by its checkpoint in a fresh process."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Observed, Operation
from operations.model.tasks import FIRST, Task


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The training, its checkpoint, and the data set whose validation rows the checkpoint is asked."""

    training: Annotated[Observed, Meta(description="the training's jobs")]
    model: Annotated[Artefact, Meta(description="the checkpoint that is to be validated")]
    dataset: Annotated[Artefact, Meta(description="an exported data set's directory")]
    task: Annotated[Task, Meta(description="what the checkpoint is asked")] = FIRST
    samples: Annotated[
        int, Meta(ge=1, description="rows of validation to ask at most, always the same ones", extra=AMOUNT)
    ] = 10_000
    batch: Annotated[int, Meta(ge=1, le=4_096, description="rows scored at once", extra=AMOUNT)] = 64


def run(context: Context, parameters: Parameters) -> None:
    """Reads the training's events, loads the checkpoint, asks it."""
    from operations.model.oversight import ending

    ending.validate(context, parameters)


OPERATION = Operation(
    name="model.validate",
    about="Validate that a training is complete and that its checkpoint loads in a fresh process and answers",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("steps", Kind.COUNT, "steps done, over all attempts since the last start from nothing", "steps"),
        Measure("steps_planned", Kind.COUNT, "steps to do", "steps"),
        Measure("complete", Kind.FLAG, "the last attempt is done and took the last step"),
        Measure("initial_loss", Kind.NUMBER, "mean loss of the first ten steps, or of fewer", "nats"),
        Measure("final_loss", Kind.NUMBER, "mean cross-entropy of the labels' tokens, last 100 steps or fewer", "nats"),
        Measure("loss_reduction", Kind.NUMBER, "initial minus final loss", "nats"),
        Measure("duration", Kind.NUMBER, "time in steps, attempts' pauses left out", "days"),
        Measure("errors", Kind.COUNT, "errors in the log, losses that are not finite, attempts failed or lost"),
        Measure("loaded", Kind.FLAG, "the checkpoint loaded in this process, new for it, and answered with a label"),
        Measure("load_seconds", Kind.NUMBER, "importing mlx_lm and loading it; its digest was taken before", "s"),
        Measure("answer", Kind.TEXT, "what it answered freely to the first row"),
        Measure("expected", Kind.TEXT, "that row's label"),
        Measure("accuracy", Kind.PROPORTION, "of the checkpoint, on rows of validation, measured here"),
        Measure("val_accuracy", Kind.PROPORTION, "as the training itself reported it last"),
        Measure("checkpoint", Kind.TEXT, "the checkpoint's directory"),
    ),
    uses="accelerator",
)
