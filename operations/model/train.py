"""``model.train``: the blue team's training on several tasks, resumable to the bit."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output, of_hosts
from operations.model.finetune import OPERATION as FINETUNE
from operations.model.tasks import Task

_OURS = {"final_loss", "batch", "val_loss", "val_accuracy"}


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is trained on what. A value left None is the configuration's, or without one the reality check's."""

    model: Annotated[Artefact, Meta(description="the base model's directory")]
    tokens: Annotated[Artefact, Meta(description="what model.prepare made of the dataset for this model")]
    dataset: Annotated[
        Artefact | None, Meta(description="the dataset that the tokens must be of; only its digest is looked at")
    ] = None
    configuration: Annotated[Artefact | None, Meta(description="what model.configure wrote")] = None
    method: Annotated[
        Literal["lora", "full"] | None, Meta(description="low-rank adapters, or every weight", extra=AMOUNT)
    ] = None
    learning_rate: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="AdamW's learning rate", extra=AMOUNT)
    ] = None
    batch: Annotated[Annotated[int, Meta(ge=1, le=65_536)] | None, Meta(description="rows a batch", extra=AMOUNT)] = (
        None
    )
    accumulate: Annotated[
        Annotated[int, Meta(ge=1, le=65_536)] | None,
        Meta(description="batches a step, weighed by their answers' tokens: as one large batch", extra=AMOUNT),
    ] = None
    steps: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="steps; 0 leaves the base as it is", extra=AMOUNT)
    ] = None
    warmup: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="steps over which the learning rate rises from zero", extra=AMOUNT),
    ] = None
    schedule: Annotated[
        Literal["constant", "cosine"] | None, Meta(description="the learning rate after the warm-up", extra=AMOUNT)
    ] = None
    weight_decay: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="AdamW's weight decay", extra=AMOUNT)
    ] = None
    save_every: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="steps between checkpoints", extra=AMOUNT)
    ] = None
    keep: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="checkpoints kept, the best besides; without a configuration 5", extra=AMOUNT),
    ] = None
    resume_every: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="steps between states to resume from", extra=AMOUNT)
    ] = None
    eval_every: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="steps between validations", extra=AMOUNT)
    ] = None
    validation_samples: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="rows scored at a validation, each for every task, always the same", extra=AMOUNT),
    ] = None
    log_every: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="steps between rows of the log", extra=AMOUNT)
    ] = None
    length: Annotated[
        Annotated[int, Meta(ge=16, le=8_192)] | None, Meta(description="tokens of an input at most", extra=AMOUNT)
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, lt=2**32)] | None, Meta(description="order of the rows, tasks, adapters' start")
    ] = None
    tasks: Annotated[
        dict[Task, Annotated[float, Meta(ge=0)]] | None,
        Meta(description="the tasks' shares of the rows, attack_type among them", extra=AMOUNT),
    ] = None
    window: Annotated[
        int, Meta(ge=1, le=4_096, description="steps whose rows are sorted by length together", extra=AMOUNT)
    ] = 64
    mixed_precision: Annotated[
        bool | None, Meta(description="compute in bfloat16 where MLX has a GPU; never on a CPU", extra=AMOUNT)
    ] = None
    ranks: Annotated[
        int,
        Meta(
            ge=1, le=64, description="processes on the host that take each step together, by MLX's ring", extra=AMOUNT
        ),
    ] = 1
    ring: Annotated[
        str,
        Meta(
            max_length=1_000,
            description="addresses, commas between, of further hosts that take each step too, a rank on each, "
            "by MLX's ring",
            extra=AMOUNT,
        ),
    ] = ""
    wired: Annotated[
        tuple[str, ...], Meta(description="for a ring: this host's own address there", extra=of_hosts("wired"))
    ] = ()
    identity: Annotated[
        str, Meta(description="for a ring: this host's private key that the others let in", extra=AMOUNT)
    ] = ""
    known_hosts: Annotated[
        str, Meta(description="for a ring: the file here that holds the others' host keys", extra=AMOUNT)
    ] = "~/.ssh/known_hosts"
    user: Annotated[str, Meta(description="for a ring: who logs in there; empty for the same", extra=AMOUNT)] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="for a ring: the others' SSH port", extra=AMOUNT)] = 22
    root: Annotated[str, Meta(description="for a ring: the others' root; empty for the same path", extra=AMOUNT)] = ""
    python: Annotated[
        str, Meta(description="for a ring: Python there; empty for the same path as here", extra=AMOUNT)
    ] = ""
    patience: Annotated[
        float, Meta(gt=0, description="for a ring: seconds that another host may be silent", extra=AMOUNT)
    ] = 60.0
    tensorboard: Annotated[bool | None, Meta(description="write TensorBoard's files", extra=AMOUNT)] = None


def run(context: Context, parameters: Parameters) -> None:
    """Trains, or goes on where a stopped attempt ended."""
    if parameters.ring:
        from operations.model.learning import ring

        ring.launch(context, parameters)
        return
    if parameters.ranks > 1:
        from operations.model.learning import ranks

        ranks.launch(context, parameters.ranks)
        return
    from operations.model.learning import multitask

    multitask.train(context, parameters)


OPERATION = Operation(
    name="model.train",
    about="Train a model on several tasks at once; a stopped run goes on exactly where it was",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("runs", Kind.FLAG, "the first 100 steps, or all of fewer: finite losses, no error"),
        Measure("first_gpu", Kind.NUMBER, "GPU utilisation over the first 100 steps", "%"),
        Measure("final_loss", Kind.NUMBER, "mean label-token cross-entropy of the last 100 steps, or of fewer"),
        Measure("batch", Kind.COUNT, "rows a batch"),
        Measure("val_loss", Kind.NUMBER, "loss on the validation rows at the last validation, each asked one task"),
        Measure("val_accuracy", Kind.PROPORTION, "accuracy of attack_type at the last validation"),
        Measure("val_by_task", Kind.TABLE, "accuracy by task at the last validation"),
        Measure("best_step", Kind.COUNT, "step of the best checkpoint by validation"),
        Measure("best_accuracy", Kind.NUMBER, "its accuracy over the tasks, each by its share"),
        Measure("tasks", Kind.TABLE, "the tasks' shares of the rows"),
        Measure("precision", Kind.TEXT, "what the loss was computed in"),
        Measure("ranks", Kind.COUNT, "processes that took each step together"),
        *(measure for measure in FINETUNE.measures if measure.name not in _OURS),
    ),
    outputs=(
        Output(
            "checkpoint",
            "checkpoint-STEP: a model that mlx_lm loads, and labels.json; the last few",
            retention="rotates",
            directory=True,
            many=True,
        ),
        Output(
            "best",
            "best-STEP: the checkpoint that validated best; only the newest is there",
            retention="rotates",
            directory=True,
            many=True,
        ),
        Output("state", "state-STEP: all that going on exactly needs", retention="rotates", directory=True, many=True),
        Output("tensorboard", "the curves as TensorBoard reads them", directory=True),
    ),
    uses="accelerator",
    resumable=True,
)
