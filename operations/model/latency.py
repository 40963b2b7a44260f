"""``model.latency``: how long one event takes from its text to its label."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation
from operations.model.tasks import Task

LEAST = 500
"""Distinct events below which a 95th percentile is no figure to decide by."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model as it is packaged, and the events."""

    model: Annotated[Artefact, Meta(description="the quantised model's directory")]
    dataset: Annotated[Artefact, Meta(description="the exported dataset, whose test events are asked")]
    task: Annotated[Task | None, Meta(description="what is asked; the model's only task if none is named")] = None
    events: Annotated[
        int, Meta(ge=1, description=f"distinct events to ask; fewer than {LEAST} are refused", extra=AMOUNT)
    ] = 1_000
    warm_up: Annotated[int, Meta(ge=0, description="events asked first that do not count", extra=AMOUNT)] = 50


def run(context: Context, parameters: Parameters) -> None:
    """Asks the events one at a time and reports how long each took."""
    from operations.model.distillation import timing

    timing.latency(context, parameters)


OPERATION = Operation(
    name="model.latency",
    about="Time a model as it is served: one event as text in, its label out, one at a time",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("p50", Kind.NUMBER, "the time that 50 of 100 events stay at or under", "ms"),
        Measure("p95", Kind.NUMBER, "the time that 95 of 100 events stay at or under", "ms"),
        Measure("p99", Kind.NUMBER, "the time that 99 of 100 events stay at or under", "ms"),
        Measure("slowest", Kind.NUMBER, "the longest time", "ms"),
        Measure("events", Kind.COUNT, "distinct events timed, each once"),
        Measure("warm_up", Kind.COUNT, "events asked before that, not counted"),
        Measure("accuracy", Kind.PROPORTION, "the timed answers that are right"),
        Measure("tokens", Kind.TABLE, "tokens of the timed inputs: least, median, most"),
        Measure("served", Kind.TEXT, "what computed the answers: the file's bits, or what it was made into at load"),
        Measure("stored_bits", Kind.COUNT, "bits a weight in the file; 0 is not quantised", "bits"),
        Measure("query", Kind.TEXT, "what one query is"),
        Measure("cut", Kind.COUNT, "timed events that were longer than the length and were cut"),
        Measure("load", Kind.NUMBER, "time to load the model, before all of it", "s"),
        Measure("busy", Kind.NUMBER, "what the host had to do at the end: its load average over a minute, a core"),
        Measure("host", Kind.TEXT, "the host's name and its cores"),
        Measure("device", Kind.TEXT, "what MLX computed on, and the linear algebra library"),
    ),
    uses="accelerator",
)
