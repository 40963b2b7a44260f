"""The evidence that a training runs: what its first steps were like, told as soon as they are done."""

from __future__ import annotations

import math
import statistics
import time

from operations import job
from operations.contract import Context
from operations.model import machine
from operations.model.learning import states
from operations.model.learning.training import Step
from operations.model.learning.validating import Scored
from operations.model.oversight.attempts import Readings

FIRST = 100


class FirstSteps:
    """Reports ``runs``, ``first_gpu`` and ``errors`` of the first hundred steps, or of all where there are fewer."""

    def __init__(self, context: Context, total: int) -> None:
        self._context = context
        self._until = min(FIRST, total)
        self._started = time.time()
        self._record = states.Record()
        self._told = False

    def began(self, record: states.Record) -> None:
        """An attempt that goes on after these steps tells of them again, as they were."""
        self._record, self._started = record, time.time()
        if not self._until:
            self._context.measure("runs", None, reason="no step was asked for")
            self._context.measure("first_gpu", None, reason="no step was asked for")
        elif len(record.losses) >= self._until:
            self._tell()

    def stepped(self, step: Step) -> None:
        """At the last of them looks at what the host was like meanwhile."""
        if step.step == self._until:
            self._record.first_gpu = self._gpu()
            self._tell()

    def validated(self, step: int, scored: Scored) -> None:
        """Is no matter of the first steps."""

    def ended(self) -> None:
        """A run that ended before it had them did not run, unless it was asked to end."""
        if self._until and not self._told and not self._context.stopping:
            self._tell()

    def _tell(self) -> None:
        self._told = True
        losses = self._record.losses[: self._until]
        fine = len(losses) == self._until and all(map(math.isfinite, losses))
        self._context.measure("runs", fine)
        self._context.measure("errors", 0 if fine else 1)
        gpu = self._record.first_gpu
        reason = "no reading of a GPU while they were taken" if machine.has_gpu() else machine.NO_DEVICE
        self._context.measure("first_gpu", gpu, reason="" if gpu is not None else reason)
        self._context.log(f"first {len(losses)} steps: " + ("finite losses, no error" if fine else "not sound"))

    def _gpu(self) -> float | None:
        """Mean utilisation in percent, by the supervisor's readings since this attempt's first step."""
        if not machine.has_gpu():
            return None
        readings = Readings(self._context.directory / job.READINGS)
        readings.look()
        now = time.time()
        seen = [readings.at(self._started + second).gpu for second in range(1 + int(now - self._started))]
        known = [gpu for gpu in seen if gpu is not None]
        return statistics.fmean(known) if known else None
