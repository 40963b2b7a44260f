"""What model.train trains on what: several tasks of mapped tokens, driven as every training is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import msgspec

from operations.contract import Artefact, Context, Refusal
from operations.model import configuration as configurations
from operations.model import machine, models, tasks
from operations.model.learning import driving, streams, tokens
from operations.model.learning.curves import Curves
from operations.model.learning.first_steps import FirstSteps
from operations.model.learning.training import Training
from operations.model.learning.validating import Bounded, Questions
from operations.model.tasks import Task

if TYPE_CHECKING:
    from operations.model.train import Parameters

LAST = 100
"""Steps whose mean is the final loss: the plan's rule."""
KEEP = 5
"""Checkpoints kept where nothing else is asked for: the plan's number."""


def given(context: Context, artefact: Artefact | None) -> configurations.Configuration:
    """The configuration that was written, or the defaults, with all tasks."""
    if artefact:
        return configurations.read(context.input(artefact))
    return changed(configurations.Configuration(), "data", tasks=streams.WEIGHTS)


def changed(whole: configurations.Configuration, section: str, **values: Any) -> configurations.Configuration:
    """The configuration with those values of a section that are set put over it."""
    chosen = {key: value for key, value in values.items() if value is not None}
    return msgspec.structs.replace(whole, **{section: msgspec.structs.replace(getattr(whole, section), **chosen)})


def same_inputs(chosen: configurations.Configuration, model: Artefact, dataset: Artefact | None) -> None:
    """Raises Refusal if the configuration is for another base model or dataset."""
    for what, planned, real in (
        ("base model", chosen.model.sha256, model.sha256),
        ("dataset", chosen.data.dataset_sha256, dataset.sha256 if dataset else ""),
    ):
        if planned and real and planned != real:
            raise Refusal(f"the configuration is for another {what}: SHA-256 {planned}, given {real}")


def shares(
    chosen: configurations.Configuration, index: tokens.Index, asked: Mapping[Task, float] | None
) -> dict[Task, float]:
    """Each task's share of the rows, adding up to 1: as asked, or as configured; a task without two labels gets none.

    Raises Refusal if what is left has not the first task.
    """
    wanted = asked or chosen.data.tasks
    found = {
        task: float(wanted[task]) for task in tasks.TASKS if wanted.get(task) and len(index.labels.get(task, ())) > 1
    }
    if tasks.FIRST not in found:
        raise Refusal(f"there is nothing to learn of {tasks.FIRST}: it has no share, or the rows have one label of it")
    total = sum(found.values())
    return {task: share / total for task, share in found.items()}


def rows_a_step(chosen: configurations.Configuration) -> int:
    """Rows that one step learns from, all its batches together."""
    return chosen.hyperparameters.batch_size * chosen.hyperparameters.gradient_accumulation_steps


def stream(
    store: tokens.Store,
    loaded: models.Loaded,
    chosen: configurations.Configuration,
    weights: Mapping[Task, float],
    window: int = streams.WINDOW,
    group: mx.distributed.Group | None = None,
) -> streams.Stream:
    """The training rows of a store, as the configuration asks. Raises Refusal if they are not this model's tokens."""
    store.check(loaded.tokenizer, chosen.model.length)
    return streams.Stream(
        store.train,
        streams.Asking(loaded.tokenizer, chosen.model.length, {task: store.index.labels[task] for task in weights}),
        weights,
        size=rows_a_step(chosen),
        seed=chosen.hyperparameters.seed,
        parts=chosen.hyperparameters.gradient_accumulation_steps,
        window=window,
        rank=group.rank() if group else 0,
        ranks=group.size() if group else 1,
    )


def precision(context: Context, chosen: configurations.Configuration) -> mx.Dtype | None:
    """bfloat16 where mixed precision is asked for and the device has it; else None, and the log says why."""
    if not chosen.hardware.mixed_precision:
        context.log("mixed precision: not asked for")
        return None
    if not machine.has_gpu():
        context.log("mixed precision: asked for, not applied: on a CPU 16-bit types are many times slower")
        return None
    context.log("mixed precision: the loss is computed in bfloat16; weights under training and optimizer are float32")
    return mx.bfloat16


def _settings(parameters: Parameters, whole: configurations.Configuration) -> configurations.Configuration:
    whole = changed(whole, "model", method=parameters.method, length=parameters.length)
    whole = changed(
        whole,
        "hyperparameters",
        learning_rate=parameters.learning_rate,
        batch_size=parameters.batch,
        gradient_accumulation_steps=parameters.accumulate,
        max_steps=parameters.steps,
        warmup_steps=parameters.warmup,
        schedule=parameters.schedule,
        weight_decay=parameters.weight_decay,
        seed=parameters.seed,
    )
    whole = changed(
        whole,
        "checkpointing",
        save_every=parameters.save_every,
        resume_every=parameters.resume_every,
        keep_last_n=parameters.keep or whole.checkpointing.keep_last_n or KEEP,
    )
    whole = changed(
        whole,
        "monitoring",
        log_every=parameters.log_every,
        eval_every=parameters.eval_every,
        validation_samples=parameters.validation_samples,
        tensorboard=parameters.tensorboard,
    )
    return changed(whole, "hardware", mixed_precision=parameters.mixed_precision)


def train(context: Context, parameters: Parameters, group: mx.distributed.Group | None = None) -> None:
    """Trains, or goes on where a stopped attempt ended."""
    chosen = _settings(parameters, given(context, parameters.configuration))
    same_inputs(chosen, parameters.model, parameters.dataset)
    loaded = models.load(context.input(parameters.model))
    store = tokens.Store(context.input(parameters.tokens))
    if parameters.dataset and parameters.dataset.sha256 != store.index.dataset:
        raise Refusal(
            f"the tokens are of another dataset: SHA-256 {store.index.dataset}, given {parameters.dataset.sha256}"
        )
    weights = shares(chosen, store.index, parameters.tasks)
    context.log("tasks: " + ", ".join(f"{task} {share:.0%}" for task, share in weights.items()))
    if chosen.hardware.distributed and group is None:
        context.log("distributed: asked for, not applied: the parameter ranks is 1", "warning")
    used = precision(context, chosen)
    rows = stream(store, loaded, chosen, weights, parameters.window, group)
    training = Training(loaded.model, chosen, rows, group=group, precision=used)
    hyper, monitoring = chosen.hyperparameters, chosen.monitoring
    context.measure("tasks", {str(task): share for task, share in weights.items()})
    context.measure("precision", "mixed, bfloat16" if used else "as the weights are")
    context.measure("ranks", group.size() if group else 1)
    inputs = {
        "base model": parameters.model.sha256,
        "tokens": parameters.tokens.sha256,
        "tasks": str(weights),
        "window": str(parameters.window),
        "precision": str(used),
        "ranks": str(group.size() if group else 1),
    }
    work = driving.Work(
        training=training,
        loaded=loaded,
        labels={task: store.index.labels[task] for task in weights},
        made_with=driving.made_with(context, chosen, inputs),
        validation=_validation(store, loaded, chosen, weights),
        log_every=monitoring.log_every,
        eval_every=monitoring.eval_every,
        samples=rows_a_step(chosen),
        keep=chosen.checkpointing.keep_last_n,
        shares=weights,
        last=LAST,
        progress_every=monitoring.log_every,
        observers=(
            FirstSteps(context, hyper.max_steps),
            Curves(context, hyper, monitoring.log_every, files=monitoring.tensorboard),
        )
        if group is None or group.rank() == 0
        else (),
        group=group,
    )
    driving.Driver(context, work).go()


def _validation(
    store: tokens.Store,
    loaded: models.Loaded,
    chosen: configurations.Configuration,
    weights: Mapping[Task, float],
) -> Bounded:
    """The same rows every time: each asked every task that it has a label of; for the loss, each the task it drew."""
    asking = streams.Asking(loaded.tokenizer, chosen.model.length, {task: store.index.labels[task] for task in weights})
    seed, held = chosen.hyperparameters.seed, store.validation
    rows = streams.bounded(held, chosen.monitoring.validation_samples, seed)
    events = [held.event(row) for row in rows]
    questions = {}
    for task in weights:
        number = tasks.TASKS.index(task)
        known = [(e, int(held.labels[row, number])) for e, row in zip(events, rows, strict=True)]
        known = [(event, label) for event, label in known if label != tokens.NONE]
        if known:
            labels = asking.labels[task]
            questions[task] = Questions(
                form=asking.forms[task],
                labels=labels,
                asked=[asking.prompt(event, task) for event, _ in known],
                right=[labels[label] for _, label in known],
            )
    drawn = streams.asked_once(held, rows, weights, seed)
    examples = [
        asking.example(event, tasks.TASKS[task], int(held.labels[row, task]))
        for event, row, task in zip(events, rows, drawn, strict=True)
    ]
    return Bounded(examples, questions)
