"""``model.distil``: a small student of a teacher's soft labels, for one task; resumable to the bit."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output
from operations.model.tasks import Task


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The teacher, what it said, the student's shape, and how it learns."""

    teacher: Annotated[Artefact, Meta(description="the teacher's directory, whose tokenizer the student shares")]
    soft_labels: Annotated[Artefact, Meta(description="what model.soft_labels wrote")]
    dataset: Annotated[Artefact, Meta(description="the exported dataset, whose validation samples are scored")]
    task: Annotated[Task, Meta(description="what the student learns to answer")]
    called: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,63}$", description="what the student is called")
    ] = "student"
    layers: Annotated[int, Meta(ge=1, le=128, description="the student's transformer layers", extra=AMOUNT)] = 2
    width: Annotated[int, Meta(ge=32, le=16_384, description="the student's hidden size", extra=AMOUNT)] = 64
    hidden: Annotated[
        int,
        Meta(ge=0, le=65_536, description="width of its gated layers; 0 is two and a half hidden sizes", extra=AMOUNT),
    ] = 0
    heads: Annotated[int, Meta(ge=1, le=256, description="its attention heads", extra=AMOUNT)] = 2
    times_layers: Annotated[
        int, Meta(ge=1, le=8, description="the layers are multiplied by this: 2 makes a 3B of a 1.5B")
    ] = 1
    limit: Annotated[
        float,
        Meta(gt=0, le=1, description="of the teacher's weights that are no embeddings, the student's share at most"),
    ] = 0.25
    temperature: Annotated[
        float, Meta(ge=0.1, le=20, description="softens the teacher's distribution and the student's", extra=AMOUNT)
    ] = 2.0
    share: Annotated[
        float, Meta(ge=0, le=1, description="of the loss, the soft labels' share; the rest is the hard labels'")
    ] = 0.5
    control: Annotated[
        Literal["", "shuffled", "hard"],
        Meta(
            description="a control: shuffled teaches each sample what belongs to another and must fail; "
            "hard leaves the soft labels out"
        ),
    ] = ""
    steps: Annotated[int, Meta(ge=0, description="steps", extra=AMOUNT)] = 2_000
    times_steps: Annotated[int, Meta(ge=1, le=100, description="the steps are multiplied by this")] = 1
    beside_steps: Annotated[
        int,
        Meta(ge=0, description="steps of a student of the hard labels alone, for comparison; 0 is none", extra=AMOUNT),
    ] = 2_000
    batch: Annotated[int, Meta(ge=1, le=65_536, description="samples a step", extra=AMOUNT)] = 32
    learning_rate: Annotated[float, Meta(gt=0, description="AdamW's highest learning rate", extra=AMOUNT)] = 1e-3
    warmup: Annotated[int, Meta(ge=0, description="steps over which the learning rate rises", extra=AMOUNT)] = 20
    schedule: Annotated[
        Literal["constant", "cosine"], Meta(description="the learning rate after that", extra=AMOUNT)
    ] = "cosine"
    weight_decay: Annotated[float, Meta(ge=0, description="AdamW's weight decay", extra=AMOUNT)] = 0.01
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="the student's first weights and the samples' order")] = 1
    resume_every: Annotated[int, Meta(ge=1, description="steps between states to resume from", extra=AMOUNT)] = 500
    validate_every: Annotated[int, Meta(ge=1, description="steps between validations", extra=AMOUNT)] = 500
    validation_samples: Annotated[
        int, Meta(ge=2, description="validation samples scored at most, always the same", extra=AMOUNT)
    ] = 500
    log_every: Annotated[int, Meta(ge=1, description="steps between rows of the log", extra=AMOUNT)] = 50


def run(context: Context, parameters: Parameters) -> None:
    """Trains the student, or goes on where a stopped attempt ended."""
    from operations.model.distillation import distilling

    distilling.distil(context, parameters)


OPERATION = Operation(
    name="model.distil",
    about="Train a small student on a teacher's soft labels; a stopped run goes on exactly where it was",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("initial_loss", Kind.NUMBER, "mean loss of the first ten steps, or of fewer", "nats"),
        Measure("final_loss", Kind.NUMBER, "mean loss of the last ten steps, or of fewer", "nats"),
        Measure("loss_reduction", Kind.NUMBER, "initial minus final loss", "nats"),
        Measure("loss_falls", Kind.FLAG, "the median of the last fifth of the losses is below that of the first fifth"),
        Measure("loss_first_fifth", Kind.NUMBER, "median loss of the first fifth of the steps", "nats"),
        Measure("loss_last_fifth", Kind.NUMBER, "median loss of the last fifth of the steps", "nats"),
        Measure("collapsed", Kind.FLAG, "the student has one answer for everything, or its loss does not fall"),
        Measure("weights", Kind.DIGEST, "SHA-256 over the names and bytes of the final weights"),
        Measure("teacher", Kind.DIGEST, "SHA-256 of the teacher's directory, as in the soft labels"),
        Measure("parameters", Kind.COUNT, "weights of the student"),
        Measure("non_embedding", Kind.COUNT, "weights of the student that are not token embeddings"),
        Measure("share_of_teacher", Kind.NUMBER, "of the teacher's weights that are not embeddings", "%"),
        Measure("accuracy", Kind.PROPORTION, "validation samples whose likeliest label is theirs"),
        Measure("macro_accuracy", Kind.NUMBER, "mean of the labels' accuracies"),
        Measure("hard_only_accuracy", Kind.PROPORTION, "the same of a student of the hard labels alone"),
        Measure("hard_only_steps", Kind.COUNT, "steps of the student of the hard labels alone"),
        Measure("beside_accuracy", Kind.PROPORTION, "this student's, after as many steps of the same schedule"),
        Measure("control", Kind.TEXT, "which control this student is, or that it is none"),
        Measure("steps", Kind.COUNT, "steps done, over all attempts"),
        Measure("steps_planned", Kind.COUNT, "steps to do"),
        Measure("samples", Kind.COUNT, "training samples there are"),
        Measure("tokens_per_second", Kind.NUMBER, "input tokens a second of training, padding not counted", "tokens/s"),
        Measure("duration", Kind.NUMBER, "time spent training this student, over all attempts", "s"),
        Measure("memory", Kind.NUMBER, "GPU memory at its highest, or the process's where there is no GPU", "GB"),
        Measure("resumed_from", Kind.COUNT, "step this attempt went on from"),
        Measure("device", Kind.TEXT, "what MLX computed on, and the linear algebra library"),
        Measure("errors", Kind.COUNT, "a loss or gradient that is not finite, divergence, collapse"),
    ),
    outputs=(
        Output("model", "the student in float32: config.json, weights, the teacher's tokenizer", directory=True),
        Output("state", "state-STEP: all that going on exactly needs", retention="rotates", directory=True, many=True),
    ),
    uses="accelerator",
    resumable=True,
)
