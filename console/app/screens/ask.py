"""Small dialogs: one that asks for a line of text, one that asks yes or no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from console.text import clean


def said(text: str) -> Content:
    """Foreign text for a widget: cleaned, and never markup."""
    return Content(clean(text))


class Fault(Static):
    """What is wrong, at the place where it is wrong; takes no room while nothing is."""

    DEFAULT_CSS = "Fault { display: none; height: auto; color: $error; }"

    def tell(self, text: str) -> None:
        """Says it, or with "" takes it back."""
        self.update(said(text))
        self.display = bool(text)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a dialog asks: its title, the field's label, what is known in lines, and a note."""

    title: str
    label: str
    known: str = ""
    note: str = ""


class AskScreen(ModalScreen[bool]):
    """One line of text. ``write`` returns "" once it is written, else the fault, which is shown at the field."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "cancel")]

    def __init__(self, ask: Ask, write: Callable[[str], str]) -> None:
        super().__init__()
        self._ask = ask
        self._write = write

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = said(self._ask.title)
            yield Static(said(self._ask.label), classes="label")
            if self._ask.known:
                for known in self._ask.known.splitlines():
                    yield Static(said(known), classes="faint")
            yield Input(id="text", compact=True)
            yield Fault()
            yield Static(said(f"{self._ask.note} Enter writes it, escape does not."), classes="faint")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        fault = self._write(event.value)
        if fault:
            self.query_one(Fault).tell(fault)
        else:
            self.dismiss(True)


class ConfirmScreen(ModalScreen[bool]):
    """A question with two buttons; the harmless one has the focus."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(False)", "no"),
        Binding("y", "dismiss(True)", "yes"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, title: str, text: str, yes: str, no: str) -> None:
        super().__init__()
        self._said = (title, text, yes, no)

    def compose(self) -> ComposeResult:
        title, text, yes, no = self._said
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = said(title)
            yield Static(said(text))
            with Horizontal(classes="buttons"):
                yield Button(said(f"{yes} (y)"), id="yes", variant="warning", compact=True)
                yield Button(said(f"{no} (n)"), id="no", compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")
