"""The large training's configuration: data counted, a step and an evaluation timed, written, read back, checked."""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlx.utils import tree_flatten

from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model import exported, machine, models, prompts, rows, tasks
from operations.model.learning import multitask, tuning
from operations.model.learning.training import Example, Examples, Training, mean_loss
from operations.model.planning import arithmetic

if TYPE_CHECKING:
    from operations.model.plan_training import Parameters

FILE = "blue_team_training_config.json"
SCORED_AT_ONCE = 64


def plan(context: Context, parameters: Parameters) -> None:
    """Measures what the arithmetic needs, writes the configuration, reports what contradicts what."""
    shares = _shares(parameters)
    data = context.input(parameters.dataset)
    train, validation = (exported.file(data, name) for name in (exported.TRAINING, exported.VALIDATION))
    exported.file(data, exported.TEST)
    counted, labels = exported.labels(train, parameters.tasks)
    validation_rows, _ = exported.labels(validation, parameters.tasks)
    asked = _configuration(context, parameters, shares, counted, validation_rows, labels[tasks.FIRST])
    path = context.output(FILE)
    configurations.write_planned(path, asked)
    context.measure("rows", counted)
    context.measure("validation_rows", validation_rows)
    context.measure("classes", {task: len(known) for task, known in labels.items()})
    context.measure("shares", {str(task): share for task, share in shares.items()})
    _values(context, asked)
    found = _try(context, parameters, asked, train, validation)
    _check(context, arithmetic.Arithmetic(asked, found))
    context.measure("valid", configurations.read(path) == asked)
    context.artefact("configuration", path)


def _shares(parameters: Parameters) -> dict[tasks.Task, float]:
    """Each task's share of the samples, in the tasks' order; they add up to 1."""
    if parameters.tasks[0] != tasks.FIRST or len(set(parameters.tasks)) != len(parameters.tasks):
        raise Refusal(f"tasks: {tasks.FIRST} comes first, and each is named once")
    others = parameters.tasks[1:]
    if not others:
        return {tasks.FIRST: 1.0}
    rest = (1 - parameters.first_share) / len(others)
    return {tasks.FIRST: parameters.first_share, **dict.fromkeys(others, rest)}


def _configuration(
    context: Context,
    parameters: Parameters,
    shares: dict[tasks.Task, float],
    counted: int,
    validation_rows: int,
    labels: tuple[str, ...],
) -> configurations.Configuration:
    data = context.inside(parameters.dataset.path)
    # Checkpoints, TensorBoard's files and the model itself stand with the jobs that make them.
    jobs = str(context.root / "jobs")
    return configurations.Configuration(
        model=configurations.Model(
            sha256=parameters.model.sha256,
            method=parameters.method,
            rank=parameters.rank,
            adapted_layers=parameters.adapted_layers,
            length=parameters.length,
        ),
        data=configurations.Data(
            rows=counted,
            labels=labels,
            dataset_sha256=parameters.dataset.sha256,
            validation_rows=validation_rows,
            tasks=shares,
        ),
        hyperparameters=configurations.Hyperparameters(
            learning_rate=parameters.learning_rate,
            batch_size=parameters.batch,
            max_steps=parameters.steps,
            warmup_steps=parameters.warmup,
            schedule=parameters.schedule,
            weight_decay=parameters.weight_decay,
            clip=parameters.clip,
            seed=parameters.seed,
            num_epochs=parameters.epochs,
            gradient_accumulation_steps=parameters.accumulation,
        ),
        checkpointing=configurations.Checkpointing(
            save_every=parameters.save_every, resume_every=parameters.resume_every, keep_last_n=parameters.keep
        ),
        monitoring=configurations.Monitoring(
            log_every=parameters.log_every,
            eval_every=parameters.eval_every,
            tensorboard=parameters.tensorboard,
            validation_samples=parameters.validation_samples,
        ),
        hardware=configurations.Hardware(
            gpu=parameters.gpu, mixed_precision=parameters.mixed_precision, distributed=parameters.distributed
        ),
        names=configurations.Names(
            name=parameters.name,
            path=str(context.inside(parameters.model.path)),
            output_name=parameters.output_name,
            output_path=jobs,
            train=str(data / exported.TRAINING),
            validation=str(data / exported.VALIDATION),
            test=str(data / exported.TEST),
            checkpoint_dir=jobs,
            tensorboard_dir=jobs,
        ),
    )


def _values(context: Context, asked: configurations.Configuration) -> None:
    hyper = asked.hyperparameters
    context.measure("steps", hyper.max_steps)
    context.measure("batch", hyper.batch_size)
    context.measure("learning_rate", hyper.learning_rate)
    context.measure("method", asked.model.method)


def _try(
    context: Context, parameters: Parameters, asked: configurations.Configuration, train: Path, validation: Path
) -> arithmetic.Found:
    """Two steps on the first rows, the second one timed, and an evaluation of some rows."""
    loaded = models.load(context.input(parameters.model))
    weights = models.count(loaded.model)[0]
    form = prompts.format_for(loaded.tokenizer, parameters.length)
    some = _first(train, parameters.sampled)
    lengths = [len(form.before) + len(form.encode(row.event)) + len(form.after) for row in some]
    cut = sum(length > parameters.length for length in lengths)
    context.measure("longest", max(lengths))
    context.measure("cut", cut / len(some), n=len(some), count=cut)
    source = Examples(tuning.examples(form, some), parameters.batch, parameters.seed)
    trial = Training(loaded.model, asked, source, precision=multitask.precision(context, asked))
    taken = list(trial.steps(2))
    last = taken[-1]
    fine = all(math.isfinite(step.loss) and math.isfinite(step.norm) for step in taken)
    context.measure("trained", trial.trained)
    context.measure("dry_run", fine)
    context.measure("dry_run_loss", last.loss)
    if not fine:
        raise Refusal(f"the dry run's loss or gradient is not finite: {last.loss}, {last.norm}")
    context.log(f"dry run: two steps, loss {last.loss:.4f}, the second in {last.seconds:.2f} s")
    scored = tuning.examples(form, _first(validation, parameters.timed))
    return arithmetic.Found(
        rows=asked.data.rows,
        validation_rows=asked.data.validation_rows,
        weights=weights,
        checkpoint=_bytes(models.weights_of(trial.model)),
        state=_bytes(trial.weights()) + _bytes(trial.optimizer_state()),
        free=shutil.disk_usage(context.root).free,
        step_seconds=last.seconds * parameters.accumulation,
        evaluation_rate=_rate(trial, scored),
        gpu=machine.has_gpu(),
    )


def _first(path: Path, limit: int) -> list[rows.Row]:
    return list(itertools.islice(rows.each(path, tasks.FIRST), limit))


def _rate(trial: Training, scored: Sequence[Example]) -> float:
    """Rows a second whose loss is taken; once before, so that nothing is built meanwhile."""
    for _ in range(2):
        start = time.perf_counter()
        mean_loss(trial.model, trial.head, scored, SCORED_AT_ONCE)
        seconds = time.perf_counter() - start
    return len(scored) / seconds


def _bytes(arrays: Mapping[str, object]) -> int:
    return sum(int(array.nbytes) for _, array in tree_flatten(arrays))


def _check(context: Context, sums: arithmetic.Arithmetic) -> None:
    found = sums.found
    scored = min(found.validation_rows, sums.asked.monitoring.validation_samples)
    context.measure("epochs", sums.epochs)
    context.measure("checkpoint_size", found.checkpoint / 1e9)
    context.measure("disk_needed", sums.disk / 1e9)
    context.measure("disk_free", found.free / 1e9)
    context.measure("step_seconds", found.step_seconds)
    context.measure("training_days", sums.training_days)
    context.measure("evaluation_rate", found.evaluation_rate)
    context.measure("evaluation_days", sums.evaluation_days(scored))
    context.measure("evaluation_days_all", sums.evaluation_days(found.validation_rows))
    sentences = sums.contradictions()
    context.measure("contradictions", len(sentences))
    context.measure("contradiction", "; ".join(sentences) or "none")
    for sentence in sentences:
        context.log(sentence, "warning")
