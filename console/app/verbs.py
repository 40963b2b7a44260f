"""The conductor's verbs as keys reach them: ask what is missing, do it, say what came of it.

Dialogs are imported when they are first opened: the first frame does not wait for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from console.conductor import wording
from console.conductor.errors import BadInput, Refused
from console.conductor.view import TaskView

if TYPE_CHECKING:
    from console.app.app import ConsoleApp
    from console.app.screens.ask import Ask
    from console.app.screens.gate import Decision


class Verbs:
    """One for the app; every verb acts on the task that the console's screen shows."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._stopped: set[str] = set()
        """Jobs that were asked to end from here: asked again, they are killed."""

    @property
    def _task(self) -> TaskView | None:
        screen = self._app.console_screen
        screen.under_cursor()
        return screen.shown

    def do(self, name: str) -> None:
        """A verb by name, as bindings and the palette give it."""
        verbs: Mapping[str, Callable[[TaskView], None]] = {
            "run": self.run,
            "stop": self.stop,
            "tick": self.tick,
            "record": self.record,
            "skip": self.skip,
            "note": self.note,
            "attach": self.attach,
            "retest": self.retest,
            "copy": self.copy,
            "gate": lambda task: self.gate(task.id),
        }
        if self._may_write(name) and (task := self._task) is not None:
            verbs[name](task)

    def _may_write(self, name: str) -> bool:
        """Whether the verb may go on: who looks only is told so before anything is asked."""
        if self._app.service.operator or name in ("copy", "gate"):
            return True
        self._refuse("read only: nothing is written without an operator's name")
        return False

    def act(self, key: Hashable) -> None:
        """What enter does on a line of the task's pane."""
        held = self._app.console_screen.shown
        if held is not None and isinstance(key, tuple):
            kind, name = key
            if kind == "deliverable":
                self._app.say("space ticks it, or takes the tick back")
            elif self._may_write("record"):
                self._ask_record(held, name)

    def run(self, task: TaskView) -> None:
        from console.app.screens.run import RunScreen

        if any(record.written for record in task.records):
            if self._try(lambda: self._app.service.write(task.id, again=task.state == "done")):
                self._app.say(f"{task.id} is written: its place stands among the records")
            return
        if not task.operation:
            self._refuse(f"{task.id} has no operation: a person does it (space ticks, e records, g decides)")
            return
        if task.state in ("locked", "running", "skipped"):
            self._refuse(f"{task.id} is {task.state}{': ' if task.why else ''}{'; '.join(task.why)}")
            return
        self._app.push_screen(RunScreen(task), lambda ids: self._started(task, ids))

    def _started(self, task: TaskView, ids: Sequence[str] | None) -> None:
        if ids:
            self._app.say(f"{task.id} started: job {', '.join(id[:8] for id in ids)}")
            self._app.look()

    def stop(self, task: TaskView) -> None:
        from console.app.screens.ask import ConfirmScreen

        if task.state != "running":
            self._refuse(f"{task.id} is {task.state}: nothing to stop")
            return
        job = task.job.id if task.job else ""
        kill = job in self._stopped
        later = "it can be continued" if task.resumable else "it can't be continued, only started anew"
        ask = f"Ask {task.id} to checkpoint and end? The job saves what it has; {later}."
        if kill:
            ask = f"{task.id} was asked to end and goes on. Kill it? What it has not saved is lost; {later}."

        def confirmed(yes: bool | None) -> None:
            if yes:
                self._stopped.add(job)
                said = f"{task.id} was {'killed' if kill else 'asked to end'}"
                self._app.later(self._awaited(self._app.service.stop(task.id, kill=kill), said))

        word = "Kill" if kill else "Stop"
        self._app.push_screen(ConfirmScreen(f"{word} {task.id}", ask, word, "Leave it"), confirmed)

    async def _awaited(self, asked: Awaitable[object], told: str) -> None:
        try:
            await asked
        except Refused as refused:
            self._refuse(str(refused))
            return
        self._app.say(told)
        self._app.look()

    def tick(self, task: TaskView) -> None:
        """On a deliverable ticks it; elsewhere goes to the task's first one."""
        screen = self._app.console_screen
        key = screen.task_key
        if screen.pane == "task" and isinstance(key, tuple) and key[0] == "deliverable":
            if screen.seen(key):  # nothing is ticked that nobody sees
                self._tick(task, key[1])
        elif task.deliverables:
            screen.turn("task")
            unticked = next((d for d in task.deliverables if not d.ticked_by), task.deliverables[0])
            screen.seek(("deliverable", unticked.id))
        else:
            self._refuse(f"{task.id} has no deliverables")

    def _tick(self, task: TaskView, id: str) -> None:
        item = next((d for d in task.deliverables if d.id == id), None)
        if item is None:
            return
        if not item.ticked_by and not item.may_tick and item.why_not:
            self._refuse(f"not yet: {item.why_not}")
            return
        undo = bool(item.ticked_by)
        if self._try(lambda: self._app.service.tick(task.id, id, undo=undo, occurrence=task.occurrence)):
            self._app.say(f"{'tick taken back' if undo else 'ticked'}: {item.text}")

    def record(self, task: TaskView) -> None:
        screen = self._app.console_screen
        key = screen.task_key
        typed = [record for record in task.records if record.typed]
        if screen.pane == "task" and isinstance(key, tuple) and key[0] == "record":
            self._ask_record(task, key[1])
        elif typed:
            empty = next((record for record in typed if record.value is None), typed[0])
            self._ask_record(task, empty.slug)
        else:
            self._refuse(f"{task.id} has no record that a person types")

    def _ask_record(self, task: TaskView, slug: str) -> None:
        from console.app.screens.ask import Ask

        record = next((r for r in task.records if r.slug == slug), None)
        if record is None:
            return
        said = [f"expected {record.expected}"] if record.expected else []
        said += (
            [f"now {wording.value(record.value, record.unit)}, by {record.source}"] if record.value is not None else []
        )
        label = f"{record.label}{f' in {record.unit}' if record.unit else ''}"
        on = f" on {task.occurrence}" if task.occurrence else ""
        ask = Ask(f"{task.id}  record{on}", label, "; ".join(said), "It is marked as typed by you, for ever.")
        self._ask(ask, lambda text: self._app.service.record(task.id, slug, text, occurrence=task.occurrence))

    def _ask(self, ask: Ask, write: Callable[[str], object], told: str = "") -> None:
        """A dialog for one line of text, what is written with it, and what is said then."""
        from console.app.screens.ask import AskScreen

        def done(written: bool | None) -> None:
            if written and told:
                self._app.say(told)

        self._app.push_screen(AskScreen(ask, lambda text: self._done(lambda: write(text))), done)

    def skip(self, task: TaskView) -> None:
        """The task where it is optional; of one that repeats, the day that is shown."""
        from console.app.screens.ask import Ask

        if not (task.optional or task.occurrence):
            self._refuse(f"{task.id} is not optional: it can't be skipped")
            return
        on = f" {task.occurrence}" if task.occurrence else ""
        ask = Ask(f"{task.id}  skip{on}", "reason", task.title, "What is skipped stays in the journal with its reason.")
        self._ask(ask, lambda text: self._app.service.skip(task.id, text, occurrence=task.occurrence))

    def note(self, task: TaskView) -> None:
        from console.app.screens.ask import Ask

        ask = Ask(f"{task.id}  note", "note", task.title, "It stays in the journal under your name.")
        self._ask(ask, lambda text: self._app.service.note(task.id, text), f"{task.id}: noted")

    def attach(self, task: TaskView) -> None:
        from console.app.screens.ask import Ask

        ask = Ask(f"{task.id}  attach", "file", task.title, "A copy of it is kept with its digest.")
        self._ask(ask, lambda text: self._app.service.attach(task.id, Path(text.strip()).expanduser()))

    def answer(self, contingency: str) -> None:
        """What was done about something that calls for a contingency."""
        from console.app.screens.ask import Ask

        if not self._may_write("answer"):
            return
        held = self._app.view.contingencies[contingency]
        known = "\n".join([f"{held.condition}: {held.action}", *held.signs])
        ask = Ask(f"{contingency}  answer", "what was done", known, "It stays in the journal under your name.")
        self._ask(ask, lambda text: self._app.service.answer(contingency, text))

    def retest(self, task: TaskView) -> None:
        """The retest that this task's gate is, or has; else the first one of a gate that is NO-GO."""
        from console.app.screens.retest import RetestScreen

        view = self._app.view
        retests = {id: gate.retests for id, gate in view.plan.gate.items() if gate.retests}
        refused = (id for id, of in retests.items() if "no-go" in (view.gates[of].state, view.gates[id].state))
        named = (id for id, of in retests.items() if task.gate and task.gate in (id, of))
        gate = next(named, "") or next(refused, "")
        if not gate:
            self._refuse(f"{task.id}: no gate is NO-GO, so there is nothing to retest")
            return
        planned = view.plan.gate[gate]
        self._app.push_screen(
            RetestScreen(gate, planned, lambda option, text: self._done(lambda: self._retest(gate, option, text)))
        )

    def _retest(self, gate: str, option: str, text: str) -> None:
        sets: dict[str, dict[str, object]] = {}
        for word in text.split():
            name, sign, value = word.partition("=")
            task, dot, parameter = name.rpartition(".")
            if not (sign and dot):
                raise BadInput(f"{word}: write TASK.name=value")
            sets.setdefault(task, {})[parameter] = value
        opened = self._app.service.retest(gate, option, sets)
        self._app.say(f"{gate}: round {opened.round}, anew {', '.join(opened.tasks)}")

    def copy(self, task: TaskView) -> None:
        command = self._app.service.command(task.id, {})
        if not command:
            self._refuse(f"{task.id} has no command")
            return
        self._app.copy_to_clipboard(command)
        self._app.say(f"copied: {command}")

    def gate(self, task: str) -> None:
        """The task's gate, or the next one of the plan."""
        from console.app.screens.gate import GateScreen

        view = self._app.view
        held = view.tasks.get(task)
        id = held.gate if held is not None and held.gate else view.next_gate
        if id not in view.gates:
            self._refuse("no gate is left to decide")
            return
        self._app.push_screen(GateScreen(id, self._decide))

    def _decide(self, decision: Decision) -> str:
        """Returns "" once it is written, else why not."""
        again = self._app.view.gates[decision.gate].decision is not None
        fault = self._done(
            lambda: self._app.service.decide(
                decision.gate, decision.outcome, decision.reason, decision.waivers(), again=again
            )
        )
        if not fault:
            self._app.say(f"{decision.gate}: {decision.outcome.upper()} is decided")
        return fault

    def _try(self, write: Callable[[], object]) -> bool:
        fault = self._done(write)
        if fault:
            self._refuse(fault)
        return not fault

    def _done(self, write: Callable[[], object]) -> str:
        try:
            write()
        except Refused as refused:
            return str(refused)
        self._app.look()
        return ""

    def _refuse(self, why: str) -> None:
        self._app.say(why, bad=True)
