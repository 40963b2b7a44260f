"""The exported data set as a training finds it: its files by split, rows and labels by task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from operations.contract import Refusal
from operations.model.tasks import Task

TRAINING, VALIDATION, TEST = "training_8m.jsonl", "validation_1m.jsonl", "test_1m.jsonl"
"""The plan's names, however many rows the files have."""
FILES = (TRAINING, VALIDATION, TEST)


class _Labels(msgspec.Struct, frozen=True):
    attack_type: str = ""
    anomaly: str = ""
    family: str = ""
    evidence: str = ""
    severity: str = ""


_decoder = msgspec.json.Decoder(_Labels)


def file(directory: Path, name: str) -> Path:
    """One of its files. Raises Refusal if it is not there."""
    path = directory / name
    if not path.is_file():
        raise Refusal(f"{directory.name} is no exported data set: it has no {name}")
    return path


def labels(path: Path, tasks: Sequence[Task]) -> tuple[int, dict[Task, tuple[str, ...]]]:
    """How many rows a file has, and each task's labels in it, sorted. Holds one line at a time.

    Raises Refusal at the first line that is no row or lacks a task's label, and if there is none.
    """
    rows, met = 0, set()
    with path.open("rb") as stream:
        for rows, line in enumerate(stream, 1):
            try:
                row = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Refusal(f"{path.name} line {rows} is no row: {error}") from None
            if row not in met:
                if missing := next((task for task in tasks if not getattr(row, task)), None):
                    raise Refusal(f"{path.name} line {rows} has no label: {missing} is empty")
                met.add(row)
    if not rows:
        raise Refusal(f"{path.name} has no rows")
    return rows, {task: tuple(sorted({getattr(row, task) for row in met})) for task in tasks}
