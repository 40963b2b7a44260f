"""``model.configure``: the training's configuration as a file, checked and tried for one step."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be trained and how; the ``planned_*`` values are the plan's own, which a site can't set."""

    model: Annotated[Artefact, Meta(description="the base model's directory")]
    train: Annotated[Artefact, Meta(description="training rows")]
    method: Annotated[Literal["lora", "full"], Meta(description="low-rank adapters, or every weight", extra=AMOUNT)] = (
        "lora"
    )
    learning_rate: Annotated[float, Meta(gt=0, description="AdamW's learning rate", extra=AMOUNT)] = 1e-4
    batch: Annotated[int, Meta(ge=1, le=65_536, description="rows a step", extra=AMOUNT)] = 32
    steps: Annotated[int, Meta(ge=0, description="steps", extra=AMOUNT)] = 100
    save_every: Annotated[int, Meta(ge=1, description="steps between checkpoints", extra=AMOUNT)] = 50
    resume_every: Annotated[int, Meta(ge=1, description="steps between states to resume from", extra=AMOUNT)] = 10
    warmup: Annotated[
        int, Meta(ge=0, description="steps over which the learning rate rises from zero", extra=AMOUNT)
    ] = 0
    schedule: Annotated[
        Literal["constant", "cosine"], Meta(description="the learning rate after the warm-up", extra=AMOUNT)
    ] = "constant"
    weight_decay: Annotated[float, Meta(ge=0, description="AdamW's weight decay", extra=AMOUNT)] = 0.01
    clip: Annotated[float, Meta(ge=0, description="the gradient's norm at most; 0 leaves it", extra=AMOUNT)] = 1.0
    length: Annotated[int, Meta(ge=16, le=8_192, description="tokens of an input at most", extra=AMOUNT)] = 512
    rank: Annotated[int, Meta(ge=1, le=1_024, description="rank of the adapters", extra=AMOUNT)] = 16
    adapted_layers: Annotated[int, Meta(ge=1, description="last layers that get adapters", extra=AMOUNT)] = 16
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="order of the rows, dropout, adapters' start")] = 1
    planned_learning_rate: float = 1e-4
    planned_batch: int = 32
    planned_steps: int = 100
    planned_save_every: int = 50


def run(context: Context, parameters: Parameters) -> None:
    """Writes the configuration and takes one real step."""
    from operations.model.planning import configuring

    configuring.configure(context, parameters)


OPERATION = Operation(
    name="model.configure",
    about="Write the training configuration, check it against the plan, try one step",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("learning_rate", Kind.NUMBER, "AdamW's learning rate"),
        Measure("batch", Kind.COUNT, "rows a step"),
        Measure("steps", Kind.COUNT, "steps"),
        Measure("save_every", Kind.COUNT, "steps between checkpoints"),
        Measure("method", Kind.TEXT, "low-rank adapters, or every weight"),
        Measure("deviations", Kind.COUNT, "of the four values, how many are not the plan's"),
        Measure("deviation", Kind.TABLE, "the values that are not the plan's: here, and as planned"),
        Measure("valid", Kind.FLAG, "the configuration was read back and is what was asked for"),
        Measure("dry_run", Kind.FLAG, "one step was taken and its loss and gradient are finite"),
        Measure("dry_run_loss", Kind.NUMBER, "that step's loss"),
        Measure("dry_run_seconds", Kind.NUMBER, "that step's time, first compilation included", "s"),
        Measure("rows", Kind.COUNT, "training rows"),
        Measure("epochs", Kind.NUMBER, "times the steps go through the rows"),
        Measure("classes", Kind.COUNT, "labels in the rows"),
        Measure("cut", Kind.COUNT, "rows whose input is longer than the length and is cut"),
        Measure("longest", Kind.COUNT, "tokens of the longest input, before cutting"),
        Measure("trained", Kind.COUNT, "weights that training changes"),
    ),
    outputs=(Output("configuration", "finetune_configuration.json: model, data, hyperparameters, checkpointing"),),
    uses="accelerator",
)
