"""Loss curves of a task by round, as its jobs' events have them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from console.conductor.verbs import Conductor
from console.conductor.view import JobView, TaskView, chain
from operations.events import Metric, decode_lines
from operations.report import Chart, Series

_LOSS = "loss"


def chart(conductor: Conductor, task: TaskView) -> Chart | None:
    """The training losses of every round over the same steps; None for a task without any.

    Within a round the last attempt counts, with those that it continues; at a step that two of them have, the later.
    """
    series = []
    rounds = sorted({job.round for job in task.jobs})
    for number in rounds:
        points = _points(conductor, chain([job for job in task.jobs if job.round == number]))
        if points:
            series.append(Series(f"round {number}" if len(rounds) > 1 else "training loss", points))
    return Chart(f"{task.id}: loss", "step", "loss", tuple(series)) if series else None


def _points(conductor: Conductor, jobs: list[JobView]) -> tuple[tuple[float, float], ...]:
    by_step: dict[int, float] = {}
    for job in jobs:
        for metric in _losses(conductor.events_file(job)):
            by_step[metric.step] = math.nan if metric.value is None else metric.value
    return tuple((float(step), by_step[step]) for step in sorted(by_step))


def _losses(file: Path) -> Iterator[Metric]:
    """None where the file can't be had: what it pins is the audit's to say."""
    try:
        with file.open("rb") as lines:
            for event in decode_lines(iter(lines)):
                if isinstance(event, Metric) and event.name == _LOSS:
                    yield event
    except OSError:
        return
