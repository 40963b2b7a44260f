"""Puts every training sample to a teacher and keeps what it thinks of the labels, a chunk at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from operations.contract import Context, Refusal
from operations.dataset import store as patterns
from operations.files import write_atomic
from operations.model import exported, models, rows, tasks
from operations.model.distillation import soft_store, teachers
from operations.model.learning import states
from operations.model.soft_labels import TASKS
from operations.model.tasks import Task

if TYPE_CHECKING:
    from operations.model.soft_labels import Parameters


class Stopped(Exception):
    """The job was asked to end; the chunk it was at is given up."""


@dataclass(slots=True)
class Counts:
    """What the finished chunks add up to."""

    rows: int = 0
    cut: int = 0
    right: Counter[Task] = field(default_factory=Counter)
    outside: dict[Task, float] = field(default_factory=dict)
    joint: dict[Task, Counter[tuple[str, str]]] = field(default_factory=dict)
    untold: bool = False
    """True once a sample has no attack_type."""


class Labelling:
    """One attempt at a dataset's soft labels."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        loaded = models.load(context.input(parameters.teacher))
        self.file = exported.file(context.input(parameters.dataset), exported.TRAINING)
        if not loaded.length:
            raise Refusal("the teacher's checkpoint does not say how long its inputs were")
        self.length = loaded.length
        self.teachers = [teachers.Teacher(loaded, task, self.length, parameters.top) for task in parameters.tasks]
        self.made_with = {
            "teacher": parameters.teacher.sha256,
            "dataset": parameters.dataset.sha256,
            "tasks": ", ".join(parameters.tasks),
            "top": str(parameters.top),
            "samples": str(parameters.samples),
            "chunk": str(parameters.chunk),
        }
        self.counts = Counts(
            outside=dict.fromkeys(parameters.tasks, 0.0), joint={task: Counter() for task in parameters.tasks}
        )
        self.fresh = 0

    def go(self) -> None:
        """Labels chunk by chunk, then puts the arrays together."""
        context, began = self.context, time.perf_counter()
        kept, chunks, resumed = self._kept(), [], 0
        total = self._total()
        source = self._rows()
        chunked = iter(lambda: tuple(islice(source, self.parameters.chunk)), ())
        for number, some in enumerate(chunked):
            path = kept.get(number)
            if path is None:
                try:
                    path = self._chunk(number, some)
                except Stopped:
                    context.stopped(f"asked to end after {self.counts.rows:,} of {total:,} samples")
                    return
            else:
                resumed += 1
            self._count(path, some)
            chunks.append(path)
            context.progress(self.counts.rows, total, "samples")
            context.log(f"{self.counts.rows:,} of {total:,} samples labelled")
        if not chunks:
            raise Refusal(f"{self.file.name} has no rows")
        self._write(chunks)
        self._report(time.perf_counter() - began, resumed)

    def _rows(self) -> Iterator[rows.Row]:
        found = rows.each(self.file, self.parameters.tasks[0])
        return islice(found, self.parameters.samples) if self.parameters.samples else found

    def _total(self) -> int:
        with self.file.open("rb") as stream:
            lines = sum(1 for line in stream if line.strip())
        return min(lines, self.parameters.samples or lines)

    def _kept(self) -> dict[int, Path]:
        """The chunks of earlier attempts that are whole. Raises Refusal if they are of other soft labels."""
        found: dict[int, Path] = {}
        for artefact in (a for a in self.context.resume if a.name == "chunk"):
            try:
                path = self.context.input(artefact)
                then = soft_store.made_with(path)
            except (Refusal, OSError, ValueError, KeyError) as error:
                self.context.log(f"{artefact.path} is not used: {error}", "warning")
                continue
            states.check(artefact, then, self.made_with)
            found[int(path.stem.removeprefix("chunk-"))] = path
        return found

    def _chunk(self, number: int, some: Sequence[rows.Row]) -> Path:
        if missing := next((place for place, row in enumerate(some, 1) if row.id == ""), 0):
            line = number * self.parameters.chunk + missing
            raise Refusal(f"sample {line} of {self.file.name} has no id: no soft label could be found again")
        events = [self.teachers[0].form.encode(row.event)[: self.length] for row in some]
        arrays: dict[str, Any] = {
            "ids": np.array([str(row.id).encode() for row in some]),
            "offsets": np.concatenate([[0], np.cumsum([len(event) for event in events])]).astype(np.int64),
            "events": np.concatenate([np.array(event, np.int32) for event in events]),
        }
        for teacher in self.teachers:
            label = np.array([teacher.index(row) for row in some], np.int32)
            taught = soft_store.Taught(
                label,
                np.empty((len(some), teacher.places, teacher.kept), np.int32),
                np.empty((len(some), teacher.places, teacher.kept), np.float32),
                np.empty((len(some), teacher.places), np.float32),
            )
            for chosen, found in teacher.ask(events, label, self.parameters.batch):
                if self.context.stopping:
                    raise Stopped
                taught.tokens[chosen], taught.logits[chosen] = found.tokens, found.logits
                taught.logsumexp[chosen] = found.logsumexp
                self.fresh += len(chosen)
            values = (taught.label, taught.tokens, taught.logits, taught.logsumexp)
            arrays |= dict(zip(soft_store.names(teacher.task), values, strict=True))
        path = self.context.output(f"chunk-{number:06d}.npz")
        write_atomic(path, soft_store.pack(arrays, self.made_with))
        self.context.artefact("chunk", path, step=number)
        return path

    def _count(self, path: Path, some: Sequence[rows.Row]) -> None:
        """Adds a chunk to the counts. Raises Refusal if it is of other samples than those of its rows."""
        counts = self.counts
        with np.load(path, allow_pickle=False) as arrays:
            if arrays["ids"].tolist() != [str(row.id).encode() for row in some]:
                raise Refusal(f"{path.name} is of other samples than {self.file.name}")
            sizes = np.diff(arrays["offsets"])
            for teacher in self.teachers:
                taught = soft_store.Taught(*(arrays[name] for name in soft_store.names(teacher.task)))
                counts.right[teacher.task] += teachers.right(taught, teacher.paths, teacher.answers)
                counts.outside[teacher.task] += float(teachers.outside(taught).sum())
                counts.joint[teacher.task].update((row.attack_type, getattr(row, teacher.task)) for row in some)
        room = min(self.length - len(t.form.before) - len(t.form.after) for t in self.teachers)
        counts.cut += int((sizes > room).sum())
        counts.rows += len(some)
        counts.untold = counts.untold or not all(row.attack_type for row in some)

    def _write(self, chunks: Sequence[Path]) -> None:
        index = soft_store.Index(
            teacher=self.parameters.teacher.sha256,
            dataset=self.parameters.dataset.sha256,
            file=self.file.name,
            rows=self.counts.rows,
            length=self.length,
            tasks={teacher.task: teacher.known for teacher in self.teachers},
        )
        path = self.context.output("soft_labels")
        with models.whole_directory(path) as new:
            soft_store.assemble(new, index, chunks)
        if double := soft_store.twice(soft_store.Store(path).ids):
            raise Refusal(f"sample {double} stands in {self.file.name} more than once: an id has to name one sample")
        made = self.context.artefact("soft_labels", path)
        self.context.measure("size", made.size / 1e6)
        for chunk in chunks:
            if chunk.is_relative_to(self.context.directory):
                chunk.unlink()

    def _report(self, seconds: float, resumed: int) -> None:
        context, counts = self.context, self.counts
        context.measure("samples", counts.rows)
        context.measure("labels", counts.rows * len(self.teachers))
        context.measure("teacher", self.parameters.teacher.sha256)
        if self.fresh:
            context.measure("rate", self.fresh / seconds)
        else:
            context.measure("rate", None, reason="earlier attempts had made all of them")
        context.measure("cut", counts.cut)
        context.measure("resumed", resumed)
        context.measure("duration", seconds)
        context.measure("outside", {task: value / counts.rows for task, value in counts.outside.items()})
        context.measure("places", {teacher.task: teacher.places for teacher in self.teachers})
        for task in TASKS:
            if task in counts.joint:
                found = counts.right[task]
                context.measure(f"{task}_accuracy", found / counts.rows, n=counts.rows, count=found)
            else:
                context.measure(f"{task}_accuracy", None, reason="the teacher was not asked for it")
        self._report_information()

    def _report_information(self) -> None:
        if self.counts.untold:
            self.context.measure("information", None, reason=f"not every sample has its {tasks.FIRST}")
            return
        told: dict[str, int | float | None] = {}
        for task, joint in self.counts.joint.items():
            whole, shared = patterns.entropy(patterns.totals(joint, 1).values()), patterns.information(joint)
            told[task] = round(whole, 4)
            told[f"{task} told by {tasks.FIRST}"] = round(shared, 4)
            self.context.log(f"{task}: {whole:.3f} bits, of which {tasks.FIRST} tells {shared:.3f}")
        self.context.measure("information", told)


def label(context: Context, parameters: Parameters) -> None:
    """Labels the samples, or goes on after the last whole chunk."""
    Labelling(context, parameters).go()
