"""The console's screen: the plan on the left, the chosen task with its loss and log on the right."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from console.app import keys
from console.app.draw import bars, hosts
from console.app.glyphs import ASCII
from console.app.widgets.lines import Bar, LinesView
from console.app.widgets.log import LogPane
from console.app.widgets.loss import LossPane
from console.app.widgets.plan import PlanPane
from console.app.widgets.side import HostsPane, NeedsPane
from console.app.widgets.task import TaskPane
from console.conductor.view import TaskView, View

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

PANES = ("plan", "needs", "task", "log", "loss", "hosts")
WIDE, HIGH = 100, 30
"""Below either, one pane is shown at a time."""
SETTLE = 0.12
"""Seconds after the cursor's last move before another task's files are opened."""


class ConsoleScreen(Screen[None]):
    """Composes the panes and says which are seen; what they show comes from the app's `View`."""

    AUTO_FOCUS = "#plan"
    BINDINGS: ClassVar[list[BindingType]] = keys.CONSOLE
    app: ConsoleApp

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.chosen = _first(view)
        self._day = ""
        self._pane = "plan"
        self._zoomed = False
        self._shows_hosts = False
        self._finding = ""
        self._need = ""
        self._curve = False

    def compose(self) -> ComposeResult:
        """All that is known is set before anything is mounted: each later change is another pass over the screen."""
        classes = "pane -ascii" if self.app.glyphs is ASCII else "pane"
        self._plan = PlanPane(self.view, ("task", self.chosen), id="plan")
        self._needs = NeedsPane(self.view, id="needs")
        self._task_pane = TaskPane(self.view, self.shown, id="task")
        self._loss, self._log_pane = LossPane(id="loss"), LogPane(id="log")
        self._hosts = HostsPane(self.view, self.app.service.history, id="hosts")
        for pane in (self._plan, self._needs, self._task_pane, self._loss, self._log_pane, self._hosts):
            pane.set_classes(classes)
        self._header, self._strip, self._keys = Bar(id="header"), Bar(id="strip"), Bar(id="keys")
        self._left = Vertical(self._plan, self._needs, id="left")
        self._right = Vertical(self._task_pane, self._loss, self._log_pane, self._hosts, id="right")
        self._arrange()
        find = Input(placeholder="find, enter; n and N go on", id="find", select_on_focus=False)
        find.cursor_blink = find.display = False
        yield self._header
        yield Horizontal(self._left, self._right, id="body")
        yield find
        yield self._strip
        yield self._keys

    def on_mount(self) -> None:
        self.show(self.view)

    def show(self, view: View) -> None:
        """Another moment of the workspace: every pane repaints the rows that differ."""
        self.view = view
        self.app.feeds.want(view, self.chosen)
        self._plan.show(view, self.app.feeds.live(view))
        self._needs.show(view)
        self._show_task()
        self.show_feeds()
        self.show_bars()

    def show_feeds(self) -> None:
        """What the followed jobs said since the last time."""
        feeds = self.app.feeds
        plan = self._plan
        live = feeds.live(self.view)
        if live != plan.live:
            plan.show(self.view, live)
        self._log_pane.show(*feeds.latest(self.view, self.chosen))
        attempts = feeds.attempts(self.view, self.chosen)
        self._loss.show(attempts, feeds.before(self.view, self.chosen))
        self._curve = any("loss" in follower.series for follower in attempts)
        self._arrange()
        self._show_header()

    def show_bars(self) -> None:
        """Time, hosts and keys; rows that are the same are not repainted."""
        self._show_header()
        self._keys.show([bars.keys(keys.footer(self))])
        self.show_hosts()

    def show_hosts(self) -> None:
        """The hosts' readings."""
        heard = self.app.heard()
        strip = hosts.strip(self.view, heard, self.app.size.width, self.app.glyphs)
        self._strip.show([strip])
        self._hosts.show(self.view, heard)

    def _show_header(self) -> None:
        app = self.app
        running = app.feeds.running(self.view)
        told = bars.header(self.view, app.now(), running, app.size.width, app.glyphs, app.service.operator)
        self._header.show([told])

    @property
    def shown(self) -> TaskView | None:
        """The chosen task, on the day that was gone to where it repeats."""
        if self._day and self.chosen in self.view.tasks:
            return self.app.service.task(self.chosen, self._day)
        return self.view.tasks.get(self.chosen)

    def _show_task(self) -> None:
        app = self.app
        command = app.service.command(self.chosen, {}) if self.chosen in self.view.tasks else ""
        self._task_pane.show(self.view, self.shown, command, app.now())

    def action_day(self, step: int) -> None:
        """Another day of a task that repeats; the last one follows the calendar."""
        shown = self.shown
        days = [day.id for day in shown.occurrences if day.state != "coming"] if shown else []
        if shown is None or shown.occurrence not in days:
            self.app.say(f"{self.chosen} has no days to go to")
            return
        at = min(max(0, days.index(shown.occurrence) + step), len(days) - 1)
        self._day = "" if at == len(days) - 1 else days[at]
        self._show_task()

    def show_minute(self) -> None:
        """The clock, and how long things have been going on."""
        self._show_header()
        self._show_task()

    def plotting(self, tools: Any) -> None:
        """The plotting modules came."""
        self._loss.ready(tools)

    @property
    def task_key(self) -> Hashable:
        """What the cursor of the task's pane stands on."""
        return self._task_pane.key

    def seek(self, key: Hashable) -> None:
        """Puts the cursor of the task's pane there."""
        self._task_pane.seek(key)

    def seen(self, key: Hashable) -> bool:
        """Whether that line of the task's pane is on the screen; else it is brought there."""
        pane = self._task_pane
        y = next((y for y, line in enumerate(pane.lines) if line.key == key), -1)
        if pane.shows(y):
            return True
        pane.seek(key)
        pane.scroll_to_region(Region(0, y, 1, 1), animate=False, force=True)
        return False

    def choose(self, task: str) -> None:
        """Another task in the panes; its files are opened once the cursor rests."""
        if task == self.chosen or task not in self.view.tasks:
            return
        self.chosen, self._day = task, ""
        self._show_task()
        self.set_timer(SETTLE, lambda: self._settle(task))

    def under_cursor(self) -> str:
        """The chosen task, the cursor's last move included: keys may come faster than its message."""
        key = self._plan.key
        if isinstance(key, tuple) and key[0] == "task":
            self.choose(key[1])
        return self.chosen

    def _settle(self, task: str) -> None:
        if task == self.chosen:
            self.app.feeds.want(self.view, task)
            self.app.feed()
            self.show_feeds()

    def go(self, task: str) -> None:
        """Shows a task wherever it stands in the plan."""
        self.choose(task)
        self._plan.go(task)

    @property
    def one(self) -> bool:
        """Whether one pane is shown at a time: on a small terminal, or zoomed."""
        size = self.app.size
        return self._zoomed or size.width < WIDE or size.height < HIGH

    @property
    def pane(self) -> str:
        """The pane that keys go to."""
        return self._pane

    def _arrange(self) -> None:
        """Shows and hides panes; sizes come from the stylesheet."""
        one = self.one
        self.set_class(one, "-one")
        left = not one or self._pane in ("plan", "needs")
        has_log = bool(self.app.feeds.latest(self.view, self.chosen)[1]) or self._pane == "log"
        seen: tuple[tuple[Widget, bool], ...] = (
            (self._left, left),
            (self._right, not one or not left),
            (self._task_pane, self._pane == "task" if one else not self._shows_hosts),
            (self._log_pane, self._pane == "log" if one else has_log and not self._shows_hosts),
            (self._loss, self._pane == "loss" if one else self._curve and not self._shows_hosts),
            (self._hosts, self._pane == "hosts" if one else self._shows_hosts),
        )
        for widget, shown in seen:
            if widget.display is not shown:
                widget.display = shown

    def turn(self, pane: str) -> None:
        """Brings a pane up and gives it the keys."""
        self._pane = pane
        if pane not in ("plan", "needs"):
            self._shows_hosts = pane == "hosts"
        self._arrange()
        widget = self.query_one(f"#{pane}", Widget)
        self.set_focus(widget)  # at once: keys may follow faster than messages
        if isinstance(widget, HostsPane):
            widget.rebuild()
        self.show_bars()

    def action_turn(self, pane: str) -> None:
        self.turn(pane)

    def action_round(self, step: int) -> None:
        panes = [p for p in PANES if self.one or p != "loss" or self._loss.display]
        place = panes.index(self._pane) if self._pane in panes else 0
        self.turn(panes[(place + step) % len(panes)])

    def action_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self.turn(self._pane)

    def action_back(self) -> None:
        if any(find.display for find in self.query("#find")):
            self._close_find()
            return
        self._zoomed = False
        self._shows_hosts = False
        self._finding = ""
        self._plan.entitle_plain()
        self.turn("plan")

    def action_find(self) -> None:
        for find in self.query("#find").results(Input):
            find.display = True
            find.value = ""
            self.set_focus(find)

    def _close_find(self) -> None:
        for find in self.query("#find"):
            find.display = False
        self.set_focus(self.query_one(f"#{self._pane}", Widget))

    @on(Input.Submitted, "#find")
    def _find(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_find()
        self._finding = event.value.strip()
        if self._pane == "log":
            self._log_pane.find(self._finding)
        elif self._finding:
            self._find_task(1, first=True)

    def action_filter(self) -> None:
        self.turn("plan")
        self._plan.turn_filter()
        self.under_cursor()

    def action_next(self, step: int) -> None:
        """The next match while something is looked for, else the next thing that needs a person."""
        if not self._finding:
            self._next_need(step)
        elif self._pane != "log":
            self._find_task(step)

    def _next_need(self, step: int) -> None:
        needs = [id for id, _ in self.view.attention]
        if not needs:
            self.app.say("nothing needs you now")
            return
        here = needs.index(self._need) if self._need in needs else -1 if step > 0 else 0
        self._need = needs[(here + step) % len(needs)]
        kind = bars.need(self.view, self._need)
        self._needs.seek(kind)
        if kind[0] == "host":
            self._show_host(self._need)
            return
        self.turn("needs" if kind[0] == "contingency" else "plan")
        self.go(bars.task_of(self.view, self._need))

    def _show_host(self, host: str) -> None:
        """The hosts' pane, its cursor on the reading of the host's most pressing alert."""
        place = next(((host, alert.reading) for alert in self.view.alerts if alert.host == host), None)
        self._hosts.start = place  # should it never have been painted
        self.turn("hosts")
        self._hosts.seek(place)

    def _find_task(self, step: int, *, first: bool = False) -> None:
        plan = self._plan
        id, place, count = plan.find(self._finding, "" if first else self.chosen, step)
        plan.entitle("Plan", f"{place} of {count}  n N" if count else f"no task has {self._finding}")
        if id:
            self.go(id)

    @on(LinesView.Moved, "#plan")
    def _moved(self) -> None:
        """First the cursor is painted, then the panes of the task on which it stands by then."""
        self.call_after_refresh(self.under_cursor)

    @on(LinesView.Chosen, "#plan")
    def _chosen(self) -> None:
        self.turn("task")

    @on(LinesView.Chosen, "#needs")
    def _needed(self, event: LinesView.Chosen) -> None:
        if isinstance(event.key, tuple):
            kind, id = event.key
            if kind == "host":
                self._show_host(id)
                return
            if kind == "adopt":
                self.app.say(f"gladiator-console adopt {self.view.workspace}")
                return
            task = bars.task_of(self.view, id)
            self.go(task)
            self.turn("task")
            if kind == "gate":
                self.app.verbs.gate(task)
            elif kind == "contingency":
                self.app.verbs.answer(id)

    @on(LinesView.Chosen, "#task")
    def _acted(self, event: LinesView.Chosen) -> None:
        self.app.verbs.act(event.key)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        if event.widget.id in PANES and event.widget is self.focused and event.widget.id != self._pane:
            self._pane = event.widget.id
            self._arrange()
        self._keys.show([bars.keys(keys.footer(self))])

    def on_resize(self, _event: Resize) -> None:
        self._arrange()
        self.show_bars()


def _first(view: View) -> str:
    """Where to begin: what runs, else what failed or is ready, else the first task."""
    for state in ("running", "failed", "lost", "ready"):
        found = next((task.id for task in view.tasks.values() if task.state == state), None)
        if found:
            return found
    return next(iter(view.tasks), "")
