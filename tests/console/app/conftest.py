"""A recorded week behind the app: a service that answers as the conductor does, without one."""

import asyncio
import datetime
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from console.app.app import ConsoleApp
from console.conductor.errors import Refused
from console.conductor.timeline import Timeline, Times
from console.conductor.view import View
from console.journal.entries import RoundOpened
from tests.console.app.made_week import NOW, reading, training_events, week


class Recorded:
    """Answers as the conductor does; what was asked of it stands in ``asked``."""

    def __init__(self, view: View, directory) -> None:
        self.operator = "arthur"
        self.workspace = SimpleNamespace(view=lambda: self.current, changed=lambda: False)
        self.hosts = SimpleNamespace(readings=self._readings, state=lambda _: "up")
        self.current = view
        self.asked: list[tuple] = []
        self.refuse = ""
        self.told: list = []
        self.past: dict = {}
        self.journal: list = []
        self._directory = directory

    def _readings(self, host):
        return tuple(self.told)

    def _ask(self, *asked):
        if self.refuse:
            raise Refused(self.refuse)
        self.asked.append(asked)

    async def start(self, task, sets=None, *, again=False, fresh=False):
        self._ask("start", task, dict(sets or {}), again, fresh)
        return ["0badcafe"]

    async def stop(self, task, *, kill=False):
        self._ask("kill" if kill else "stop", task)
        return ["a3f19c02"]

    def task(self, id, occurrence):
        return replace(self.current.tasks[id], occurrence=occurrence)

    def record(self, task, slug, text, *, occurrence=""):
        self._ask("record", task, slug, text, *([occurrence] if occurrence else []))

    def tick(self, task, deliverable, *, undo=False, occurrence=""):
        self._ask("tick", task, deliverable, undo, *([occurrence] if occurrence else []))

    def skip(self, task, reason, *, occurrence=""):
        self._ask("skip", task, reason, *([occurrence] if occurrence else []))

    def answer(self, contingency, text):
        self._ask("answer", contingency, text)

    def decide(self, gate, outcome, reason, waivers=(), *, again=False):
        self._ask("decide", gate, outcome, reason, tuple(waivers), again)
        return "G1-1.toml"

    def note(self, task, text):
        self._ask("note", task, text)

    def attach(self, task, path):
        self._ask("attach", task, path)
        return "attachments/0"

    def write(self, task, *, again=False):
        self._ask("write", task, again)
        return ["attachments/0"]

    def retest(self, gate, option, sets=None):
        self._ask("retest", gate, option, {task: dict(given) for task, given in (sets or {}).items()})
        return RoundOpened(gate=gate, round=2, tasks=["W0.5.2"], option=option, parameters={})

    def timeline(self):
        """Every task was planned for 12:00 and comes a day and an hour late, but what is done came in time."""
        planned = NOW.replace(hour=12, minute=0)
        late = planned + datetime.timedelta(days=1, hours=1)
        times = {
            task.id: Times(
                task.id, task.state, planned, planned, None, None,
                planned if task.state == "done" else None,
                None if task.state in ("done", "skipped") else late,
                task.state == "running", task.state == "running",
            )
            for task in self.current.tasks.values()
        }  # fmt: skip
        return Timeline(times, planned, late, ("W0.2.1", "W0.4.2"))

    def command(self, task, sets=None):
        given = "".join(f" --set {name}={value}" for name, value in (sets or {}).items())
        return f"gladiator-console run /tmp/rehearsal {task}{given}"

    def relay(self, task, sets=None):
        return "through the console: asked for (via)" if (sets or {}).get("via") == "relay" else ""

    def events_file(self, job):
        return self._directory / job.id / "events.jsonl"

    def rows(self, after=0):
        return [row for row in self.journal if row.sequence > after]

    def history(self, host, span):
        return self.past.get((host, span))

    async def keep_readings(self):
        pass

    async def reconcile(self):
        pass

    async def close(self):
        self.closed = True

    async def watch(self):
        await asyncio.Event().wait()
        yield 0


@pytest.fixture(name="reading")
def a_reading():
    return reading


class Frozen(ConsoleApp):
    """The app with its clock stopped."""

    def now(self) -> datetime.datetime:
        return NOW


@pytest.fixture
def recorded(tmp_path):
    """``recorded("gate")``: a service whose workspace shows that moment, with a running job's events on disk."""

    def make(state: str = "running", *, events: bytes | None = None, told: bool = True) -> Recorded:
        service = Recorded(week(state), tmp_path)
        directory = tmp_path / "a3f19c02"
        directory.mkdir(exist_ok=True)
        (directory / "events.jsonl").write_bytes(training_events() if events is None else events)
        if told:
            service.told = [reading(15.0 * n, ram_used=int(2e9 + n % 5 * 4e9)) for n in range(12)]
        return service

    return make


@pytest.fixture
def console():
    """The app on a service, its environment that of a colour terminal with UTF-8, its clock stopped."""

    def make(service, **environ: str) -> Frozen:
        return Frozen(service, {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"} | environ)

    return make


@pytest.fixture
def settled():
    """Waits until the plotting is loaded and nothing is left to paint."""

    async def wait(pilot) -> None:
        async with asyncio.timeout(20):
            while not pilot.app.plotting:
                await pilot.pause(0.02)
        pilot.app.feed()
        pilot.app.console_screen.show_hosts()
        await pilot.pause()
        await pilot.pause()

    return wait


@pytest.fixture
def shown():
    """What stands on the terminal, row by row."""

    def rows(app) -> list[str]:
        return [strip.text for strip in app.screen._compositor.render_strips(app.size)]

    return rows
