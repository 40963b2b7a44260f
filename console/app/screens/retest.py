"""The dialog in which a person chooses the corrective option of a retest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from console.app.line import Line, line, wrapped
from console.app.screens.ask import Fault, said
from console.app.widgets.lines import LinesView
from console.plan.types import Gate, Option


class Options(LinesView):
    """The options, one under the cursor."""

    keeps_cursor = True

    def __init__(self, options: dict[str, Option]) -> None:
        super().__init__(id="options")
        self._options = options

    def produce(self, width: int) -> list[Line]:
        drawn: list[Line] = []
        for id, option in self._options.items():
            drawn.append(line((id, "accent"), f"  {option.title}", key=id))
            drawn += wrapped(_sets(option), width, "dim", "    ", "    ")
        return drawn

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.styles.height = len(self.lines)


class RetestScreen(ModalScreen[bool]):
    """Enter opens the new round with the option under the cursor; what it leaves open is set in the field below."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["dialog.tcss", "retest.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "cancel"),
        Binding("tab", "app.focus_next", show=False),
    ]
    AUTO_FOCUS = "#options"

    def __init__(self, gate: str, planned: Gate, write: Callable[[str, str], str]) -> None:
        """``write`` gets the option and what was typed; it returns "" once the round is open, else the fault."""
        super().__init__()
        self._gate = gate
        self._planned = planned
        self._write = write

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide") as dialog:
            dialog.border_title = said(f"{self._gate}  retest of {self._planned.retests}")
            yield Static(said("corrective option"), classes="label")
            yield Options(self._planned.option)
            yield Static(said("and set besides, as TASK.name=value"), classes="label")
            yield Input(id="sets", compact=True)
            yield Fault()
            yield Static(
                said("A new round begins; the old one stays beside it. Enter opens it, tab goes on, escape leaves."),
                classes="faint",
            )

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    @on(LinesView.Chosen, "#options")
    def _option_chosen(self, event: LinesView.Chosen) -> None:
        option = self._planned.option[str(event.key)]
        if option.parameters or option.again or self.query_one(Input).value.strip():
            self._open()
        else:
            self.query_one(Fault).tell(f"say what it sets: {option.about}")
            self.query_one(Input).focus()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._open()

    def _open(self) -> None:
        fault = self._write(str(self.query_one(Options).key), self.query_one(Input).value)
        if fault:
            self.query_one(Fault).tell(fault)
        else:
            self.dismiss(True)


def _sets(option: Option) -> str:
    """What an option sets and what begins anew by it, or that the operator says it."""
    given = [f"{task}.{name}={value}" for task, values in option.parameters.items() for name, value in values.items()]
    told = [f"sets {', '.join(given)}"] if given else []
    told += [f"anew from {', '.join(option.again)}"] if option.again else []
    return "; ".join([*told, option.about] if option.about else told or ["you choose what it sets"])
