"""What an operator can do to a workspace: the verbs that both faces, app and cli, offer."""

from __future__ import annotations

import datetime
import functools
import math
import os
import pwd
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from console.conductor.compose import may_tick
from console.conductor.errors import BadInput, Refused
from console.conductor.ready import task_state
from console.conductor.scene import Scene
from console.conductor.view import JobView
from console.conductor.workspace import Workspace
from console.journal.entries import (
    AnyEntry,
    Attached,
    Noted,
    RecordTyped,
    RoundOpened,
    Row,
    Scalar,
    Skipped,
    Ticked,
    Waiver,
)
from console.journal.fold import State
from console.journal.store import Build
from console.plan.types import Record, Task
from console.text import clean, clean_block

if TYPE_CHECKING:  # what only acts need is imported when they act: the first frame does not wait for it
    from console.conductor.runs import Runs
    from console.conductor.timeline import Timeline
    from console.hosts.hosts import Hosts

_YES_NO = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False}
_NO_NAME = "no name, no write: set GLADIATOR_OPERATOR or give --operator NAME"


class Conductor:
    """The verbs on one workspace. A verb that can't be done raises Refused with one line and writes nothing."""

    def __init__(self, workspace: Workspace, operator: str) -> None:
        self.workspace = workspace
        self.operator = clean(operator).strip()

    @functools.cached_property
    def hosts(self) -> Hosts:
        """The site's hosts; none is asked before it is needed."""
        from console.hosts.hosts import Hosts

        def operation(job: str) -> str:
            return self.workspace.journal.state.jobs[job].started.operation

        return Hosts(self.workspace.site, self.workspace.path, operation=operation)

    @functools.cached_property
    def runs(self) -> Runs:
        """The workspace's jobs as this console sees to them."""
        from console.conductor.runs import Runs

        return Runs(self.workspace, self.hosts)

    async def start(
        self, task: str, sets: Mapping[str, object] | None = None, *, again: bool = False, fresh: bool = False
    ) -> list[str]:
        """Starts the task's operation; returns job ids, one a role. Continues an interrupted attempt unless fresh."""
        from console.conductor.bind import Wish

        return await self.runs.start(self._name(), task, Wish(sets or {}, again, fresh))

    async def stop(self, task: str) -> list[str]:
        """Asks the task's jobs to checkpoint and end; returns their ids."""
        self._name()
        return await self.runs.stop(task)

    def record(self, task: str, slug: str, text: str) -> Scalar:
        """Writes what a person measured or saw; returns the value as stored."""
        scene = self.workspace.scene()
        asked = self._task(scene, task).record.get(slug)
        if asked is None:
            raise BadInput(f"{task} has no record {slug}; it has {', '.join(scene.task(task).record) or 'none'}")
        if asked.measure:
            raise Refused(f"{task}.{slug} is measured by {scene.task(task).operation}; it can't be typed")
        value = _parsed(f"{task}.{slug}", asked, text)

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            now = self.workspace.scene_of(state)
            self._open(now, task)
            return [(None, RecordTyped(task=task, round=now.round(task), record=slug, value=value))]

        self._append(build)
        return value

    def tick(self, task: str, deliverable: str, *, undo: bool = False) -> None:
        """Ticks what a person saw done, or takes the tick back; the journal keeps both."""
        scene = self.workspace.scene()
        if deliverable not in self._task(scene, task).deliverable:
            has = ", ".join(scene.task(task).deliverable) or "none"
            raise BadInput(f"{task} has no deliverable {deliverable}; it has {has}")

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            now = self.workspace.scene_of(state)
            ticked = (task, now.round(task), deliverable) in state.ticks
            if undo and not ticked:
                raise Refused(f"{deliverable} of {task} is not ticked")
            if not undo:
                if ticked:
                    raise Refused(f"{deliverable} of {task} is ticked already")
                why_not = may_tick(now, task)
                if why_not:
                    raise Refused(f"{deliverable} can't be ticked: {why_not}")
            return [(None, Ticked(task=task, round=now.round(task), deliverable=deliverable, undo=undo))]

        self._append(build)

    def note(self, task: str, text: str) -> None:
        """Writes a note on a task."""
        said = clean_block(text).strip()
        self._task(self.workspace.scene(), task)
        if not said:
            raise BadInput(f"{task}: an empty note")
        self._append(lambda state: [(None, Noted(task=task, round=self._round(state, task), text=said))])

    def attach(self, task: str, path: Path) -> str:
        """Lays a copy of a file beside a task; returns its path in the workspace."""
        from console.conductor import attachments

        self._task(self.workspace.scene(), task)
        self._name()
        kept = attachments.keep(self.workspace.path, path)

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            row = Attached(
                task=task,
                round=self._round(state, task),
                name=clean(path.name),
                file=kept.file,
                sha256=kept.sha256,
                size=kept.size,
            )
            return [(None, row)]

        self._append(build)
        return f"attachments/{kept.file}"

    def _round(self, state: State, task: str) -> int:
        return self.workspace.scene_of(state).round(task)

    def skip(self, task: str, reason: str) -> None:
        """Leaves out an optional task, for a reason."""
        if not self._task(self.workspace.scene(), task).optional:
            raise Refused(f"{task} is not optional: it can't be skipped")
        self._skip(task, reason)

    def skip_by_rule(self, task: str) -> None:
        """In a rehearsal, leaves out a task that only a person can do."""
        if not self.workspace.scene().rehearsal:
            raise Refused(f"{task}: only a rehearsal skips a person's task")
        self._skip(task, "a person's task: a rehearsal does not do it")

    def _skip(self, task: str, reason: str) -> None:
        reason = clean(reason).strip()
        if not reason:
            raise BadInput(f"{task}: skipping needs a reason")

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            now = self.workspace.scene_of(state)
            found, _ = task_state(now, task)
            if found not in ("ready", "locked"):
                raise Refused(f"{task} is {found}: it can't be skipped")
            return [(None, Skipped(task=task, round=now.round(task), reason=reason))]

        self._append(build)

    def decide(
        self,
        gate: str,
        outcome: str,
        reason: str,
        waivers: Sequence[Waiver] = (),
        *,
        again: bool = False,
        by_rule: bool = False,
    ) -> str:
        """Records GO or NO-GO with the evidence as it stands; returns the decision's file name."""
        from console.conductor import deciding

        decision = deciding.Ask(gate, outcome, clean(reason).strip(), tuple(waivers), again, by_rule)
        return deciding.decide(self.workspace, self._name(), decision)

    def adopt(self) -> str:
        """Puts the plan as it stands under ``plan/`` in force; gates that it touches become stale."""
        return self.workspace.adopt(self._name()).version

    def retest(self, gate: str, option: str, sets: Mapping[str, Mapping[str, object]] | None = None) -> RoundOpened:
        """Opens a new round for a gate that retests a NO-GO, with a corrective option; the old round stays."""
        from console.conductor.retest import open_round

        opened: list[RoundOpened] = []

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            opened[:] = [open_round(self.workspace.scene_of(state), gate, option, sets or {})]
            return [(None, opened[0])]

        self._append(build)
        return opened[0]

    def timeline(self) -> Timeline:
        """Planned and actual times of all tasks, and the expected end, as of now."""
        from console.conductor.timeline import timeline

        return timeline(self.workspace.scene(), datetime.datetime.now(datetime.UTC))

    def command(self, task: str, sets: Mapping[str, object] | None = None) -> str:
        """The shell command that does what the app would do; empty for a task without an operation."""
        asked = self.workspace.plan.task[task]
        path = str(self.workspace.path)
        if asked.gate:
            return shlex.join(["gladiator-console", "decide", path, asked.gate, "go|no-go", "--reason", "..."])
        if not asked.operation:
            return ""
        given = [word for name, value in (sets or {}).items() for word in ("--set", f"{name}={value}")]
        return shlex.join(["gladiator-console", "run", path, task, *given])

    def events_file(self, job: JobView) -> Path:
        """The local file that holds, or mirrors, the job's events; it may not exist yet."""
        return self.runs.events_file(job.host, job.id)

    def rows(self, after: int = 0) -> list[Row]:
        """The journal's rows after a sequence number."""
        return [row for row, _ in self.workspace.journal.rows(after)]

    async def reconcile(self) -> None:
        """Brings the journal up to what the hosts know of its open jobs."""
        await self.runs.reconcile()

    def watch(self) -> AsyncIterator[int]:
        """Sees every open job to its end until cancelled; yields the journal's sequence whenever it moves."""
        return self.runs.watch()

    async def close(self) -> None:
        """Lets go of hosts and journal; jobs go on."""
        if "hosts" in self.__dict__:
            await self.hosts.close()
        self.workspace.close()

    def _append(self, build: Build) -> None:
        self.workspace.journal.append(self._name(), build)

    def _name(self) -> str:
        if not self.operator:
            raise Refused(_NO_NAME)
        return self.operator

    def _task(self, scene: Scene, task: str) -> Task:
        if task not in scene.plan.task:
            raise BadInput(f"no task {task} in this plan")
        return scene.task(task)

    def _open(self, scene: Scene, task: str) -> None:
        state, why = task_state(scene, task)
        if state in ("locked", "skipped"):
            raise Refused(f"{task} is {state}: {'; '.join(why)}")


def operator_name(given: str | None) -> str:
    """The name that rows are written under: given, GLADIATOR_OPERATOR, or the account's; empty if there is none."""
    if given is not None:
        return given
    if os.environ.get("GLADIATOR_OPERATOR"):
        return os.environ["GLADIATOR_OPERATOR"]
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:
        return ""
    return account.pw_gecos.split(",")[0].strip() or account.pw_name


def waiver(criterion: str, reason: str, until: str) -> Waiver:
    """A waiver from text. Raises Refused unless ``until`` is a day, ``YYYY-MM-DD``, that has not passed."""
    try:
        day = datetime.date.fromisoformat(until)
    except ValueError:
        raise BadInput(f"{until!r} is no day: write YYYY-MM-DD") from None
    return Waiver(criterion, clean(reason).strip(), day)


def _parsed(name: str, asked: Record, text: str) -> Scalar:
    """What was typed, as the record asks for it: yes or no, a number, or text."""
    cleaned = clean(text).strip()
    if not cleaned:
        raise BadInput(f"{name}: nothing was given")
    if asked.typed_as == "text":
        return cleaned
    if asked.typed_as == "flag":
        try:
            return _YES_NO[cleaned.lower()]
        except KeyError:
            raise BadInput(f"{name}: {cleaned!r} is neither yes nor no") from None
    plain = cleaned.replace(",", "")
    try:
        return int(plain)
    except ValueError:
        pass
    try:
        found = float(plain)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadInput(f"{name}: {cleaned!r} is no number{f' of {asked.unit}' if asked.unit else ''}")
    return found
