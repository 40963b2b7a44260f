"""A training's check: five parts computed from what its jobs left, and whether it is on track."""

from __future__ import annotations

import datetime
import math
import statistics
import time
from typing import TYPE_CHECKING

from operations import job
from operations.contract import Context, Refusal
from operations.host import recent
from operations.model.learning import losses
from operations.model.oversight.attempts import CHECKPOINT, Attempt, Run, run_of, wait_for_end

if TYPE_CHECKING:
    from operations.model.health import Parameters

LAST = 100
"""Steps whose mean is the loss."""
ROOM = 2
"""Checkpoints that the disk must have room for."""
ACCURACY = "val_accuracy"
NO_STEP = "no step was taken"
NO_PACE = "no two steps yet, so no step's time is known"
NO_EVALUATION = "it was not evaluated yet"
UNKNOWN_END = "the training has not said how many steps there are to do"
DAY = 86_400.0


class Examination:
    """What a training's jobs tell at one moment."""

    def __init__(self, context: Context, parameters: Parameters, run: Run) -> None:
        self.context, self.parameters, self.run = context, parameters, run
        self.now = time.time()
        self.state = run.state
        self.done = run.steps[-1] if run.steps else 0
        self.issues: list[str] = []

    def report(self) -> None:
        """All five parts; each adds what is an issue."""
        self._progress()
        self._machine()
        self._errors()
        self._end()
        status = "ISSUES" if self.issues else "ON TRACK"
        reasons = "; ".join(self.issues)
        self.context.measure("status", status)
        self.context.measure("reasons", reasons or "none")
        self.context.log(f"{status}{': ' if reasons else ''}{reasons}", "warning" if self.issues else "info")

    def _progress(self) -> None:
        context, run = self.context, self.run
        context.measure("state", self.state)
        context.measure("step", self.done)
        context.measure("steps_planned", run.total, reason=UNKNOWN_END if run.total is None else "")
        curve = run.losses
        if curve:
            first, last = losses.initial(curve), statistics.fmean(curve[-LAST:])
            for name, value in (("initial_loss", first), ("loss", last), ("loss_reduction", first - last)):
                context.measure(name, value)
            context.measure("duration", run.elapsed[self.done] / DAY)
        else:
            for name in ("initial_loss", "loss", "loss_reduction", "duration"):
                context.measure(name, None, reason=NO_STEP)
        evaluated = run.values(ACCURACY)
        for name, found in (("accuracy", 100 * evaluated[max(evaluated)] if evaluated else None),
                            ("accuracy_step", max(evaluated, default=None))):  # fmt: skip
            context.measure(name, found, reason=NO_EVALUATION if found is None else "")

    def _machine(self) -> None:
        found = recent.read(self.run.attempts[-1].directory / job.READINGS)
        had = {"gpu": found.gpu(), "ram": found.ram(), "disk": found.disk(), "temperature": found.temperature()}
        for name, (value, reason) in had.items():
            self.context.measure(name, value, reason=reason)
        temperature, disk = had["temperature"][0], had["disk"][0]
        if temperature is not None and temperature >= self.parameters.hottest:
            self.issues.append(f"{temperature:.0f} °C")
        size = max((made.size for made in self.run.made(CHECKPOINT).values()), default=0) / 1e9
        if self.state == "running" and disk is not None and disk < ROOM * size:
            self.issues.append(f"{disk:,.3g} GB free, a checkpoint takes {size:,.3g}")

    def _errors(self) -> None:
        context, run = self.context, self.run
        not_finite = [step for step in run.steps if not math.isfinite(run.points[step].loss)]
        *earlier, latest = (self._told(attempt) for attempt in run.attempts)
        told = [*latest, *(f"the loss of step {step} is not finite" for step in not_finite)]
        count = len(told)
        context.measure("errors", count)
        context.measure("earlier_errors", sum(map(len, earlier)))
        context.measure("any_errors", bool(count))
        context.measure("error", told[-1][:500] if told else "none")
        if count:
            self.issues.append(f"{count} error{'s' * (count > 1)}, the last: {told[-1][:200]}")
        watch = losses.Watch()
        faults = [fault for step in run.steps if (fault := watch.fault(step, run.points[step].loss))]
        context.measure("diverging", bool(faults))
        self.issues += faults[:1]
        idle = self.now - max((point.t for point in run.attempts[-1].points.values()), default=self.now)
        stalled = run.stalled(self.now, self.parameters.stall_factor)
        if stalled is not None:
            stalled = stalled and idle >= self.parameters.patience
        context.measure("stalled", stalled, reason=NO_PACE if stalled is None else "")
        if stalled:
            self.issues.append(f"stalled: no step for {idle / 60:,.0f} min")
        whole = self.state == "done" and 0 < self.done == run.total
        if self.state != "running" and not whole:
            self.issues.append(f"the training is {self.state} at step {self.done:,} of {run.total or 'none'}")
        context.measure("complete", whole and not count)

    @staticmethod
    def _told(attempt: Attempt) -> list[str]:
        """What went wrong in an attempt, by its log and by its end."""
        end = attempt.finished
        told = [line.text for line in attempt.said]
        if end is None and job.state(attempt.directory) != "running":
            told.append("it ended without a last word")
        elif end and end.outcome == "failed":
            told.append(f"it failed: {end.reason or end.signal or end.exit_status}")
        return told

    def _end(self) -> None:
        context, run = self.context, self.run
        total, pace = run.total, run.pace
        reason = ""
        if total is None:
            reason = UNKNOWN_END
        elif self.state not in ("running", "done"):
            reason = f"the training is {self.state}"
        elif pace is None and self.done < total:
            reason = NO_PACE
        left = 0.0 if reason or total is None or pace is None else max(0, total - self.done) * pace
        at = datetime.datetime.fromtimestamp(self.now + left, datetime.UTC)
        if self.state == "done" and (finished := run.attempts[-1].finished):
            at = datetime.datetime.fromtimestamp(finished.t, datetime.UTC)
        nothing = UNKNOWN_END if total is None else "" if total else "there are no steps to do"
        context.measure("done", 100 * self.done / total if total else None, reason=nothing)
        context.measure("remaining", None if reason else left / 3_600, reason=reason)
        context.measure("estimated_end", None if reason else at.isoformat(timespec="seconds"), reason=reason)
        days = (run.elapsed.get(self.done, 0.0) + left) / DAY
        if not reason and days > self.parameters.days:
            self.issues.append(f"it will take {days:,.1f} days, {self.parameters.days:g} are planned")


def examine(context: Context, parameters: Parameters) -> None:
    """Reports how the training stands; one that is followed, once it has ended."""
    if not parameters.training.jobs:
        raise Refusal("there is no job to look after")
    directories = [context.observed(name) for name in parameters.training.jobs]
    if parameters.follow:
        wait_for_end(context, directories[-1])
    Examination(context, parameters, run_of(directories)).report()
