"""``model.observe``: a training run as it goes, from its events and its host's readings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Context, Kind, Measure, Observed, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The run to watch."""

    training: Annotated[Observed, Meta(description="the training's jobs")]
    follow: Annotated[
        bool, Meta(description="go on until the run has ended; else report how it stands and end", extra=AMOUNT)
    ] = False
    every: Annotated[int, Meta(ge=1, description="steps between rows", extra=AMOUNT)] = 10
    stall_factor: Annotated[
        float, Meta(gt=1, description="stalled is no step for this many times the median step's time")
    ] = 5.0


def run(context: Context, parameters: Parameters) -> None:
    """Reports a row every so many steps, and at the end how the run stands."""
    from operations.model.oversight import watching

    watching.observe(context, parameters)


OPERATION = Operation(
    name="model.observe",
    about="Watch a training run: loss, machine, estimated end, what is wrong",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("step", Kind.COUNT, "step", series=True),
        Measure("loss", Kind.NUMBER, "training loss at that step", series=True),
        Measure("gpu", Kind.NUMBER, "GPU utilisation at that time", "%", series=True),
        Measure("ram", Kind.NUMBER, "memory in use at that time", "GB", series=True),
        Measure("elapsed", Kind.NUMBER, "since the first step, attempts' pauses left out", "min", series=True),
        Measure("state", Kind.TEXT, "running, done, failed, stopped or lost"),
        Measure("steps_done", Kind.COUNT, "steps done"),
        Measure("steps_planned", Kind.COUNT, "steps to do"),
        Measure("trend", Kind.TEXT, "falling, level or rising: the last fifth of the losses against the fifth before"),
        Measure("remaining", Kind.NUMBER, "estimated time to the last step", "min"),
        Measure("estimated_end", Kind.TEXT, "when that will be, UTC"),
        Measure("stalled", Kind.FLAG, "no step for five times the median step's time"),
        Measure("diverging", Kind.FLAG, "a loss that is not finite, or the last losses far above the best"),
        Measure("errors", Kind.COUNT, "errors in the log, losses that are not finite, attempts failed or lost"),
        Measure("checkpoints", Kind.COUNT, "checkpoints written"),
        Measure("last_checkpoint", Kind.COUNT, "step of the last checkpoint"),
        Measure("final_checkpoint", Kind.FLAG, "the checkpoint of the last step is there, by its digest"),
        Measure("complete", Kind.FLAG, "all steps are done and the final checkpoint is there"),
        Measure("initial_loss", Kind.NUMBER, "mean loss of the first ten steps, or of fewer"),
        Measure("final_loss", Kind.NUMBER, "mean loss of the last ten steps, or of fewer"),
        Measure("loss_reduction", Kind.NUMBER, "initial minus final loss"),
        Measure("loss_first_fifth", Kind.NUMBER, "median loss of the first fifth of the steps"),
        Measure("loss_last_fifth", Kind.NUMBER, "median loss of the last fifth of the steps"),
        Measure("loss_falls", Kind.FLAG, "the median of the last fifth of the losses is below that of the first fifth"),
        Measure("duration", Kind.NUMBER, "time in steps, attempts' pauses left out", "h"),
        Measure("gpu_mean", Kind.NUMBER, "mean GPU utilisation over the rows", "%"),
    ),
)
