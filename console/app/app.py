"""The app: wires the conductor to the screens. What may happen the conductor decides; what is seen the screens say."""

from __future__ import annotations

import asyncio
import datetime
import gc
import os
import signal
from collections.abc import Coroutine, Mapping
from pathlib import Path, PurePath
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App
from textual.events import Event, Key, Paste
from textual.screen import Screen

from console import clock
from console.app import glyphs
from console.app.commands import ConsoleCommands
from console.app.draw.hosts import Heard
from console.app.feeds import Feeds
from console.app.listening import Listening
from console.app.screens.console import ConsoleScreen
from console.app.service import Service
from console.app.typing_ahead import LOOK, TypingAhead
from console.app.verbs import Verbs
from console.conductor.view import View
from console.text import clean

_HERE = Path(__file__).parent
POLL = 1.0
"""Seconds between two looks at the workspace and the clock; nothing is painted unless it changed."""
READINGS = 2.0
"""Seconds between two looks at the hosts' readings."""
FEED = 0.2
"""Seconds between two readings of the followed jobs' events."""


class ConsoleApp(App[None]):
    """One operator's console on one workspace."""

    CSS_PATH: ClassVar[list[str | PurePath]] = [_HERE / "app.tcss", _HERE / "screens" / "console.tcss"]
    TITLE = "gladiator-console"
    COMMANDS: ClassVar[set[Any]] = App.COMMANDS | {ConsoleCommands}
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, service: Service, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self.animation_level = "none"
        gc.disable()  # until the first frame stands: there is nothing to collect before, only much to look through
        self.service = service
        self.glyphs = glyphs.for_terminal(environ)
        self.view: View = service.workspace.view()
        self.feeds = Feeds(service.events_file)
        self.verbs = Verbs(self)
        self._background: set[asyncio.Task[Any]] = set()
        self._minute = ""
        self._listening = Listening(service)
        self.typing = TypingAhead(self, super().on_event)
        self._asks = False
        self.plotting = False
        if "TEXTUAL_THEME" not in environ:
            self.theme = theme(environ)

    def get_default_screen(self) -> Screen[Any]:
        return ConsoleScreen(self.view)

    @property
    def console_screen(self) -> ConsoleScreen:
        """The screen below whatever dialog is open."""
        found = self.screen_stack[0]
        assert isinstance(found, ConsoleScreen)
        return found

    def now(self) -> datetime.datetime:
        """The moment, UTC."""
        return clock.now()

    def heard(self) -> dict[str, Heard]:
        """What the hosts said lately; nobody is asked before the first frame stands."""
        return self._listening.heard(self.view.site.host) if self._asks else {}

    async def on_event(self, event: Event) -> None:
        """Keys that come in a burst wait for each other."""
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            await self.typing.take(event)
        else:
            await super().on_event(event)

    def on_mount(self) -> None:
        # asked to end, it leaves the terminal as it was
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self.set_interval(POLL, self.look)
        self.set_interval(FEED, self.feed)
        self.set_interval(READINGS, self._show_hosts)
        self.set_interval(LOOK, self.typing.go_on)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """What the first frame does not wait for."""
        gc.enable()
        gc.freeze()
        self._asks = True
        self.set_timer(0.5, self._show_hosts)
        self.later(self._load_plotting())
        self.later(self._watch())
        self.later(self.service.keep_readings())

    async def _load_plotting(self) -> None:
        from console.app import tools

        self.console_screen.plotting(await asyncio.to_thread(tools.load))
        self.plotting = True

    async def _watch(self) -> None:
        """Follows the open jobs for as long as the app runs; what ends up in the journal shows by itself."""
        await self.service.reconcile()
        async for _ in self.service.watch():
            self.look()

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs in the background of the app; a fault is said and ends nothing else."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.say(f"{type(error).__name__}: {error}", bad=True)

    @property
    def _stands(self) -> bool:
        """Whether there is a screen to show things on: timers outlive it by a moment when the app ends."""
        return bool(self._screen_stack) and bool(self.console_screen.query("#keys"))

    def _show_hosts(self) -> None:
        if self._stands:
            self.console_screen.show_hosts()

    def look(self) -> None:
        """Shows the workspace as it is now; paints nothing if it is as it was."""
        if not self._stands:
            return
        view = self.service.workspace.view()
        screen = self.console_screen
        if view is not self.view:
            if view.site.digest != self.view.site.digest:
                self.say("another site is in force: t and j say by whom")
            self.view = view
            screen.show(view)
            if hasattr(self.screen, "update_rows"):
                self.screen.update_rows()
        minute = f"{self.now():%H:%M}"
        if minute != self._minute:
            self._minute = minute
            screen.show_minute()

    def feed(self) -> None:
        """Takes in what the followed jobs said; comes back at once while there is more."""
        if not self._stands:
            return
        came, more = self.feeds.poll()
        if came:
            self.console_screen.show_feeds()
        if more:
            self.set_timer(0.01, self.feed)

    def say(self, text: str, *, bad: bool = False) -> None:
        """A passing note at the edge of the screen."""
        self.notify(clean(text), severity="error" if bad else "information", markup=False, timeout=8 if bad else 4)

    def action_verb(self, name: str) -> None:
        self.verbs.do(name)

    def action_journal(self) -> None:
        from console.app.screens.journal import JournalScreen

        self.push_screen(JournalScreen())

    def action_timeline(self) -> None:
        from console.app.screens.timeline import TimelineScreen

        self.push_screen(TimelineScreen())

    def action_keys(self) -> None:
        from console.app.screens.text import help_screen

        self.push_screen(help_screen())

    def action_leave(self) -> None:
        """Ends the console; what runs goes on, but for what goes through it."""
        running = [job for task in self.view.tasks.values() for job in task.jobs if job.state == "running"]
        said = [f"{job.task} {job.afterwards}: job {job.id} on {job.host}" for job in running]
        self.exit(message=Text("\n".join(map(clean, said))) if said else None)

    def _fatal_error(self) -> None:
        """The app ends; whoever opened it says why, once the terminal is as it was."""
        self._close_messages_no_wait()

    @property
    def fault(self) -> Exception | None:
        """What ended the app; None while nothing did, or after it was left."""
        return self._exception

    async def on_unmount(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.service.close()


def theme(environ: Mapping[str, str]) -> str:
    """Light or dark as COLORFGBG says; the terminal's own 16 colours where it has no more."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    light = background in {"7", "9", "10", "11", "12", "13", "14", "15"}
    rich = environ.get("COLORTERM") in {"truecolor", "24bit"} or "256color" in environ.get("TERM", "")
    if rich:
        return "textual-light" if light else "textual-dark"
    return "ansi-light" if light else "ansi-dark"
