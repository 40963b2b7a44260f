"""Times one query after another: an event as text in, its label out."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from operations.contract import Context, Refusal
from operations.model import exported, machine, models, prompts, rows, scoring
from operations.model.distillation import quantising
from operations.model.latency import LEAST

if TYPE_CHECKING:
    from operations.model.latency import Parameters

QUERY = "text in, label out: tokenised, put into the prompt, one pass of the model, no cache of any part, batch 1"


def percentile(times: Sequence[float], percent: float) -> float:
    """The least of the times that ``percent`` of 100 of them do not exceed: one that was measured, none in between."""
    return float(np.percentile(np.asarray(times), percent, method="inverted_cdf"))


def latency(context: Context, parameters: Parameters) -> None:
    """Asks the events one at a time and reports how long each took."""
    path = context.input(parameters.model)
    began = time.perf_counter()
    loaded = models.load(path)
    context.measure("load", time.perf_counter() - began)
    task = quantising.only_task(loaded, parameters.task)
    form = prompts.format_for(loaded.tokenizer, loaded.length, task)
    scorer = scoring.Scorer(loaded.model, form, loaded.tasks[task])
    file = exported.file(context.input(parameters.dataset), exported.TEST)
    some = distinct(rows.each(file, task), parameters.events)
    if len(some) < LEAST:
        raise Refusal(
            f"{len(some)} distinct events to ask: with fewer than {LEAST} a 95th percentile decides nothing; "
            f"set events, or give a dataset with more in {file.name}"
        )
    for number in range(parameters.warm_up):
        answer(scorer, some[number % len(some)].event)
    times, right = [], 0
    for number, row in enumerate(some, 1):
        if context.stopping:
            context.stopped(f"asked to end after {number - 1} of {len(some)} events")
            return
        start = time.perf_counter_ns()
        label = answer(scorer, row.event)
        times.append((time.perf_counter_ns() - start) / 1e6)
        right += label == row.completion
        if number % 100 == 0 or number == len(some):
            context.progress(number, len(some), "events")
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
        context.measure(name, percentile(times, percent))
    context.measure("slowest", max(times))
    context.measure("events", len(some))
    context.measure("warm_up", parameters.warm_up)
    context.measure("accuracy", right / len(some), n=len(some), count=right)
    asked = [form.prompt(row.event) for row in some]
    sizes = [len(ids) for ids, _ in asked]
    context.measure("tokens", {"least": min(sizes), "median": float(np.median(sizes)), "most": max(sizes)})
    context.measure("cut", sum(cut for _, cut in asked))
    bits = quantising.written_bits(path)
    context.measure("stored_bits", bits)
    context.measure("served", served(bits))
    context.measure("query", QUERY)
    cores = os.cpu_count() or 1
    context.measure("busy", os.getloadavg()[0] / cores)
    context.measure("host", f"{platform.node()}, {cores} cores, {context.threads or 'all'} threads")
    context.measure("device", machine.device())
    context.log(
        f"{len(some)} events: median {percentile(times, 50):.2f} ms, 95 of 100 within {percentile(times, 95):.2f} ms, "
        f"{right} right; {served(bits)}"
    )


def distinct(source: Iterable[rows.Row], limit: int) -> list[rows.Row]:
    """The first ``limit`` rows with an event that none before them has."""
    found: dict[str, rows.Row] = {}
    for row in source:
        if len(found) == limit:
            break
        found.setdefault(row.event, row)
    return list(found.values())


def answer(scorer: scoring.Scorer, event: str) -> str:
    """One query: the likeliest label of an event."""
    ids, _ = scorer.form.prompt(event)
    ((score,),) = scorer.score([ids], 1)
    return scorer.labels[score.label]


def served(bits: int) -> str:
    """What computes the answers here, where the file holds weights of so many bits (0: not quantised)."""
    if not bits:
        return "float32, as in the file" if not machine.has_gpu() else "as in the file, not quantised"
    if machine.has_gpu():
        return f"{bits} bits, as in the file"
    return f"float32, made from the file's {bits} bits at load: a CPU computes with no fewer"
