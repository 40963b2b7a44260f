"""Tells how a training run goes, without touching it."""

from __future__ import annotations

import datetime
import math
import statistics
import time
from typing import TYPE_CHECKING

from operations import files
from operations.contract import Context, Refusal
from operations.model.learning import losses
from operations.model.oversight.attempts import run_of

if TYPE_CHECKING:
    from operations.model.observe import Parameters

POLL = 0.2
"""Seconds between looks at a run that goes on; more where a look takes long, so that watching stays cheap."""
LEVEL = 0.01
"""A change of the loss's median by less than this share is level."""
NO_STEP = "no step was taken"
NO_PACE = "no two steps yet, so no step's time is known"


class Observation:
    """The run, and what was told of it so far."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        if not parameters.training.jobs:
            raise Refusal("there is no job to observe")
        self.run = run_of([context.observed(name) for name in parameters.training.jobs])
        self._told: dict[int, float] = {}
        self._stalled = False

    def stalled(self, now: float) -> bool | None:
        """Whether a running attempt has taken no step for too long; None if no step's time is known."""
        return self.run.stalled(now, self.parameters.stall_factor)

    def rows(self) -> None:
        """Tells the rows that are new, or whose loss a later attempt has changed."""
        every = self.parameters.every
        last = self.run.steps[-1] if self.run.steps else 0
        for step in self.run.steps:
            point = self.run.points[step]
            due = step % every == 0 or (step == last and step == self.run.total)
            if not due or self._same(self._told.get(step), point.loss):
                continue
            self._told[step] = point.loss
            host = self.run.attempts[point.attempt].readings.at(point.t)
            minutes = self.run.elapsed[step] / 60
            self.context.measure("step", step, step=step)
            self.context.measure("loss", point.loss, step=step)
            self.context.measure("gpu", host.gpu, step=step, reason=host.reason)
            self.context.measure("elapsed", minutes, step=step)
            ram = None if host.ram is None else host.ram / 1e9
            self.context.measure("ram", ram, step=step, reason=host.reason if ram is None else "")
            gpu = f"{host.gpu:.0f}%" if host.gpu is not None else f"none ({host.reason})"
            self.context.log(f"Step {step}: Loss {point.loss:.4f} - GPU {gpu} - Time {minutes:.1f}m")

    @staticmethod
    def _same(one: float | None, other: float) -> bool:
        return one is not None and (one == other or (math.isnan(one) and math.isnan(other)))

    def follow(self) -> None:
        """Tells rows as they come, until the run has ended or this job is asked to end."""
        while True:
            start = time.monotonic()
            ended = self.run.state != "running"
            self.run.look()
            self.rows()
            done, total = (self.run.steps[-1] if self.run.steps else 0), self.run.total
            if total:
                self.context.progress(done, total, "steps")
            stalled = bool(self.stalled(time.time()))
            if stalled and not self._stalled:
                self.context.log(
                    f"stalled: no step for {self.parameters.stall_factor:g} times the median's time", "warning"
                )
            self._stalled = stalled
            if ended or self.context.stopping:
                return
            time.sleep(max(POLL, 10 * (time.monotonic() - start)))

    def report(self) -> None:
        """Reports how the run stands."""
        context, run, state = self.context, self.run, self.run.state
        curve = run.losses
        done = run.steps[-1] if run.steps else 0
        context.measure("state", state)
        context.measure("steps_done", done)
        context.measure("steps_planned", run.total, reason="the run has not said" if run.total is None else "")
        self._trend(curve)
        self._end(state, done)
        stalled = self.stalled(time.time())
        context.measure("stalled", stalled, reason=NO_PACE if stalled is None else "")
        watch = losses.Watch()
        faults = [fault for step in run.steps if (fault := watch.fault(step, run.points[step].loss))]
        if faults:
            context.log(faults[0], "warning")
        context.measure("diverging", bool(faults))
        not_finite = sum(not math.isfinite(loss) for loss in curve)
        context.measure("errors", sum(a.errors for a in run.attempts) + run.failed + not_finite + run.lost)
        self._checkpoints(state, done)
        losses.report(context, curve)
        if run.steps:
            context.measure("duration", run.elapsed[done] / 3_600)
        else:
            context.measure("duration", None, reason=NO_STEP)
        self._gpu()

    def _trend(self, curve: list[float]) -> None:
        size = len(curve) // 5
        if not size:
            self.context.measure("trend", None, reason=losses.TOO_FEW)
            return
        before, last = statistics.median(curve[-2 * size : -size]), statistics.median(curve[-size:])
        change = (last - before) / max(abs(before), 1e-12)
        self.context.measure("trend", "level" if abs(change) < LEVEL else "falling" if change < 0 else "rising")

    def _end(self, state: str, done: int) -> None:
        total, pace = self.run.total, self.run.pace
        reason = ""
        if state not in {"running", "done"}:
            reason = f"the run is {state}"
        elif total is None or (pace is None and done < total):
            reason = NO_PACE
        left = 0.0 if reason or total is None or pace is None else max(0, total - done) * pace
        at = datetime.datetime.fromtimestamp(time.time() + left, datetime.UTC)
        if state == "done" and (finished := self.run.attempts[-1].finished):
            at = datetime.datetime.fromtimestamp(finished.t, datetime.UTC)
        self.context.measure("remaining", None if reason else left / 60, reason=reason)
        self.context.measure("estimated_end", None if reason else f"{at:%Y-%m-%d %H:%M:%S}", reason=reason)

    def _checkpoints(self, state: str, done: int) -> None:
        context, found = self.context, self.run.checkpoints
        context.measure("checkpoints", len(found))
        if found:
            context.measure("last_checkpoint", max(found))
        else:
            context.measure("last_checkpoint", None, reason="no checkpoint was written")
        final = found.get(self.run.total) if self.run.total is not None else None
        there = False
        if final:
            try:
                there = files.digest(context.inside(final.path))[0] == final.sha256
            except (OSError, ValueError) as error:
                context.log(f"{final.path} can't be read: {error}", "warning")
        context.measure("final_checkpoint", there)
        context.measure("complete", state == "done" and there and done == self.run.total)

    def _gpu(self) -> None:
        points = [self.run.points[step] for step in self._told]
        read = [self.run.attempts[p.attempt].readings.at(p.t) for p in points]
        known = [at.gpu for at in read if at.gpu is not None]
        reason = next((at.reason for at in read if at.reason), NO_STEP)
        self.context.measure("gpu_mean", statistics.fmean(known) if known else None, reason="" if known else reason)


def observe(context: Context, parameters: Parameters) -> None:
    """Reports a row every so many steps, and how the run stands."""
    observation = Observation(context, parameters)
    if parameters.follow:
        observation.follow()
    else:
        observation.rows()
    observation.report()
    if parameters.follow and context.stopping and observation.run.state == "running":
        context.stopped("asked to end before the run has")
