"""``model.finetune``: full or low-rank fine-tuning, resumable to the bit."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is trained on what. A value left None is the configuration's, or without one the plan's."""

    model: Annotated[Artefact, Meta(description="the base model's directory")]
    train: Annotated[Artefact, Meta(description="training rows")]
    validation: Annotated[Artefact | None, Meta(description="rows scored at checkpoints")] = None
    configuration: Annotated[Artefact | None, Meta(description="what model.configure wrote")] = None
    method: Annotated[
        Literal["lora", "full"] | None, Meta(description="low-rank adapters, or every weight", extra=AMOUNT)
    ] = None
    learning_rate: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="AdamW's learning rate", extra=AMOUNT)
    ] = None
    batch: Annotated[Annotated[int, Meta(ge=1, le=65_536)] | None, Meta(description="rows a step", extra=AMOUNT)] = None
    steps: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="steps; 0 leaves the base as it is", extra=AMOUNT)
    ] = None
    save_every: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="steps between checkpoints", extra=AMOUNT)
    ] = None
    resume_every: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="steps between states to resume from", extra=AMOUNT)
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, lt=2**32)] | None, Meta(description="order of the rows, dropout, adapters' start")
    ] = None
    length: Annotated[
        Annotated[int, Meta(ge=16, le=8_192)] | None, Meta(description="tokens of an input at most", extra=AMOUNT)
    ] = None
    validation_samples: Annotated[
        int, Meta(ge=1, description="rows scored at a checkpoint at most, always the same", extra=AMOUNT)
    ] = 200
    log_every: Annotated[int, Meta(ge=1, description="steps between rows of the log", extra=AMOUNT)] = 10


def run(context: Context, parameters: Parameters) -> None:
    """Trains, or goes on where a stopped attempt ended."""
    from operations.model.learning import tuning

    tuning.finetune(context, parameters)


OPERATION = Operation(
    name="model.finetune",
    about="Fine-tune a model on labelled rows; a stopped run goes on exactly where it was",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("initial_loss", Kind.NUMBER, "mean loss of the first ten steps, or of fewer"),
        Measure("final_loss", Kind.NUMBER, "mean loss of the last ten steps, or of fewer"),
        Measure("loss_reduction", Kind.NUMBER, "initial minus final loss"),
        Measure("loss_falls", Kind.FLAG, "the median of the last fifth of the losses is below that of the first fifth"),
        Measure("loss_first_fifth", Kind.NUMBER, "median loss of the first fifth of the steps"),
        Measure("loss_last_fifth", Kind.NUMBER, "median loss of the last fifth of the steps"),
        Measure("duration", Kind.NUMBER, "time spent training, over all attempts", "h"),
        Measure(
            "errors", Kind.COUNT, "critical errors: a loss or gradient that is not finite, divergence, a failed write"
        ),
        Measure("steps", Kind.COUNT, "steps done, over all attempts"),
        Measure("steps_planned", Kind.COUNT, "steps to do"),
        Measure("samples", Kind.COUNT, "rows trained on, repetitions counted"),
        Measure("tokens_per_second", Kind.NUMBER, "input tokens a second of training, padding not counted", "tokens/s"),
        Measure("steps_per_second", Kind.NUMBER, "steps a second of training", "1/s"),
        Measure("parameters", Kind.COUNT, "weights of the model"),
        Measure("trained", Kind.COUNT, "weights that training changes"),
        Measure("method", Kind.TEXT, "low-rank adapters, or every weight"),
        Measure("learning_rate", Kind.NUMBER, "AdamW's learning rate"),
        Measure("batch", Kind.COUNT, "rows a step"),
        Measure("checkpoints", Kind.COUNT, "checkpoints written, over all attempts"),
        Measure("last_checkpoint", Kind.COUNT, "step of the last checkpoint"),
        Measure("weights", Kind.DIGEST, "SHA-256 over the names and bytes of the final weights"),
        Measure("val_loss", Kind.NUMBER, "loss on the validation rows at the last checkpoint"),
        Measure("val_accuracy", Kind.PROPORTION, "accuracy on the validation rows at the last checkpoint"),
        Measure("resumed_from", Kind.COUNT, "step this attempt went on from"),
        Measure("gpu", Kind.NUMBER, "GPU memory at its highest", "GB"),
        Measure("device", Kind.TEXT, "what MLX computed on, and the linear algebra library"),
    ),
    outputs=(
        Output("checkpoint", "checkpoint-STEP: a model that mlx_lm loads, and labels.json", directory=True, many=True),
        Output("state", "state-STEP: all that going on exactly needs", retention="rotates", directory=True, many=True),
    ),
    uses="accelerator",
    resumable=True,
)
