"""The keys and what they do: the one list that bindings, footer and help are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

if TYPE_CHECKING:
    from console.app.screens.console import ConsoleScreen

CONSOLE: list[BindingType] = [
    Binding("r", "app.verb('run')", "run", tooltip="run this task: shows its parameters first"),
    Binding("s", "app.verb('stop')", "stop", tooltip="ask this task's job to checkpoint and end; once more, kill it"),
    Binding("space", "app.verb('tick')", "tick", tooltip="tick a deliverable, or take the tick back"),
    Binding("e", "app.verb('record')", "record", tooltip="write a value that you measured"),
    Binding("g", "app.verb('gate')", "gate", tooltip="this task's gate, or the next one"),
    Binding("x", "app.verb('skip')", "skip", show=False, tooltip="leave out an optional task"),
    Binding("a", "app.verb('note')", "note", show=False, tooltip="write a note on this task"),
    Binding("A", "app.verb('attach')", "attach", show=False, tooltip="lay a copy of a file beside this task"),
    Binding("R", "app.verb('retest')", "retest", show=False, tooltip="open a new round after a NO-GO"),
    Binding(
        "left_square_bracket", "day(-1)", "day before", show=False, key_display="[", tooltip="a repeated task's day"
    ),
    Binding("right_square_bracket", "day(1)", "day after", show=False, key_display="]", tooltip="the day after"),
    Binding("f", "filter", "filter", show=False, tooltip="all tasks, the open ones, those that need you, or by state"),
    Binding("slash", "find", "find", key_display="/", tooltip="find in the plan, or in the log"),
    Binding(
        "n", "next(1)", "next", show=False, tooltip="what needs you next; while you look for something, the next match"
    ),
    Binding("N", "next(-1)", "previous", show=False, tooltip="the one before"),
    Binding("l", "turn('log')", "log", tooltip="the job's log"),
    Binding("p", "turn('loss')", "plot", tooltip="the job's loss"),
    Binding("h", "turn('hosts')", "hosts", tooltip="the hosts' readings"),
    Binding("i", "turn('task')", "task", show=False, tooltip="the task's pane"),
    Binding(
        "t", "app.timeline", "timeline", show=False, tooltip="planned and actual times, slip, what the end hangs on"
    ),
    Binding("z", "zoom", "zoom", show=False, tooltip="one pane at a time, and back"),
    Binding("tab", "round(1)", "next pane", show=False),
    Binding("shift+tab", "round(-1)", "previous pane", show=False),
    Binding("escape", "back", "back to the plan", show=False),
    Binding("c", "app.verb('copy')", "copy", show=False, tooltip="copy the command that does the same"),
    Binding("j", "app.journal", "journal", tooltip="everything that happened, row by row"),
    Binding("ctrl+p", "app.command_palette", "commands", show=False, tooltip="go to a task, or do anything by name"),
    Binding("question_mark", "app.keys", "help", key_display="?"),
    Binding("q", "app.leave", "leave", tooltip="leave the console; jobs go on"),
]


def displayed(binding: Binding) -> str:
    """How a key is called: ``/``, ``shift+tab``, ``space``."""
    return binding.key_display or binding.key.replace("question_mark", "?").replace("slash", "/").replace(",", " ")


def footer(screen: ConsoleScreen) -> list[tuple[str, str]]:
    """The keys for the last line; all of them are in the help."""
    common = [b for b in CONSOLE if isinstance(b, Binding) and b.show]
    shown = [(displayed(b), b.description) for b in common]
    if screen.app.size.width >= 110:
        ending = {job.task for task in screen.view.tasks.values() for job in task.jobs if job.ends_with_console}
        after = f"{' and '.join(sorted(ending))} ends" if ending else "jobs go on"
        shown = [(key, f"{does} ({after})" if does == "leave" else does) for key, does in shown]
    if screen.app.size.width < 100:
        shown = [(key, does) for key, does in shown if does not in ("record", "plot", "hosts", "journal")]
        shown.insert(-2, ("tab", "pane"))
    return shown
