"""``host.preflight``: whether a long training can begin: the plan's five checks, and what else ends one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the training will take."""

    model: Annotated[Artefact, Meta(description="the base model's directory")]
    dataset: Annotated[Artefact, Meta(description="the data set's directory")]
    configuration: Annotated[Artefact, Meta(description="what model.plan_training wrote")]
    tokens: Annotated[Artefact | None, Meta(description="what model.prepare wrote")] = None
    patience: Annotated[float, Meta(gt=0, description="seconds that loading and two steps may take", extra=AMOUNT)] = (
        3_600.0
    )


def run(context: Context, parameters: Parameters) -> None:
    """Checks everything and reports each value and verdict; what is not as it should be fails no job."""
    from operations.host import verifying

    verifying.verify(context, parameters)


OPERATION = Operation(
    name="host.preflight",
    about="Check that a training can begin: data, model, disk, GPU, configuration, memory, and a step that is taken",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("data", Kind.FLAG, "the training data is there, every byte as it was brought"),
        Measure("model", Kind.FLAG, "the base model is there, as it was made, loads and answers"),
        Measure("disk", Kind.NUMBER, "disk available", "GB"),
        Measure("gpu", Kind.FLAG, "MLX computes on a GPU"),
        Measure("configuration", Kind.FLAG, "the configuration can be read and is for this model and this data"),
        Measure("device", Kind.TEXT, "what MLX computes on, or why on no GPU"),
        Measure("tokens", Kind.FLAG, "the pretokenised data is there, every byte as it was made"),
        Measure("checkpoint_size", Kind.NUMBER, "one checkpoint", "GB"),
        Measure("disk_needed", Kind.NUMBER, "the checkpoints kept and two more, and three states", "GB"),
        Measure("room", Kind.FLAG, "the disk has room for them"),
        Measure("memory_free", Kind.NUMBER, "memory that the training may take", "GB"),
        Measure("memory_estimate", Kind.NUMBER, "memory that it will take, by its shape", "GB"),
        Measure("memory_peak", Kind.NUMBER, "memory at its highest in a step on the longest batch", "GB"),
        Measure("memory", Kind.FLAG, "that step was taken and fits the memory"),
        Measure("dry_run", Kind.FLAG, "a step on real rows was taken and its loss and gradient are finite"),
        Measure("dry_run_loss", Kind.NUMBER, "that step's loss", "nats"),
        Measure("step_seconds", Kind.NUMBER, "the step on the longest batch", "s"),
        Measure(
            "ready", Kind.FLAG, "all of it is as it should be; a GPU and a figure for the disk are the plan's to ask"
        ),
        Measure("failing", Kind.TEXT, "what is not, and why"),
    ),
    uses="accelerator",
)
