"""The training's configuration: written, read back, compared with the plan's, tried for one step."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model import models, prompts, rows
from operations.model.learning import tuning
from operations.model.learning.training import Examples, Training

if TYPE_CHECKING:
    from operations.model.configure import Parameters


def configure(context: Context, parameters: Parameters) -> None:
    """Writes the configuration, checks it and takes one step that is thrown away."""
    loaded = models.load(context.input(parameters.model))
    train = rows.read(context.input(parameters.train))
    labels = rows.labels(train)
    asked = configurations.Configuration(
        model=configurations.Model(
            sha256=parameters.model.sha256,
            method=parameters.method,
            rank=parameters.rank,
            adapted_layers=parameters.adapted_layers,
            length=parameters.length,
        ),
        data=configurations.Data(train_sha256=parameters.train.sha256, rows=len(train), labels=labels),
        hyperparameters=configurations.Hyperparameters(
            learning_rate=parameters.learning_rate,
            batch_size=parameters.batch,
            max_steps=parameters.steps,
            warmup_steps=parameters.warmup,
            schedule=parameters.schedule,
            weight_decay=parameters.weight_decay,
            clip=parameters.clip,
            seed=parameters.seed,
        ),
        checkpointing=configurations.Checkpointing(
            save_every=parameters.save_every, resume_every=parameters.resume_every
        ),
    )
    path = context.output("finetune_configuration.json")
    configurations.write(path, asked)
    _compare(context, parameters)
    form = prompts.format_for(loaded.tokenizer, parameters.length)
    lengths = [len(form.before) + len(form.encode(row.prompt)) + len(form.after) for row in train]
    context.measure("rows", len(train))
    context.measure("classes", len(labels))
    context.measure("epochs", parameters.steps * parameters.batch / len(train))
    context.measure("cut", sum(length > parameters.length for length in lengths))
    context.measure("longest", max(lengths))
    training = Training(loaded.model, asked, Examples(tuning.examples(form, train), parameters.batch, parameters.seed))
    context.measure("trained", training.trained)
    start = time.perf_counter()
    step = next(training.steps(1))
    seconds = time.perf_counter() - start
    fine = math.isfinite(step.loss) and math.isfinite(step.norm)
    context.measure("dry_run", fine)
    context.measure("dry_run_loss", step.loss)
    context.measure("dry_run_seconds", seconds)
    context.log(f"dry run: one step, loss {step.loss:.4f}, {seconds:.2f} s")
    if not fine:
        raise Refusal(f"the dry run's loss or gradient is not finite: {step.loss}, {step.norm}")
    read_back = configurations.read(path) == asked
    context.measure("valid", read_back)
    context.artefact("configuration", path)


def _compare(context: Context, parameters: Parameters) -> None:
    values = {
        "learning_rate": (parameters.learning_rate, parameters.planned_learning_rate),
        "batch": (parameters.batch, parameters.planned_batch),
        "steps": (parameters.steps, parameters.planned_steps),
        "save_every": (parameters.save_every, parameters.planned_save_every),
    }
    deviation: dict[str, int | float | None] = {}
    for name, (here, planned) in values.items():
        context.measure(name, here)
        if here != planned:
            deviation |= {name: here, f"{name} (plan)": planned}
        context.log(f"{name} {here:g}" + ("" if here == planned else f" (plan: {planned:g})"))
    context.measure("method", parameters.method)
    context.measure("deviations", len(deviation) // 2)
    context.measure("deviation", deviation)
