"""What model.finetune trains on what: its rows in memory, its settings, driven as every training is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model import models, prompts, rows, tasks
from operations.model.learning import driving
from operations.model.learning.training import Example, Examples, Training
from operations.model.learning.validating import Bounded, Questions

if TYPE_CHECKING:
    from operations.model.finetune import Parameters


def settings(parameters: Parameters, given: configurations.Configuration) -> configurations.Configuration:
    """The configuration with the parameters that are set put over it."""
    sections: dict[str, dict[str, Any]] = {
        "model": {"method": parameters.method, "length": parameters.length},
        "hyperparameters": {
            "learning_rate": parameters.learning_rate,
            "batch_size": parameters.batch,
            "max_steps": parameters.steps,
            "seed": parameters.seed,
        },
        "checkpointing": {"save_every": parameters.save_every, "resume_every": parameters.resume_every},
    }
    for name, values in sections.items():
        chosen = {key: value for key, value in values.items() if value is not None}
        section = msgspec.structs.replace(getattr(given, name), **chosen)
        given = msgspec.structs.replace(given, **{name: section})
    return given


def examples(form: prompts.Format, some: Sequence[rows.Row]) -> list[Example]:
    """The rows as tokens."""
    return [Example(tuple(form.prompt(row.prompt)[0]), tuple(form.label(row.completion))) for row in some]


def finetune(context: Context, parameters: Parameters) -> None:
    """Trains, or goes on where a stopped attempt ended."""
    given = configurations.Configuration()
    if parameters.configuration:
        given = configurations.read(context.input(parameters.configuration))
    chosen = settings(parameters, given)
    _same_inputs(chosen, parameters)
    loaded = models.load(context.input(parameters.model))
    train = rows.read(context.input(parameters.train))
    validation = rows.read(context.input(parameters.validation)) if parameters.validation else ()
    labels = rows.labels(train)
    form = prompts.format_for(loaded.tokenizer, chosen.model.length)
    hyper = chosen.hyperparameters
    training = Training(loaded.model, chosen, Examples(examples(form, train), hyper.batch_size, hyper.seed))
    inputs = {"base model": parameters.model.sha256, "training rows": parameters.train.sha256}
    work = driving.Work(
        training=training,
        loaded=loaded,
        labels={tasks.FIRST: labels},
        made_with=driving.made_with(context, chosen, inputs),
        validation=_validation(form, labels, _bounded(validation, parameters.validation_samples, hyper.seed)),
        log_every=parameters.log_every,
        eval_every=None,
        samples=hyper.batch_size,
    )
    driving.Driver(context, work).go()


def _same_inputs(chosen: configurations.Configuration, parameters: Parameters) -> None:
    for what, planned, real in (
        ("base model", chosen.model.sha256, parameters.model.sha256),
        ("training rows", chosen.data.train_sha256, parameters.train.sha256),
    ):
        if planned and planned != real:
            raise Refusal(f"the configuration is for other {what}: SHA-256 {planned}, given {real}")


def _bounded(validation: tuple[rows.Row, ...], limit: int, seed: int) -> tuple[rows.Row, ...]:
    """The same rows at every checkpoint of every attempt."""
    if len(validation) <= limit:
        return validation
    chosen = np.random.default_rng(seed).permutation(len(validation))[:limit]
    return tuple(validation[i] for i in sorted(chosen.tolist()))


def _validation(form: prompts.Format, labels: tuple[str, ...], some: tuple[rows.Row, ...]) -> Bounded | None:
    if not some:
        return None
    questions = Questions(
        form=form,
        labels=tuple(sorted({*labels, *rows.labels(some)})),
        asked=[form.prompt(row.prompt)[0] for row in some],
        right=[row.completion for row in some],
    )
    return Bounded(examples(form, some), {tasks.FIRST: questions})
