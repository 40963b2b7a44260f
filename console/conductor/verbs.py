"""What an operator can do to a workspace: the verbs that both faces, app and cli, offer."""

from __future__ import annotations

import datetime
import functools
import os
import pwd
import shlex
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from console.conductor.compose import task_view
from console.conductor.errors import BadInput, Refused
from console.conductor.ready import task_state
from console.conductor.scene import Scene
from console.conductor.view import JobView, TaskView
from console.conductor.workspace import Workspace
from console.journal.entries import AnyEntry, Attached, Noted, RoundOpened, Row, Scalar, Waiver
from console.journal.fold import State
from console.text import clean
from operations.contract import Relayed

if TYPE_CHECKING:  # what only acts need is imported when they act: the first frame does not wait for it
    from console.conductor.keeping import Keeping
    from console.conductor.runs import Runs
    from console.conductor.timeline import Timeline
    from console.hosts.archive import History, Span
    from console.hosts.hosts import Hosts

_NAME_LIMIT = 64
_NO_NAME = "no name, no write: set GLADIATOR_OPERATOR or give --operator NAME"
R = TypeVar("R", bound=AnyEntry)


class Conductor:
    """The verbs on one workspace. A verb that can't be done raises Refused with one line and writes nothing."""

    def __init__(self, workspace: Workspace, operator: str) -> None:
        self.workspace = workspace
        self.operator = clean(operator).strip()
        if len(self.operator) > _NAME_LIMIT:
            raise BadInput(f"an operator's name has at most {_NAME_LIMIT} characters, this one {len(self.operator):,}")

    @functools.cached_property
    def hosts(self) -> Hosts:
        """The site's hosts; none is asked before it is needed."""
        from console.hosts.hosts import Hosts

        def operation(job: str) -> str:
            return self.workspace.journal.state.jobs[job].started.operation

        hosts = Hosts(self.workspace.site, self.workspace.path, operation=operation)
        self.workspace.on_site(hosts.take)
        return hosts

    @functools.cached_property
    def runs(self) -> Runs:
        """The workspace's jobs as this console sees to them."""
        from console.conductor.runs import Runs

        return Runs(self.workspace, self.hosts)

    @functools.cached_property
    def keeping(self) -> Keeping:
        """The hosts' readings as this console keeps them."""
        from console.conductor.keeping import Keeping

        return Keeping(self.workspace, self.hosts)

    async def start(
        self, task: str, sets: Mapping[str, object] | None = None, *, again: bool = False, fresh: bool = False
    ) -> list[str]:
        """Starts the task's operation; returns job ids, one a role. Continues an interrupted attempt unless fresh."""
        from console.conductor.bind import Wish

        return await self.runs.start(self._name(), task, Wish(sets or {}, again, fresh))

    async def stop(self, task: str, *, kill: bool = False) -> list[str]:
        """Asks the task's jobs to checkpoint and end, or with ``kill`` ends them without; returns their ids."""
        self._name()
        return await self.runs.stop(task, kill=kill)

    def task(self, id: str, occurrence: str) -> TaskView:
        """A repeated task as it stands on one of its days."""
        from console.conductor.given import task_of

        scene = self.workspace.scene()
        task_of(scene, id)
        return task_view(scene, id, occurrence)

    def record(self, task: str, slug: str, text: str, *, occurrence: str = "") -> Scalar:
        """Writes what a person measured or saw; returns the value as stored.

        A task that repeats day by day takes it for ``occurrence``, by default the current one.
        """
        from console.conductor import given

        row = self.append(lambda scene: given.record(scene, task, slug, text, occurrence))
        return row.value

    def tick(self, task: str, deliverable: str, *, undo: bool = False, occurrence: str = "") -> None:
        """Ticks what a person saw done, or takes the tick back; the journal keeps both."""
        from console.conductor import given

        self.append(lambda scene: given.tick(scene, task, deliverable, undo=undo, occurrence=occurrence))

    def skip(self, task: str, reason: str, *, occurrence: str = "") -> None:
        """Leaves out an optional task, or a day of one that repeats, for a reason."""
        from console.conductor import given

        self.append(lambda scene: given.skip(scene, task, reason, occurrence))

    def skip_by_rule(self, task: str) -> None:
        """In a rehearsal, leaves out a task that only a person can do."""
        from console.conductor import given

        if not self.workspace.scene().rehearsal:
            raise Refused(f"{task}: only a rehearsal skips a person's task")
        self.append(lambda scene: given.skip_whole(scene, task, "a person's task: a rehearsal does not do it"))

    def answer(self, contingency: str, text: str) -> None:
        """Writes what was done about a contingency; it is open again once something else calls for it."""
        from console.conductor import given

        self.append(lambda scene: given.answer(scene, contingency, text))

    def note(self, task: str, text: str) -> None:
        """Writes a note on a task."""
        from console.conductor.given import block, task_of

        said = block(task, text)
        task_of(self.workspace.scene(), task)
        if not said:
            raise BadInput(f"{task}: an empty note")
        self.append(lambda scene: Noted(task=task, round=scene.round(task), text=said))

    def attach(self, task: str, path: Path) -> str:
        """Lays a copy of a file beside a task; returns its path in the workspace."""
        from console.conductor import attachments
        from console.conductor.given import task_of

        task_of(self.workspace.scene(), task)
        self._name()
        kept = attachments.keep(self.workspace.path, path)
        self.append(
            lambda scene: Attached(
                task=task,
                round=scene.round(task),
                name=clean(path.name),
                file=kept.file,
                sha256=kept.sha256,
                size=kept.size,
            )
        )
        return f"attachments/{kept.file}"

    def writes(self, task: str) -> bool:
        """Whether the program itself does the task, by writing a file of what the journal holds."""
        asked = self.workspace.plan.task.get(task)
        return asked is not None and any(record.written for record in asked.record.values())

    def write(self, task: str, *, again: bool = False) -> list[str]:
        """Writes what the program itself writes for a task, such as the report; returns paths in the workspace."""
        from console.conductor.writing import write

        self._name()
        return write(self, task, again=again)

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
        from console.conductor import deciding, given

        decision = deciding.Ask(gate, outcome, given.line(gate, reason), tuple(waivers), again, by_rule)
        return deciding.decide(self.workspace, self._name(), decision)

    def adopt(self) -> list[str]:
        """Puts ``plan/`` and ``site.toml`` as they stand in force, whichever differs, and names what is.

        Gates that another plan touches become stale.
        """
        plan, site = self.workspace.adopt(self._name())
        return [*([f"plan v{plan.version}"] if plan else []), *([f"site {site.id}"] if site else [])]

    def retest(self, gate: str, option: str, sets: Mapping[str, Mapping[str, object]] | None = None) -> RoundOpened:
        """Opens a new round for a gate that retests a NO-GO, with a corrective option; the old round stays."""
        from console.conductor.retest import open_round

        return self.append(lambda scene: open_round(scene, gate, option, sets or {}))

    def timeline(self) -> Timeline:
        """Planned and actual times of all tasks, and the expected end, as of now."""
        from console.conductor.timeline import timeline

        return timeline(self.workspace.scene())

    def command(self, task: str, sets: Mapping[str, object] | None = None) -> str:
        """The shell command that does what the app would do; empty for a task without an operation."""
        asked = self.workspace.plan.task[task]
        path = str(self.workspace.path)
        if asked.gate:
            return shlex.join(["gladiator-console", "decide", path, asked.gate, "go|no-go", "--reason", "..."])
        if self.writes(task):
            again = ["--again"] if task_state(self.workspace.scene(), task)[0] == "done" else []
            return shlex.join(["gladiator-console", "run", path, task, *again])
        if not asked.operation:
            return ""
        given = [word for name, value in (sets or {}).items() for word in ("--set", f"{name}={value}")]
        again = ["--again"] if task_state(self.workspace.scene(), task)[0] == "done" and not asked.repeats else []
        return shlex.join(["gladiator-console", "run", path, task, *again, *given])

    def relay(self, task: str, sets: Mapping[str, object] | None = None) -> str:
        """How the console would bring the task's jobs together with these values; empty if they meet by themselves."""
        from console.conductor.parameters import parameters

        found = (view.value for view in parameters(self.workspace.scene(), task, sets))
        return next((value.line for value in found if isinstance(value, Relayed)), "")

    def events_file(self, job: JobView) -> Path:
        """The local file that holds, or mirrors, the job's events; it may not exist yet."""
        return self.runs.events_file(job.host, job.id)

    def rows(self, after: int = 0) -> list[Row]:
        """The journal's rows after a sequence number."""
        return [row for row, _ in self.workspace.journal.rows(after)]

    def history(self, host: str, span: Span) -> History | None:
        """The host's readings over a span: each one's points, least, mean and most."""
        return self.keeping.history(host, span)

    async def keep_readings(self) -> None:
        """Keeps the hosts' readings, and journals alerts, until cancelled."""
        await self.keeping.keep(self.operator)

    async def reconcile(self) -> None:
        """Brings the journal up to what the hosts know of its open jobs."""
        await self.runs.reconcile()

    def watch(self) -> AsyncIterator[int]:
        """Sees every open job to its end until cancelled; yields the journal's sequence whenever it moves."""
        return self.runs.watch()

    async def close(self) -> None:
        """Lets go of hosts and journal; jobs go on, but for those that the console brings together."""
        if "runs" in self.__dict__:
            await self.runs.close()
        if "hosts" in self.__dict__:
            await self.hosts.close()
        self.workspace.close()

    def append(self, row_of: Callable[[Scene], R]) -> R:
        """Appends the row that is made of the workspace as it stands inside the transaction, and returns it."""
        made: list[R] = []

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            made[:] = [row_of(self.workspace.scene_of(state))]
            return [(None, made[0])]

        self.workspace.journal.append(self._name(), build)
        return made[0]

    def _name(self) -> str:
        if not self.operator:
            raise BadInput(_NO_NAME)
        return self.operator


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
