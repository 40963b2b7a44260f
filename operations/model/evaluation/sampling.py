"""The rows that are evaluated, as a stream that can be read again and again, and the rows that training had."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from operations.contract import Refusal
from operations.dataset import leaks, ngrams
from operations.model import exported, rows
from operations.model.rows import Row
from operations.model.tasks import Task

Split: TypeAlias = Literal["training", "validation", "test"]
SEED = 1
"""Of the choice of samples, so that every model is asked the same ones."""


def split_file(directory: Path, split: Split) -> Path:
    """The file of a split in an exported data set. Raises Refusal if it is not there."""
    names = {"training": exported.TRAINING, "validation": exported.VALIDATION, "test": exported.TEST}
    return exported.file(directory, names[split])


class Sample:
    """``total`` rows of a file, all or a choice by seed, in the file's order; ``labels`` are those of all its rows.

    Raises Refusal at a row that can't be used, or if there is none.
    """

    def __init__(self, path: Path, task: Task | None, samples: int = 0) -> None:
        self._path, self._task = path, task
        marks, labels = array("Q"), set()
        for row in rows.each(path, task):
            labels.add(row.completion)
            marks.append(leaks.mark(row.shown))
        if not marks:
            raise Refusal(f"{path.name} has no rows")
        self.labels = labels
        self.marks: leaks.Marks = np.array(marks, np.uint64)
        self._chosen: np.ndarray[Any, np.dtype[np.bool_]] | None = None
        if 0 < samples < len(marks):
            self._chosen = np.zeros(len(marks), np.bool_)
            self._chosen[np.random.default_rng(SEED).choice(len(marks), samples, replace=False)] = True
            self.marks = self.marks[self._chosen]
        self.total = len(self.marks)

    def __iter__(self) -> Iterator[Row]:
        for number, row in enumerate(rows.each(self._path, self._task)):
            if self._chosen is None or self._chosen[number]:
                yield row

    def chunks(self, size: int) -> Iterator[list[Row]]:
        """The rows in lists of ``size``, the last one shorter."""
        return ngrams.chunks(self, size)


class Training:
    """What training had: ``labels``, how many ``rows``, and which of the marks of a sample are among them."""

    def __init__(self, path: Path, task: Task | None, sample: Sample) -> None:
        self._path, self._task = path, task
        self.labels: set[str] = set()
        self.rows = 0
        self.leaked = int(leaks.seen(sample.marks, self._payloads()).sum())

    def _payloads(self) -> Iterator[str]:
        for row in rows.each(self._path, self._task):
            self.labels.add(row.completion)
            self.rows += 1
            yield row.shown

    def examples(self, limit: int = 0) -> Iterator[ngrams.Example]:
        """Payloads and labels, the first ``limit`` or all."""
        for number, row in enumerate(rows.each(self._path, self._task)):
            if limit and number >= limit:
                return
            yield row.shown, row.completion
