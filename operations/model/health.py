"""``model.health``: a long training's daily check in five parts: progress, machine, errors, estimated end, status."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Context, Kind, Measure, Observed, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The training to look after, and what would be an issue."""

    training: Annotated[Observed, Meta(description="the training's jobs")]
    follow: Annotated[bool, Meta(description="wait for the training's end and check then", extra=AMOUNT)] = False
    days: Annotated[float, Meta(gt=0, description="days that the training may take, pauses left out")] = 5.0
    hottest: Annotated[float, Meta(gt=0, description="degrees Celsius from which it is an issue")] = 85.0
    stall_factor: Annotated[
        float, Meta(gt=1, description="stalled is no step for this many times the median step's time")
    ] = 5.0
    patience: Annotated[
        float, Meta(ge=0, description="seconds without a step that are no stall, whatever the pace")
    ] = 600.0


def run(context: Context, parameters: Parameters) -> None:
    """Reports the five parts."""
    from operations.model.oversight import examining

    examining.examine(context, parameters)


OPERATION = Operation(
    name="model.health",
    about="Check a training in five parts: progress, machine, errors, estimated end, status",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("step", Kind.COUNT, "last step done", "steps"),
        Measure("steps_planned", Kind.COUNT, "steps to do", "steps"),
        Measure("loss", Kind.NUMBER, "mean label-token cross-entropy of the last 100 steps, or of fewer", "nats"),
        Measure("accuracy", Kind.NUMBER, "validation accuracy when last evaluated", "%"),
        Measure("accuracy_step", Kind.COUNT, "step of that evaluation", "steps"),
        Measure("gpu", Kind.NUMBER, "GPU utilisation, mean over the job's last ten minutes", "%"),
        Measure("ram", Kind.NUMBER, "memory in use, highest of these", "GB"),
        Measure("disk", Kind.NUMBER, "disk free at the last reading", "GB"),
        Measure("temperature", Kind.NUMBER, "temperature, highest of these", "°C"),
        Measure("errors", Kind.COUNT, "errors of the latest attempt: in its log, its end, losses that are not finite"),
        Measure("earlier_errors", Kind.COUNT, "errors of attempts that a later one has taken up"),
        Measure("any_errors", Kind.FLAG, "there are errors"),
        Measure("error", Kind.TEXT, "the last of them"),
        Measure("done", Kind.NUMBER, "steps done of those to do", "%"),
        Measure("remaining", Kind.NUMBER, "estimated time to the last step", "h"),
        Measure("estimated_end", Kind.TEXT, "when that will be, or was: ISO 8601, UTC"),
        Measure("status", Kind.TEXT, "ON TRACK or ISSUES"),
        Measure("reasons", Kind.TEXT, "why there are issues"),
        Measure("state", Kind.TEXT, "running, done, failed, stopped or lost"),
        Measure("stalled", Kind.FLAG, "no step for far longer than a step takes"),
        Measure("diverging", Kind.FLAG, "a loss that is not finite, or the last losses far above the best"),
        Measure("initial_loss", Kind.NUMBER, "mean loss of the first ten steps, or of fewer", "nats"),
        Measure("loss_reduction", Kind.NUMBER, "initial loss minus that of the last 100 steps", "nats"),
        Measure("duration", Kind.NUMBER, "time in steps, attempts' pauses left out", "days"),
        Measure("complete", Kind.FLAG, "all steps are done, without an error, and the run ended well"),
    ),
)
