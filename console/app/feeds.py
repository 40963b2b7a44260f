"""The jobs whose events the screen follows: all that run, and the attempts of the chosen task."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from console.app.follow import Follower
from console.conductor.view import JobView, TaskView, View, chain

BUDGET = 0.010
"""Seconds that one round of reading may take, so that keys are answered meanwhile."""


class Feeds:
    """Followers by job id, kept while someone looks at them."""

    def __init__(self, events_file: Callable[[JobView], Path]) -> None:
        self._file = events_file
        self._followers: dict[str, Follower] = {}

    def want(self, view: View, task: str) -> None:
        """Follows what this view asks for and lets go of the rest."""
        jobs = {job.id: job for t in view.tasks.values() for job in t.jobs if job.state == "running"}
        jobs |= {job.id: job for job in (*observed(view, task), *observed(view, task, back=1))}
        for id in self._followers.keys() - jobs.keys():
            del self._followers[id]
        for id in jobs.keys() - self._followers.keys():
            self._followers[id] = Follower(self._file(jobs[id]))

    def poll(self) -> tuple[bool, bool]:
        """Reads what was added, for about BUDGET seconds: (whether anything came, whether there is more)."""
        deadline = time.monotonic() + BUDGET
        came = False
        for follower in self._followers.values():
            came |= follower.poll(max(0.001, deadline - time.monotonic()))
        return came, came and any(follower.behind for follower in self._followers.values())

    def attempts(self, view: View, task: str) -> list[Follower]:
        """Of the task's current round, or of the run that it observes; oldest first."""
        return [self._followers[job.id] for job in observed(view, task) if job.id in self._followers]

    def before(self, view: View, task: str) -> list[Follower]:
        """The same of the round before a retest; empty where there was none."""
        return [self._followers[job.id] for job in observed(view, task, back=1) if job.id in self._followers]

    def latest(self, view: View, task: str) -> tuple[Follower | None, str]:
        """The newest attempt's follower, and how to call it."""
        jobs = [job for job in observed(view, task) if job.id in self._followers]
        if not jobs:
            return None, ""
        job = jobs[-1]
        other = f"{job.task} " if job.task != task else ""
        return self._followers[job.id], f"{other}job {job.id[:8]} on {job.host}"

    def live(self, view: View) -> dict[str, str]:
        """What each running task has to say in a few characters: ``60 %``."""
        said = {}
        for task, follower in self._running(view):
            progress = follower.progress
            if progress is not None and progress.total > 0:
                said[task.id] = f"{100 * progress.done // progress.total} %"
        return said

    def running(self, view: View) -> str:
        """The running job's step and loss, the longest-standing one's that has a curve first; "" if nothing runs."""
        found = ""
        for task, follower in self._running(view):
            progress, series = follower.progress, follower.series.get("loss")
            parts = [task.id]
            if progress is not None:
                parts.append(f"{progress.unit} {progress.done:,}/{progress.total:,}")
            if series is not None and len(series.values):
                value = series.values[-1]
                parts.append(f"loss {value:.3g}" if math.isfinite(value) else "loss not finite")
                return " ".join(parts)
            found = found or " ".join(parts)
        return found

    def _running(self, view: View) -> Iterator[tuple[TaskView, Follower]]:
        """Of several roles the first that tells how far it is: what a sink has come, what its source sent may not."""
        for task in view.tasks.values():
            if task.state == "running":
                jobs = [self._followers[job.id] for job in task.attempt if job.id in self._followers]
                if jobs:
                    yield task, next((follower for follower in jobs if follower.progress), jobs[-1])


def observed(view: View, task: str, back: int = 0) -> list[JobView]:
    """Attempts of the task's current round, or of the one so many before that had any.

    A task that goes on during another's run shows that run's.
    """
    if task not in view.tasks:
        return []
    during = view.plan.task[task].during
    shown = view.tasks[during] if during in view.tasks else view.tasks[task]
    rounds = sorted({shown.round, *(job.round for job in shown.jobs)}, reverse=True)
    return chain([job for job in shown.jobs if job.round == rounds[back]]) if back < len(rounds) else []
