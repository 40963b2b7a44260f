"""The form before a task runs: its parameters, the plan's values beside them, faults at their fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, Input, Static

from console.app.draw.task import amount, unset
from console.app.screens.ask import Fault, said
from console.conductor.errors import Refused
from console.conductor.view import ParameterView, TaskView, View
from console.text import clean

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


class Fields(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The form's fields: up and down go between them, also where there are more than fit and it would scroll."""


class RunScreen(ModalScreen[list[str]]):
    """Starts the task with what the fields hold. A value that does not fit starts nothing."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["dialog.tcss", "run.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss([])", "cancel"),
        Binding("ctrl+r", "start", "run"),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]
    app: ConsoleApp

    def __init__(self, task: TaskView) -> None:
        super().__init__()
        self._for = task
        self._starting = False
        shown = (parameter for parameter in task.parameters if parameter.takes != "relay")
        self._fields = {f"p{place}": parameter for place, parameter in enumerate(shown)}

    def compose(self) -> ComposeResult:
        task = self._for
        with Vertical(classes="dialog -wide") as dialog:
            dialog.border_title = said(f"Run {task.id}  {task.title}")
            dialog.border_subtitle = said("REHEARSAL" if self.app.view.rehearsal else "")
            hosts = f" on {' and '.join(task.hosts)}" if task.hosts else ""
            yield Static(said(f"{task.operation}{hosts}"), classes="faint")
            yield Static(id="relay", classes="warn")
            if task.state == "done":
                anew = "It is done: run anew, what was made from it becomes stale unless it makes the same bytes."
                yield Static(said(anew), classes="warn")
            with Fields(id="fields"):
                for id, parameter in self._fields.items():
                    yield from self._field(id, parameter)
            yield Fault(id="fault")
            yield Static(said(self.app.service.command(task.id, {})), id="command", classes="faint")
            if task.interrupted:
                yield Checkbox(said("continue the interrupted attempt"), True, id="resume", compact=True)
            with Horizontal(classes="buttons"):
                yield Static(said("up and down go between fields, enter runs, escape leaves"), classes="faint hint")
                yield Button(said("Run (ctrl+r)"), id="run", variant="primary", compact=True)

    def _field(self, id: str, parameter: ParameterView) -> Iterator[Static | Input | Horizontal]:
        with Horizontal(classes="field"):
            yield Static(said(parameter.name), classes="name")
            if parameter.takes == "value":
                text = "" if parameter.value is None else _text(parameter.value)
                empty = said(unset(parameter, self._for.parameters)).plain
                field = Input(text, id=id, compact=True, placeholder=empty, select_on_focus=False)
                field.cursor_blink = False
                yield field
            else:
                yield Static(said(amount(parameter.value)), classes="fixed")
            yield Static(said(_beside(parameter)), classes="beside")
        if parameter.about:
            yield Static(said(parameter.about), classes="about faint")
        yield Fault(id=f"{id}-fault", classes="at-field")

    def on_mount(self) -> None:
        self._by = _in_force(self.app.view)
        fields = self.query("#fields Input")
        (fields.first() if fields else self.query_one("#run")).focus()
        self._say_relay({})

    def _say_relay(self, sets: dict[str, object]) -> None:
        """Whether the console is to relay with these values; no room is taken while it is not."""
        line = self.app.service.relay(self._for.id, sets)
        self.query_one("#relay", Static).update(said(line))
        self.query_one("#relay").display = bool(line)

    def _sets(self) -> dict[str, object]:
        """What differs from the values in force."""
        sets: dict[str, object] = {}
        for id, parameter in self._fields.items():
            if parameter.takes != "value":
                continue
            given = self.query_one(f"#{id}", Input).value.strip()
            if given != ("" if parameter.value is None else _text(parameter.value)):
                sets[parameter.name] = given
        return sets

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        sets = self._sets()
        self.query_one("#command", Static).update(said(self.app.service.command(self._for.id, sets)))
        self._say_relay(sets)
        if event.input.id in self._fields:
            self.query_one(f"#{event.input.id}-fault", Fault).tell("")

    @on(Input.Submitted)
    @on(Button.Pressed, "#run")
    def _asked(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        """Starts it, once: while that goes on, asking again changes nothing."""
        if not self._starting:
            self._starting = True
            self._start()

    @work(exit_on_error=False)
    async def _start(self) -> None:
        resume = self.query("#resume")
        fresh = bool(resume) and not resume.first(Checkbox).value
        try:
            if _in_force(self.app.service.workspace.view()) != self._by:
                raise Refused("another plan or site was put in force since this was opened: leave it, and open it anew")
            ids = await self.app.service.start(self._for.id, self._sets(), again=self._for.state == "done", fresh=fresh)
        except Refused as refused:
            self._show(str(refused))
            return
        finally:
            self._starting = False
        self.dismiss(ids)

    def _show(self, refused: str) -> None:
        """Each fault at its field; what belongs to no field below them all."""
        elsewhere = []
        task = re.escape(self._for.id)
        for fault in re.split(rf"; (?={task}\.)", refused):
            named = re.match(rf"{task}\.([A-Za-z0-9_]+)", fault)
            id = next((i for i, p in self._fields.items() if named and p.name == named[1]), None)
            if id is None:
                elsewhere.append(fault)
                continue
            self.query_one(f"#{id}-fault", Fault).tell(fault.partition(": ")[2] or fault)
            self.query_one(f"#{id}").focus()
        self.query_one("#fault", Fault).tell("; ".join(elsewhere) or "nothing was started")


def _in_force(view: View) -> tuple[str, str]:
    """By what the form's values are what they are."""
    return view.plan.digest, view.site.digest


def _text(value: object) -> str:
    """A value as a person would type it."""
    return ("true" if value else "false") if isinstance(value, bool) else clean(str(value))


def _beside(parameter: ParameterView) -> str:
    """Where the value comes from, and the plan's own where another one is in force."""
    if parameter.source in ("plan", "operation") or parameter.plan is None or parameter.plan == parameter.value:
        return parameter.source
    return f"{parameter.source} (plan: {amount(parameter.plan)})"
