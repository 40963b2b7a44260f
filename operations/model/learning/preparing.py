"""Makes the tokens of a training, and takes one step on them that is thrown away."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model import machine, models
from operations.model.learning import multitask, tokens
from operations.model.learning.training import Training
from operations.model.tasks import Task

if TYPE_CHECKING:
    from operations.model.prepare import Parameters

TELL_EVERY = 100_000
"""Rows between rows of the log."""


def prepare(context: Context, parameters: Parameters) -> None:
    """Tokenises the dataset for the model and tries a step as the configuration asks."""
    chosen = multitask.given(context, parameters.configuration)
    if parameters.length:
        chosen = multitask.changed(chosen, "model", length=parameters.length)
    multitask.same_inputs(chosen, parameters.model, parameters.dataset)
    loaded = models.load(context.input(parameters.model))
    dataset = context.input(parameters.dataset)
    path = context.output("tokens")
    started = time.perf_counter()

    def told(name: str, rows: int) -> None:
        if planned := {"train": chosen.data.rows, "validation": chosen.data.validation_rows}[name]:
            context.progress(rows, planned, f"{name} rows")
        if rows % TELL_EVERY < tokens.AT_ONCE:
            context.log(f"{name}: {rows:,} rows, {rows / (time.perf_counter() - started):,.0f} rows/s since the start")

    with models.whole_directory(path) as new:
        index = tokens.write(new, dataset, parameters.dataset.sha256, loaded.tokenizer, chosen.model.length, told)
        said = "as recorded"
        if parameters.shuffle_labels:
            wrong = tokens.permute_labels(new, chosen.hyperparameters.seed)
            said = f"NEGATIVE CONTROL: the labels of training are permuted, {wrong:,} attack types are wrong"
            context.log(said, "warning")
    context.measure("control", said)
    seconds = time.perf_counter() - started
    train, validation = index.sets["train"], index.sets["validation"]
    context.measure("train", train.rows)
    context.measure("validation", validation.rows)
    context.measure("labels", {task: len(labels) for task, labels in index.labels.items()})
    context.measure("tokens", train.tokens)
    context.measure("longest", max(train.longest, validation.longest))
    context.measure("cut", train.cut + validation.cut)
    context.measure("duration", seconds)
    context.measure("rate", (train.rows + validation.rows) / seconds)
    context.measure("memory", machine.resident())
    context.measure("size", sum(file.stat().st_size for file in path.iterdir()) / 1e6)
    store = tokens.Store(path)
    _try(context, store, loaded, chosen, multitask.shares(chosen, store.index, None))
    context.artefact("tokens", path)


def _try(
    context: Context,
    store: tokens.Store,
    loaded: models.Loaded,
    chosen: configurations.Configuration,
    shares: Mapping[Task, float],
) -> None:
    stream = multitask.stream(store, loaded, chosen, shares)
    training = Training(loaded.model, chosen, stream, precision=multitask.precision(context, chosen))
    start = time.perf_counter()
    step = next(training.steps(1))
    seconds = time.perf_counter() - start
    fine = math.isfinite(step.loss) and math.isfinite(step.norm)
    context.measure("tried", fine)
    context.measure("tried_loss", step.loss)
    context.measure("tried_seconds", seconds)
    context.log(f"one step of {multitask.rows_a_step(chosen)} rows tried: loss {step.loss:.4f}, {seconds:.2f} s")
    if not fine:
        raise Refusal(f"the trial step's loss or gradient is not finite: {step.loss}, {step.norm}")
