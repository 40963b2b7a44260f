"""``model.plan_training``: the large training's configuration in the plan's form, its arithmetic checked."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output
from operations.model.tasks import TASKS, Task


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be trained on what and how; the defaults are the plan's, where the plan has a key."""

    model: Annotated[Artefact, Meta(description="the base model's directory")]
    dataset: Annotated[Artefact, Meta(description="what dataset.export wrote")]
    name: Annotated[str, Meta(min_length=1, max_length=100, description="the base model's name", extra=AMOUNT)] = (
        "Foundation-Sec-8B"
    )
    output_name: Annotated[str, Meta(min_length=1, max_length=100, description="the trained model's name")] = (
        "GLADIATOR-SEC-8B-EXPERT"
    )
    learning_rate: Annotated[float, Meta(gt=0, description="AdamW's learning rate", extra=AMOUNT)] = 1e-4
    batch: Annotated[int, Meta(ge=1, le=65_536, description="rows a batch", extra=AMOUNT)] = 32
    epochs: Annotated[int, Meta(ge=1, description="times through the rows that are meant", extra=AMOUNT)] = 3
    warmup: Annotated[
        int, Meta(ge=0, description="steps over which the learning rate rises from zero", extra=AMOUNT)
    ] = 1_000
    steps: Annotated[int, Meta(ge=0, description="steps; they end the training", extra=AMOUNT)] = 250_000
    accumulation: Annotated[int, Meta(ge=1, description="batches a step", extra=AMOUNT)] = 1
    save_every: Annotated[int, Meta(ge=1, description="steps between checkpoints", extra=AMOUNT)] = 1_000
    keep: Annotated[int, Meta(ge=1, description="last checkpoints that are kept", extra=AMOUNT)] = 5
    log_every: Annotated[int, Meta(ge=1, description="steps between rows of the log", extra=AMOUNT)] = 100
    eval_every: Annotated[int, Meta(ge=1, description="steps between evaluations", extra=AMOUNT)] = 1_000
    tensorboard: Annotated[bool, Meta(description="write files that TensorBoard opens")] = True
    gpu: Annotated[bool, Meta(description="compute on a GPU", extra=AMOUNT)] = True
    mixed_precision: Annotated[bool, Meta(description="half precision where it is safe", extra=AMOUNT)] = True
    distributed: Annotated[bool, Meta(description="on several hosts at once", extra=AMOUNT)] = False
    method: Annotated[Literal["lora", "full"], Meta(description="low-rank adapters, or every weight", extra=AMOUNT)] = (
        "lora"
    )
    rank: Annotated[int, Meta(ge=1, le=1_024, description="rank of the adapters", extra=AMOUNT)] = 16
    adapted_layers: Annotated[int, Meta(ge=1, description="last layers that get adapters", extra=AMOUNT)] = 16
    length: Annotated[int, Meta(ge=16, le=8_192, description="tokens of an input at most", extra=AMOUNT)] = 512
    schedule: Annotated[
        Literal["constant", "cosine"], Meta(description="the learning rate after the warm-up", extra=AMOUNT)
    ] = "cosine"
    weight_decay: Annotated[float, Meta(ge=0, description="AdamW's weight decay", extra=AMOUNT)] = 0.01
    clip: Annotated[float, Meta(ge=0, description="the gradient's norm at most; 0 leaves it", extra=AMOUNT)] = 1.0
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="order of the rows, dropout, adapters' start")] = 1
    resume_every: Annotated[int, Meta(ge=1, description="steps between states to resume from", extra=AMOUNT)] = 500
    validation_samples: Annotated[
        int, Meta(ge=1, description="validation rows scored at an evaluation at most", extra=AMOUNT)
    ] = 10_000
    tasks: Annotated[tuple[Task, ...], Meta(min_length=1, description="what the model learns to be asked")] = TASKS
    first_share: Annotated[
        float, Meta(gt=0, le=1, description="share of the first task; the others divide the rest", extra=AMOUNT)
    ] = 0.4
    sampled: Annotated[
        int, Meta(ge=1, description="first rows whose tokens are counted and which are tried", extra=AMOUNT)
    ] = 2_000
    timed: Annotated[
        int, Meta(ge=1, description="validation rows that are scored to measure the rate", extra=AMOUNT)
    ] = 64


def run(context: Context, parameters: Parameters) -> None:
    """Counts the data, tries two steps and an evaluation, writes the configuration and says what contradicts what."""
    from operations.model.planning import drafting

    drafting.plan(context, parameters)


OPERATION = Operation(
    name="model.plan_training",
    about="Write the large training's configuration in the plan's form and check its arithmetic",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("steps", Kind.COUNT, "steps", "steps"),
        Measure("batch", Kind.COUNT, "rows a batch"),
        Measure("learning_rate", Kind.NUMBER, "AdamW's learning rate"),
        Measure("method", Kind.TEXT, "low-rank adapters, or every weight"),
        Measure("contradictions", Kind.COUNT, "contradictions in the configuration, with the data or with the host"),
        Measure("contradiction", Kind.TEXT, "each of them, with the figure that would be right"),
        Measure("rows", Kind.COUNT, "training rows, counted"),
        Measure("validation_rows", Kind.COUNT, "validation rows, counted"),
        Measure("classes", Kind.TABLE, "labels in the training rows by task"),
        Measure("shares", Kind.TABLE, "share of the samples by task"),
        Measure("epochs", Kind.NUMBER, "times the steps go through the rows"),
        Measure("longest", Kind.COUNT, "tokens of the longest input sampled, before cutting"),
        Measure("cut", Kind.PROPORTION, "inputs sampled that are longer than the length and are cut"),
        Measure("trained", Kind.COUNT, "weights that training changes"),
        Measure("checkpoint_size", Kind.NUMBER, "one checkpoint, from the model's weights", "GB"),
        Measure("disk_needed", Kind.NUMBER, "the checkpoints kept, the best, one being written, and the states", "GB"),
        Measure("disk_free", Kind.NUMBER, "free disk", "GB"),
        Measure("step_seconds", Kind.NUMBER, "a step, by one that was taken", "s"),
        Measure("training_days", Kind.NUMBER, "all steps at that rate", "days"),
        Measure("evaluation_rate", Kind.NUMBER, "validation rows scored a second, measured", "rows/s"),
        Measure("evaluation_days", Kind.NUMBER, "all evaluations of the rows that are scored, at that rate", "days"),
        Measure("evaluation_days_all", Kind.NUMBER, "all evaluations, if each scored every validation row", "days"),
        Measure("dry_run", Kind.FLAG, "two steps were taken and their losses and gradients are finite"),
        Measure("dry_run_loss", Kind.NUMBER, "the last one's loss"),
        Measure("valid", Kind.FLAG, "the configuration was read back and is what was asked for"),
    ),
    outputs=(Output("configuration", "blue_team_training_config.json: the plan's six sections, and ours"),),
    uses="accelerator",
)
