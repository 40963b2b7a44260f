"""A dialog of lines to read: why a gate stands as it does, and the help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import ModalScreen

from console.app import keys
from console.app.line import Line, line
from console.app.widgets.lines import LinesView
from console.app.widgets.log import LogPane
from console.app.widgets.loss import LossPane
from console.app.widgets.side import HostsPane


class _Text(LinesView):
    def __init__(self, write: Callable[[int], list[Line]]) -> None:
        super().__init__(id="text")
        self._write = write

    def produce(self, width: int) -> list[Line]:
        return self._write(width)

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.styles.height = len(self.lines) + 2


class TextScreen(ModalScreen[None]):
    """Lines that are made for the width they get."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["dialog.tcss", "text.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "close")]

    def __init__(self, title: str, write: Callable[[int], list[Line]]) -> None:
        super().__init__()
        self._title = title
        self._write = write

    def compose(self) -> ComposeResult:
        text = _Text(self._write)
        text.add_class("dialog", "-wide")
        yield text

    def on_mount(self) -> None:
        self.query_one(_Text).entitle(self._title, "escape closes")


def help_screen() -> TextScreen:
    """Every key, from the bindings themselves."""
    return TextScreen("Keys", _help)


def _help(_width: int) -> list[Line]:
    drawn: list[Line] = []
    for title, bindings in (
        ("Everywhere", keys.CONSOLE),
        ("In every pane", LinesView.BINDINGS),
        ("In the log", LogPane.BINDINGS),
        ("In the loss", LossPane.BINDINGS),
        ("In the hosts' readings", HostsPane.BINDINGS),
    ):
        drawn.append(line((title, "head")))
        for binding in bindings:
            if isinstance(binding, Binding):
                about = binding.tooltip or binding.description
                drawn.append(line((f"  {keys.displayed(binding):14}", "accent"), about))
        drawn.append(line(""))
    drawn.append(line(("Marks", "head")))
    drawn += [
        line("  ○ ready  ◐ running  ● done  ✕ failed  ? lost  ◌ skipped  ▪ locked"),
        line("  a value that a job measured stands plain; one that a person typed has ✎ and the name"),
        line("  n/a could not be had, and says why; it is never 0"),
    ]
    return drawn
