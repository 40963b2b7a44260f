"""Looks at what a training has left: the curve in its events, and the checkpoint in a process that has not made it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from operations import events, job
from operations.contract import Context, Refusal
from operations.model import models, prompts, scoring
from operations.model.evaluation.sampling import Sample, split_file
from operations.model.evaluation.trying import LENGTH, SHOWN
from operations.model.learning import losses
from operations.model.oversight.attempts import Run, run_of

if TYPE_CHECKING:
    from operations.model.validate import Parameters

LAST = 100
"""Steps whose mean is the loss at the end."""
DAY = 86_400
TOKENS = 16


def validate(context: Context, parameters: Parameters) -> None:
    """Reports the training's figures, then the checkpoint's."""
    if not parameters.training.jobs:
        raise Refusal("there is no training to validate")
    run = run_of([context.observed(name) for name in parameters.training.jobs])
    _figures(context, run)
    _reported(context, [attempt.directory for attempt in run.attempts])
    _ask(context, parameters)


def _figures(context: Context, run: Run) -> None:
    curve, done = run.losses, run.steps[-1] if run.steps else 0
    context.measure("steps", done)
    context.measure("steps_planned", run.total, reason="" if run.total is not None else "the training has not said")
    context.measure("complete", run.state == "done" and done == run.total)
    if curve:
        first, last = losses.initial(curve), losses.final(curve, LAST)
        values: tuple[float | None, ...] = (first, last, first - last, run.elapsed[done] / DAY)
        context.log(f"{done:,} steps: loss {first:.4f} at the start, {last:.4f} over the last {min(LAST, len(curve))}")
    else:
        values = (None, None, None, None)
    for name, value in zip(("initial_loss", "final_loss", "loss_reduction", "duration"), values, strict=True):
        context.measure(name, value, reason="" if curve else "no step was taken")
    not_finite = sum(not math.isfinite(loss) for loss in curve)
    context.measure("errors", sum(a.errors for a in run.attempts) + run.failed + run.lost + not_finite)


def _reported(context: Context, directories: Sequence[Path]) -> None:
    """The newest validation accuracy that an attempt measured."""
    for directory in reversed(directories):
        with (directory / job.EVENTS).open("rb") as stream:
            told = [e for e in events.decode_lines(stream) if isinstance(e, events.Measured) and e.n]
        for event in reversed(told):
            if event.name == "val_accuracy" and event.count is not None and event.n:
                context.measure("val_accuracy", event.count / event.n, n=event.n, count=event.count)
                return
    context.measure("val_accuracy", None, reason="the training measured none")


def _ask(context: Context, parameters: Parameters) -> None:
    path = context.input(parameters.model)
    context.measure("checkpoint", path.name)
    sample = Sample(split_file(context.input(parameters.dataset), "validation"), parameters.task, parameters.samples)
    start = time.perf_counter()
    try:
        loaded = models.load(path)
        context.measure("load_seconds", time.perf_counter() - start)
        _answer(context, parameters, loaded, sample)
    except (ArithmeticError, Refusal) as error:
        context.measure("loaded", False)
        raise Refusal(f"{path.name} is no model that answers: {error}") from None


def _answer(context: Context, parameters: Parameters, loaded: models.Loaded, sample: Sample) -> None:
    form = prompts.format_for(loaded.tokenizer, loaded.length or LENGTH, parameters.task)
    labels = sorted({*loaded.tasks.get(parameters.task, ()), *sample.labels})
    scorer = scoring.Scorer(loaded.model, form, labels)
    some = next(sample.chunks(sample.total))
    asked = [ids for ids, _ in form.prompts([row.prompt for row in some])]
    right = done = 0
    for scores in scorer.score(asked, parameters.batch):
        right += sum(labels[score.label] == some[score.index].completion for score in scores)
        done += len(scores)
        context.progress(done, sample.total, "rows of validation")
    context.measure("accuracy", right / done, n=done, count=right)
    tokens = max(TOKENS, *map(len, scorer.answers))
    (answer,) = scoring.generate(loaded.model, loaded.tokenizer, asked[:1], tokens)
    context.measure("answer", answer[:SHOWN])
    context.measure("expected", some[0].completion)
    context.measure("loaded", answer in labels)
    context.log(f"{loaded.path.name} loads and says {answer[:SHOWN]!r}; {right:,} of {done:,} rows of validation right")
