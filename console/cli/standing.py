"""The last line of a rehearsal at a terminal: what runs, how far it is, and how many tasks are left."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TextIO

from console.conductor.verbs import Conductor
from console.conductor.view import TaskView, View
from console.text import clean
from operations.events import Progress, decode_lines

EVERY = 1.0
TAIL = 65_536
"""Bytes at a job's end in which its last word on its progress is looked for."""
CLEAR = "\r\x1b[K"


class Standing:
    """One line that is kept true while others are printed above it; nothing where the output is no terminal."""

    def __init__(self, verbs: Conductor, through: str, out: TextIO) -> None:
        self._verbs, self._through, self._out = verbs, through, out
        self._shown = ""

    def say(self, line: str) -> None:
        """Prints a line that stays."""
        print(f"{CLEAR if self._shown else ''}{line}", file=self._out, flush=True)
        self._shown = ""

    async def keep(self) -> None:
        """Goes on until it is cancelled; then the line is gone."""
        if not self._out.isatty():
            return
        try:
            while True:
                text = self._text(self._verbs.workspace.view())[: shutil.get_terminal_size().columns - 1]
                if text != self._shown:
                    self._out.write(f"{CLEAR}{text}")
                    self._out.flush()
                    self._shown = text
                await asyncio.sleep(EVERY)
        finally:
            self._out.write(CLEAR if self._shown else "")
            self._out.flush()

    def _text(self, view: View) -> str:
        running = [task for task in view.tasks.values() if task.state == "running"]
        what = "; ".join(f"{task.id} {task.title}{self._far(task)}" for task in running[:1])
        return f"{left(view, self._through)} tasks left{': ' if what else ''}{what}"

    def _far(self, task: TaskView) -> str:
        told = (last(self._verbs.events_file(job)) for job in task.attempt)
        found = next(filter(None, told), None)
        return f", {found.done:,} of {found.total:,} {clean(found.unit)}" if found and found.total else ""


def left(view: View, through: str) -> int:
    """How many tasks a rehearsal has before it, up to a gate's own or to the plan's end, if no gate is NO-GO."""
    count = 0
    for task in view.tasks.values():
        planned = view.plan.task[task.id]
        aside = task.optional or planned.instead_of or "no-go" in planned.when
        if not aside and task.state not in ("done", "skipped"):
            count += 1
        if through and task.gate == through:
            break
    return count


def last(events: Path) -> Progress | None:
    """The last progress that a job's events tell of; None if there is none near their end."""
    try:
        with events.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - TAIL))
            lines = stream.read().split(b"\n")
    except OSError:
        return None
    # The last may be the beginning of a line; the first may be the end of one, and then says nothing of progress.
    found = [e for e in decode_lines(iter(line + b"\n" for line in lines[:-1])) if isinstance(e, Progress)]
    return found[-1] if found else None
