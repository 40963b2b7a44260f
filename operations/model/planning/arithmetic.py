"""What a training's configuration comes to, and where it contradicts itself, the data or the host. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from operations.model.configuration import Configuration

DAY = 86_400.0
STATES = 3
"""States on the disk at most: the two that are kept, and the one being written."""
BESIDES = 2
"""Checkpoints beside the last ones that are kept: the best, and the one being written."""
EVALUATION_SHARE = 0.1
"""Of the training's own time that its evaluations may take before the two contradict each other."""
SLACK = 0.01
"""By which the steps may miss the epochs: a last batch that is not full."""
NAMED_WITHIN = 2.0
"""How far a model's weights may be, by a factor, from the number in its name."""


def disk(asked: Configuration, checkpoint: int, state: int) -> int:
    """Bytes that the checkpoints and states of a training take at most, each of the size given in bytes."""
    saving = asked.checkpointing
    kept = saving.keep_last_n or math.ceil(asked.hyperparameters.max_steps / saving.save_every)
    return (kept + BESIDES) * checkpoint + STATES * state


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted and measured: rows, weights, sizes in bytes, seconds a step, rows a second of an evaluation."""

    rows: int
    validation_rows: int
    weights: int
    checkpoint: int
    state: int
    free: int
    step_seconds: float
    evaluation_rate: float
    gpu: bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A configuration beside what was found."""

    asked: Configuration
    found: Found

    @property
    def samples_a_step(self) -> int:
        """Rows that a step takes."""
        hyper = self.asked.hyperparameters
        return hyper.batch_size * hyper.gradient_accumulation_steps

    @property
    def epochs(self) -> float:
        """How often the steps go through the rows."""
        return self.asked.hyperparameters.max_steps * self.samples_a_step / self.found.rows

    @property
    def training_days(self) -> float:
        """The steps' own time."""
        return self.asked.hyperparameters.max_steps * self.found.step_seconds / DAY

    @property
    def evaluations(self) -> int:
        """How often it is evaluated."""
        return self.asked.hyperparameters.max_steps // self.asked.monitoring.eval_every

    def evaluation_days(self, rows: int) -> float:
        """The time of all evaluations, each of so many rows."""
        return self.evaluations * rows / self.found.evaluation_rate / DAY

    @property
    def disk(self) -> int:
        """Bytes that checkpoints and states take at most."""
        return disk(self.asked, self.found.checkpoint, self.found.state)

    def contradictions(self) -> list[str]:
        """A sentence each, with the figure that would be right."""
        every = (
            self._epochs(),
            self._warmup(),
            *self._intervals(),
            self._evaluation(),
            self._disk(),
            *self._hardware(),
        )
        return [sentence for sentence in (*every, self._name()) if sentence]

    def _epochs(self) -> str:
        hyper, rows = self.asked.hyperparameters, self.found.rows
        wanted = hyper.num_epochs
        if not wanted or abs(self.epochs - wanted) <= SLACK * wanted:
            return ""
        steps = math.ceil(wanted * rows / self.samples_a_step)
        return (
            f"{hyper.max_steps:,} steps of {self.samples_a_step:,} are {self.epochs:,.2f} epochs of {rows:,} rows, "
            f"not {wanted}: {wanted} are {steps:,} steps"
        )

    def _warmup(self) -> str:
        hyper = self.asked.hyperparameters
        if not hyper.warmup_steps or hyper.warmup_steps < hyper.max_steps:
            return ""
        return (
            f"{hyper.warmup_steps:,} steps of warm-up leave none of {hyper.max_steps:,} at the full learning rate: "
            f"a tenth are {hyper.max_steps // 10:,}"
        )

    def _intervals(self) -> list[str]:
        steps = self.asked.hyperparameters.max_steps
        named = {
            "save_every": self.asked.checkpointing.save_every,
            "eval_every": self.asked.monitoring.eval_every,
            "log_every": self.asked.monitoring.log_every,
        }
        return [
            f"{name} {every:,} is beyond the last of {steps:,} steps: at most {steps:,}"
            for name, every in named.items()
            if every > steps > 0
        ]

    def _evaluation(self) -> str:
        rows, bound = self.found.validation_rows, self.asked.monitoring.validation_samples
        whole = self.evaluation_days(rows)
        room = EVALUATION_SHARE * self.training_days
        if whole <= room:
            return ""
        right = int(room / self.evaluation_days(1))
        return (
            f"all {rows:,} validation rows every {self.asked.monitoring.eval_every:,} steps take {_time(whole)} at "
            f"{self.found.evaluation_rate:,.0f} rows/s, the steps themselves {_time(self.training_days)}: "
            f"{right:,} rows take a tenth of that ({min(rows, bound):,} are scored)"
        )

    def _disk(self) -> str:
        if self.disk <= self.found.free:
            return ""
        room = self.found.free - STATES * self.found.state
        right = max(0, room // self.found.checkpoint - BESIDES)
        return (
            f"checkpoints of {self.found.checkpoint / 1e9:,.3g} GB and what goes with them "
            f"need {self.disk / 1e9:,.3g} GB, {self.found.free / 1e9:,.3g} are free: keep_last_n can be {right}"
        )

    def _hardware(self) -> list[str]:
        hardware = self.asked.hardware
        if self.found.gpu:
            return []
        found = []
        if hardware.gpu:
            found.append("gpu is true, but MLX finds none here: false")
        if hardware.mixed_precision:
            found.append("mixed_precision is true, but a CPU computes in float32: false")
        return found

    def _name(self) -> str:
        named = re.search(r"(?<![\d.])(\d+(?:\.\d+)?)B\b", self.asked.names.name)
        if named is None or not float(named[1]):
            return ""
        ratio = self.found.weights / (float(named[1]) * 1e9)
        if 1 / NAMED_WITHIN <= ratio <= NAMED_WITHIN:
            return ""
        return f"{self.asked.names.name} has {self.found.weights:,} weights, not {named[1]} billion"


def _time(days: float) -> str:
    """A length of time in its own unit: ``24.1 days``, ``40 s``."""
    for unit, size in (("days", 1.0), ("h", 24.0), ("min", 1_440.0)):
        if days * size >= 1:
            return f"{days * size:,.3g} {unit}"
    return f"{days * DAY:,.2g} s"
