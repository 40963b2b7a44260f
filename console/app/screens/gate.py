"""The dialog in which a person decides a gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from console.app.draw import gate as drawing
from console.app.line import Line
from console.app.screens.ask import said
from console.app.screens.text import TextScreen
from console.app.widgets.lines import LinesView
from console.conductor.verbs import waiver
from console.conductor.view import CriterionView, GateView
from console.journal.entries import Waiver

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


@dataclass(frozen=True, slots=True)
class Decision:
    """What the dialog asks the conductor to write; ``until`` holds the last day of each waiver by criterion."""

    gate: str
    outcome: str
    reason: str
    until: tuple[tuple[str, str], ...] = ()

    def waivers(self) -> list[Waiver]:
        """Raises Refused at a day that is none."""
        return [waiver(name, self.reason, day) for name, day in self.until]


class Criteria(LinesView):
    """The gate's table."""

    def __init__(self, gate: str) -> None:
        super().__init__(id="criteria")
        self._gate = gate
        self.app: ConsoleApp

    def produce(self, width: int) -> list[Line]:
        app = self.app
        return drawing.lines(app.view, app.view.gates[self._gate], width, self.glyphs, app.now())

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.styles.height = len(self.lines)


class Field(Input):
    """Enter goes on to the next field or button, at once: a second Enter is meant for that one."""

    async def action_submit(self) -> None:
        screen = self.screen
        if isinstance(screen, GateScreen):
            screen.check()
        screen.focus_next()


class GateScreen(ModalScreen[bool]):
    """GO is off, with the reason beside it, while it may not be; NO-GO is always possible."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["dialog.tcss", "gate.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "leave it open"),
        Binding("ctrl+y", "why", "why"),
        Binding("pageup", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(1)", show=False),
    ]
    AUTO_FOCUS = "#reason"
    app: ConsoleApp

    def __init__(self, gate: str, decide: Callable[[Decision], str]) -> None:
        super().__init__()
        self._gate = gate
        self._decide = decide
        self._fault = ""

    @property
    def gate(self) -> GateView:
        """As it stands now."""
        return self.app.view.gates[self._gate]

    def _waivable(self) -> list[CriterionView]:
        return [c for c in self.gate.criteria if c.gates and c.waivable and not c.waived and _unmet(c)]

    def compose(self) -> ComposeResult:
        gate = self.gate
        with Vertical(classes="dialog -wide") as dialog:
            dialog.border_title = said(f"{gate.id}  {gate.title}  {gate.state}")
            dialog.border_subtitle = said("REHEARSAL" if self.app.view.rehearsal else "")
            yield Criteria(gate.id)
            for criterion in self._waivable():
                with Horizontal(classes="row"):
                    yield Static(said(f"waive {criterion.name} until"), classes="name")
                    yield Field(placeholder="YYYY-MM-DD, or empty", id=f"until-{criterion.name}", compact=True)
            with Horizontal(classes="row"):
                yield Static("reason", classes="name")
                yield Field(id="reason", compact=True)
            with Horizontal(classes="row"):
                yield Static(said(f"type {gate.id} to decide"), classes="name")
                yield Field(id="name", compact=True)
                yield Button("GO", id="go", variant="success", compact=True, disabled=True)
                yield Button("NO-GO", id="no-go", variant="error", compact=True, disabled=True)
            yield Static("", id="off")
            yield Static("ctrl+y shows why, page up and down scroll, escape leaves it open", classes="faint")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.check()

    def on_resize(self, event: Resize) -> None:
        """The table takes what the fields leave; what does not fit scrolls."""
        self.query_one(Criteria).styles.max_height = max(4, event.size.height - 9 - len(self._waivable()))

    def _until(self) -> tuple[tuple[str, str], ...]:
        days = ((c.name, self.query_one(f"#until-{c.name}", Input).value.strip()) for c in self._waivable())
        return tuple((name, day) for name, day in days if day)

    def _off(self) -> tuple[str, str]:
        """Why GO is off and why NO-GO is off; each "" when it is on."""
        gate = self.gate
        if not self.app.service.operator:
            return ("no operator name: nothing can be written",) * 2
        waived = {name for name, _ in self._until()}
        open_ = [c for c in gate.criteria if c.gates and not c.waived and c.name not in waived and _unmet(c)]
        go = ""
        if not gate.may_go and (open_ or not waived or gate.state == "closed"):
            go = "; ".join(gate.why_not)
        typed = self.query_one("#name", Input).value.strip() == gate.id
        missing = [] if self.query_one("#reason", Input).value.strip() else ["give a reason"]
        missing += [] if typed else [f"type {gate.id}"]
        wanting = " and ".join(missing)
        return go or wanting, wanting

    @on(Input.Changed)
    def _changed(self) -> None:
        self._fault = ""
        self.check()

    def check(self) -> None:
        """Switches the buttons on or off, and says why they are off."""
        go, no_go = self._off()
        self.query_one("#go", Button).disabled = bool(go)
        self.query_one("#no-go", Button).disabled = bool(no_go)
        if self._fault:
            told = self._fault
        elif go and go == no_go:
            told = f"GO and NO-GO are off: {go}"
        elif no_go:
            told = f"GO is off: {go}. NO-GO is possible: {no_go}"
        else:
            told = f"GO is off: {go}. NO-GO is possible" if go else ""
        self.query_one("#off", Static).update(said(told))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        reason = self.query_one("#reason", Input).value.strip()
        asked = Decision(self._gate, str(event.button.id), reason, self._until() if event.button.id == "go" else ())
        self._fault = self._decide(asked)
        if self._fault:
            self.check()
        else:
            self.dismiss(True)

    def action_why(self) -> None:
        view = self.app.view
        self.app.push_screen(
            TextScreen(f"Why {self._gate}", lambda width: drawing.why(view, view.gates[self._gate], width))
        )

    def action_scroll(self, direction: int) -> None:
        self.query_one(Criteria).action_page(direction)


def _unmet(criterion: CriterionView) -> bool:
    return criterion.met is not True or criterion.stale
