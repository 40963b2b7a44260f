"""A model in a fresh process: does it load, how long does it take, what does it answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from operations.contract import Artefact, Context
from operations.model import machine, models, prompts, rows, scoring

if TYPE_CHECKING:
    from operations.model import baseline as baselines
    from operations.model import load as loads

LENGTH = 512
"""Tokens of an input at most, where the checkpoint says nothing."""
SHOWN = 200
QUESTION = "GET /index.html from 10.0.0.7"
"""What is asked where there are no rows."""


def baseline(context: Context, parameters: baselines.Parameters) -> None:
    """Loads, answers once, measures the machine, scores the rows."""
    loaded, form = _load(context, parameters.model, parameters.length)
    some = rows.read(context.input(parameters.validation))[: parameters.samples] if parameters.validation else ()
    _answer(context, loaded, form, some[0].prompt if some else QUESTION, parameters.tokens)
    context.measure("device", machine.device())
    context.measure("blas", machine.blas().name)
    speed = machine.blas_speed()
    context.measure("blas_speed", speed)
    context.log(f"{machine.device()}: {speed:.0f} GFLOP/s")
    if not some:
        for name in ("accuracy", "chance", "classes"):
            context.measure(name, None, reason="no rows were given")
    else:
        scorer = scoring.Scorer(loaded.model, form, rows.labels(some))
        asked = [form.prompt(row.prompt)[0] for row in some]
        right = sum(
            scorer.labels[score.label] == some[score.index].completion
            for scores in scorer.score(asked, 64)
            for score in scores
        )
        context.measure("accuracy", right / len(some), n=len(some), count=right)
        context.measure("chance", 1 / len(scorer.labels))
        context.measure("classes", len(scorer.labels))
        context.log(f"untrained: {right} of {len(some)} right, one in {len(scorer.labels)} by chance")
    context.measure("errors", 0)


def load(context: Context, parameters: loads.Parameters) -> None:
    """Loads a checkpoint and lets it answer once."""
    loaded, form = _load(context, parameters.model, 0)
    row = rows.read(context.input(parameters.validation))[0] if parameters.validation else None
    question = parameters.payload or (row.prompt if row else QUESTION)
    answer = _answer(context, loaded, form, question, parameters.tokens)
    context.measure("loaded", True)
    if row and not parameters.payload:
        context.measure("expected", row.completion)
    else:
        context.measure("expected", None, reason="no row was asked")
    if loaded.labels:
        context.measure("coherent", answer in loaded.labels)
    else:
        context.measure("coherent", None, reason="the model names no label set")
    context.measure("errors", 0)


def _load(context: Context, artefact: Artefact, length: int) -> tuple[models.Loaded, prompts.Format]:
    """Loads, and reports how long it took."""
    path = context.input(artefact)
    start = time.perf_counter()
    loaded = models.load(path)
    form = prompts.format_for(loaded.tokenizer, length or loaded.length or LENGTH)
    seconds = time.perf_counter() - start
    context.measure("load_seconds", seconds)
    context.measure("parameters", models.count(loaded.model)[0])
    context.log(f"Model loaded in {seconds:.2f} s")
    return loaded, form


def _answer(context: Context, loaded: models.Loaded, form: prompts.Format, question: str, tokens: int) -> str:
    ids, _ = form.prompt(question)
    start = time.perf_counter()
    (answer,) = scoring.generate(loaded.model, loaded.tokenizer, [ids], tokens)
    seconds = time.perf_counter() - start
    context.measure("answer_seconds", seconds)
    context.measure("answer", answer[:SHOWN])
    context.measure("resident", machine.resident())
    context.log(f"answered in {seconds:.3f} s: {answer[:SHOWN]!r}")
    return answer
