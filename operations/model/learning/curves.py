"""A training's curves: the learning rate as a metric, and all of it as TensorBoard's files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model.learning import states, tensorboard
from operations.model.learning.training import Step
from operations.model.learning.validating import Scored

NAME = "tensorboard"


class Curves:
    """Tells the learning rate every ``every`` steps and, where ``files``, writes all curves for TensorBoard."""

    def __init__(self, context: Context, settings: configurations.Hyperparameters, every: int, *, files: bool) -> None:
        self._context, self._settings, self._every, self._files = context, settings, every, files
        self._writer: tensorboard.Writer | None = None
        self._seconds = 0.0
        self._tokens = 0

    def began(self, record: states.Record) -> None:
        """Begins a file with what the attempt before wrote up to the step that this one goes on from."""
        if not self._files:
            return
        before = self._before()
        with self._optional():
            self._writer = tensorboard.Writer(self._context.output(NAME), time.time())
            for file in before:
                self._writer.take_over(file, len(record.losses))

    def stepped(self, step: Step) -> None:
        """Adds a step."""
        self._seconds += step.seconds
        self._tokens += step.tokens
        self._scalar("loss/train", step.loss, step.step)
        if step.step % self._every and step.step != self._settings.max_steps:
            return
        rate = configurations.learning_rate(step.step, self._settings)
        self._context.metric("learning_rate", rate, step.step)
        self._scalar("learning_rate", rate, step.step)
        self._scalar("tokens_per_second", self._tokens / self._seconds, step.step)
        self._seconds, self._tokens = 0.0, 0
        if self._writer:
            with self._optional():
                self._writer.flush()

    def validated(self, step: int, scored: Scored) -> None:
        """Adds a validation, each task as a curve of its own."""
        self._scalar("loss/validation", scored.loss, step)
        for task, value in scored.by_task.items():
            self._scalar(f"accuracy/{task}", value, step)

    def ended(self) -> None:
        """Ends the file and makes the directory an artefact."""
        if self._writer:
            with self._optional():
                self._writer.close()
                self._context.artefact(NAME, self._writer.path.parent)

    def _scalar(self, tag: str, value: float, step: int) -> None:
        if self._writer:
            with self._optional():
                self._writer.scalar(tag, value, step, time.time())

    @contextmanager
    def _optional(self) -> Iterator[None]:
        """Curves are for looking at: where they can't be written the training goes on without."""
        try:
            yield
        except OSError as error:
            self._writer = None
            self._context.log(f"no TensorBoard files from here on: {error}", "warning")

    def _before(self) -> list[Path]:
        """The files of the latest earlier attempt; it took over those before it."""
        for artefact in reversed(self._context.resume):
            try:
                directory = self._context.inside(artefact.path).parent / NAME
            except Refusal:
                continue
            if directory.is_dir():
                return sorted(directory.glob("events.out.tfevents.*"))
        return []
