"""Plan, site and folded journal seen together: what the pure rules read."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from console.journal.fold import Job, Opening, State
from console.plan.sites import Site
from console.plan.types import Plan, Task

P = ParamSpec("P")
R = TypeVar("R")


class Scene:
    """One moment, ``now`` (UTC). Rules remember in ``memo``, so a scene is thrown away when journal or minute move."""

    __slots__ = ("_rounds", "epoch", "memo", "now", "plan", "sequence", "site", "state")

    def __init__(self, plan: Plan, site: Site, state: State, now: datetime.datetime, epoch: int = -1) -> None:
        """``epoch`` says how many of the rounds that were opened count; -1 for all of them."""
        self.plan = plan
        self.site = site
        self.state = state
        self.now = now
        self.epoch = len(state.openings) if epoch < 0 else epoch
        self.sequence = state.sequence
        self.memo: dict[tuple[Any, ...], Any] = {}
        self._rounds: dict[str, int] = {}
        for opening in state.openings[: self.epoch]:
            self._rounds.update(dict.fromkeys(opening.entry.tasks, opening.entry.round))

    def at(self, epoch: int) -> Scene:
        """The same moment with the rounds of an earlier epoch: what a decision of then stands on."""
        if epoch == self.epoch:
            return self
        key = ("at", epoch)
        if key not in self.memo:
            self.memo[key] = Scene(self.plan, self.site, self.state, self.now, epoch)
        found: Scene = self.memo[key]
        return found

    def of_gate(self, gate: str) -> Scene:
        """The scene of the gate's evidence: of the decision in force, else of now."""
        taken = self.state.decision(gate)
        return self.at(taken.epoch) if taken else self

    @property
    def openings(self) -> list[Opening]:
        """The rounds that count, oldest first."""
        return self.state.openings[: self.epoch]

    @property
    def start(self) -> datetime.date:
        """The plan's first day in this workspace."""
        return self.state.created.start if self.state.created else self.plan.start

    @property
    def rehearsal(self) -> bool:
        """As fixed in the journal's first row; a site edited afterwards changes nothing."""
        return bool(self.state.created and self.state.created.rehearsal)

    @property
    def not_here(self) -> dict[str, str]:
        """``GATE.criterion`` -> reason, as fixed in the journal's first row."""
        return self.state.created.not_here if self.state.created and self.rehearsal else {}

    def task(self, id: str) -> Task:
        return self.plan.task[id]

    def round(self, task: str) -> int:
        return self._rounds.get(task, 1)

    def attempts(self, task: str) -> list[Job]:
        """All attempts of the task's current round, oldest first."""
        return self.state.runs.get((task, self.round(task)), [])

    def all_attempts(self, task: str) -> list[Job]:
        """The attempts of all the task's rounds, oldest first."""
        index = self.memo.get(("rounds",))
        if index is None:
            index = {}
            for (id, _), jobs in sorted(self.state.runs.items()):
                index.setdefault(id, []).extend(jobs)
            self.memo["rounds",] = index
        found: list[Job] = index.get(task, [])
        return found

    def given(self, task: str, round: int) -> list[str]:
        """The times of all that persons typed and ticked, and the program wrote, for the task in a round."""
        index = self.memo.get(("given",))
        if index is None:
            index = {}
            for (id, number, _, _), signed in (*self.state.records.items(), *self.state.ticks.items()):
                index.setdefault((id, number), []).append(signed.at)
            for (id, number, _), made in self.state.written.items():
                index.setdefault((id, number), []).append(made.at)
            self.memo["given",] = index
        found: list[str] = index.get((task, round), [])
        return found

    def all_given(self, task: str, occurrence: str = "") -> bool:
        """Whether all is there that no operation measures: ticked and typed by a person, or written by the program."""
        asked, round = self.task(task), self.round(task)
        typed = (slug for slug, record in asked.record.items() if not (record.measure or record.written))
        written = {record.written for record in asked.record.values() if record.written}
        return (
            bool(asked.deliverable or asked.record)
            and all((task, round, d, occurrence) in self.state.ticks for d in asked.deliverable)
            and all((task, round, slug, occurrence) in self.state.records for slug in typed)
            and all((task, round, what) in self.state.written for what in written)
        )

    def latest(self, task: str) -> dict[str, Job]:
        """The newest attempt of each role in the current round: of its newest occurrence and attempt."""
        return {job.started.role: job for job in self.attempts(task)}

    def alternatives(self, task: str) -> list[str]:
        """The task, then those that may be done instead of it, or that it may be done instead of."""
        index = self.memo.get(("alternatives",))
        if index is None:
            index = {}
            for id, other in self.plan.task.items():
                if other.instead_of:
                    index.setdefault(id, []).append(other.instead_of)
                    index.setdefault(other.instead_of, []).append(id)
            self.memo["alternatives",] = index
        return [task, *index.get(task, [])]

    def ran(self, task: str) -> str:
        """The alternative of the task that was started in this round; the task itself if none was."""
        return next((id for id in self.alternatives(task) if self.attempts(id)), task)


def remembered(rule: Callable[P, R]) -> Callable[P, R]:
    """A rule whose answer for (scene, hashable arguments) is computed once a scene."""

    @functools.wraps(rule)
    def ask(*args: P.args, **kwargs: P.kwargs) -> R:
        assert not kwargs
        scene, *rest = args
        assert isinstance(scene, Scene)
        key = (rule, *rest)
        if key not in scene.memo:
            scene.memo[key] = rule(*args, **kwargs)
        found: R = scene.memo[key]
        return found

    return ask
