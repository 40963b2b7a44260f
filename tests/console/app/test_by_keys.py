"""A week with stub operations, by keys alone, on a real terminal: what is asserted is what stands on the screen."""

import asyncio
import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pty_terminal import Terminal

from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace

STUB = Path(__file__).parents[2] / "stub"
CONSOLE = [sys.executable, "-P", "-m", "console"]
SMALL, WIDE = (80, 24), (120, 40)


@pytest.fixture
def workspace(tmp_path):
    made = Workspace.create(tmp_path / "w", STUB / "plan", STUB / "site.toml", "Ada")
    made.close()
    return made.path


@pytest.fixture
def console(workspace):
    """``console((80, 24))``: one more console on the workspace, shown and ready for keys."""
    opened = []

    def start(size) -> Terminal:
        terminal = Terminal([*CONSOLE, str(workspace)], *size)
        opened.append(terminal)
        terminal.wait_for("Needs you", "q leave", "make Make the data", timeout=40)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture
def done(workspace):
    """``done("make", "bring")``: runs these tasks to their ends, and ticks ``talk``, without a console."""

    async def run(tasks) -> None:
        conductor = Conductor(Workspace.open(workspace), "Ada")
        try:
            for task in tasks:
                if task == "talk":
                    conductor.tick(task, "D-2")
                    continue
                for job in await conductor.start(task, {}):
                    await asyncio.wait_for(conductor.runs.see_to_end(job), 30)
        finally:
            await conductor.close()

    return lambda *tasks: asyncio.run(run(tasks))


def status(workspace) -> dict:
    told = subprocess.run(
        [*CONSOLE, "status", str(workspace), "--json"], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(told.stdout)


def seek(terminal, task, title) -> None:
    """Finds the task in the plan, by keys."""
    terminal.press("/")
    terminal.wait_for("find, enter; n and N go on")
    terminal.type(task)
    field = lambda: any(row.strip() == task for row in terminal.screen())  # noqa: E731
    terminal.wait(field, f"waited to read {task!r} in the field")
    terminal.press("enter")
    terminal.wait(lambda: not field(), "waited for the field to go")
    terminal.wait_lit(f" {task} {title}")


def turn(terminal, key, pane) -> None:
    """To another pane, which has the keys once its title is bold."""
    terminal.press(key)
    terminal.wait(lambda: (cell := terminal.look(f"{pane} ")) and cell.bold, f"waited for {pane}")


def run(terminal, task, **sets) -> None:
    """Starts the chosen task; ``sets`` in the order of the form's fields."""
    terminal.press("r")
    terminal.wait_for(f"Run {task}")
    for place, (name, value) in enumerate(sets.items()):
        terminal.press(*["down"] * (place > 0), "ctrl+u")
        terminal.wait_for(f"{name}=")
        terminal.type(str(value))
        terminal.wait_for(f"{name}={value}")
    terminal.press("ctrl+r")
    terminal.wait_gone(f"Run {task}")


def decide(terminal, outcome, reason) -> None:
    """The gate's dialog: the reason, the gate's name, and the button, which is pressed once it has the keys."""
    terminal.press("g")
    terminal.wait_for("G1  Good enough", "95 of 100 = 95.0 %", "not proven here", "REHEARSAL")
    terminal.wait_for("GO and NO-GO are off: give a reason and type G1")
    terminal.type(reason)
    terminal.press("enter")
    terminal.wait_for("GO and NO-GO are off: type G1")
    terminal.type("G1")
    terminal.wait_gone("NO-GO are off")
    for button in ("  GO  ", "  NO-GO  ")[: 1 + (outcome == "NO-GO")]:
        before = terminal.look(button)
        terminal.press("tab")
        terminal.wait(lambda at=button, was=before: terminal.look(at) != was, f"waited for the keys to reach {button}")
    terminal.press("enter")
    terminal.wait_gone("type G1 to decide")
    terminal.wait_for(f"G1 {outcome}")


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
def test_a_week_by_keys_alone(workspace, console, size):
    terminal = console(size)
    run(terminal, "make")
    terminal.wait_for("● make")
    terminal.press("down")
    run(terminal, "bring")
    terminal.wait_for("● bring")

    terminal.press("down")
    run(terminal, "count", steps=500, every=25, pause=0.02)
    terminal.wait_for("◐ count")
    turn(terminal, "l", "Log")
    terminal.wait_for("link ")
    turn(terminal, "p", "Loss")
    terminal.wait_for("· loss ")
    terminal.press("q")
    assert terminal.wait_end() == 0
    assert "count goes on: job" in terminal.text

    terminal = console(size)
    terminal.wait_for("◐ count")
    terminal.wait_for("● count", timeout=40)
    turn(terminal, "l", "Log")
    terminal.wait_for("link 500 is")
    turn(terminal, "escape", "Plan")
    seek(terminal, "grade", "Grade")
    run(terminal, "grade")
    terminal.wait_for("● grade")
    seek(terminal, "talk", "Talk it over")
    terminal.press("space")
    terminal.wait_for("[ ] talked")
    terminal.press("space")
    terminal.wait_for("[x] talked", "✎ Ada")
    turn(terminal, "escape", "Plan")
    terminal.wait_for("● talk")

    decide(terminal, "GO", "holds on what it never saw")
    terminal.wait_for("● decide Decide")
    terminal.press("q")
    assert terminal.wait_end() == 0

    told = status(workspace)
    assert told["gates"]["G1"]["state"] == "go"
    states = {
        id: task["state"] for id, task in told["tasks"].items() if id in ("make", "bring", "count", "grade", "talk")
    }
    assert set(states.values()) == {"done"}, states
    assert told["tasks"]["count"]["records"]["steps"]["value"] == 500
    (file,) = (workspace / "decisions").glob("*.toml")
    decision = tomllib.loads(file.read_text(encoding="utf-8"))
    assert "holds on what it never saw" in str(decision)
    assert "Ada" in str(decision)


def test_a_no_go_by_keys_opens_its_branch_and_keeps_the_next_phase_shut(workspace, console, done):
    done("make", "bring", "count", "grade", "talk")
    terminal = console(SMALL)
    terminal.wait_for("▪ mourn")

    terminal.press("g")
    terminal.wait_for("G1  Good enough", "GO and NO-GO are off")
    terminal.type("no")
    terminal.press("escape")
    terminal.wait_gone("Good enough")
    assert not list((workspace / "decisions").iterdir()), "escape leaves the gate undecided"

    decide(terminal, "NO-GO", "the place is too slow")
    terminal.wait_for("○ mourn Find the cause")
    assert "↳ G1 NO-GO" in terminal.row("mourn")
    assert "behind G1" in terminal.row("Two")
    assert status(workspace)["gates"]["G1"]["state"] == "no-go"


def test_what_one_console_does_the_other_shows_and_no_task_starts_twice(workspace, console):
    here, there = console(WIDE), console(SMALL)
    there.press("r")
    there.wait_for("Run make")
    run(here, "make")
    here.wait_for("● make")
    there.press("ctrl+r")
    there.wait_for("make is done")
    there.press("escape")
    there.wait_gone("Run make")
    there.wait_for("● make")
    assert [job["task"] for job in jobs(workspace)] == ["make"]
    there.wait_for("○ bring")
    there.press("down")
    run(there, "bring")
    here.wait_for("● bring")


def test_an_edited_site_is_shown_and_what_another_adopts_is_taken_up(workspace, console):
    site = workspace / "site.toml"
    site.write_text(site.read_text() + "\n[parameters.make]\nlines = 20\n")
    terminal = console(SMALL)
    terminal.wait_for("site differs: gladiator-console adopt")
    terminal.press("r")
    terminal.wait_for("Run make", "1000")
    other = Workspace.open(workspace)
    other.adopt("Bob")
    other.close()
    terminal.press("ctrl+r")
    terminal.wait_for("another plan or site was put in force")
    terminal.press("escape")
    terminal.wait_gone("Run make")
    terminal.wait_gone("site differs")
    terminal.press("t")
    terminal.wait_for("Timeline", "another site adopted by Bob")
    terminal.press("escape")
    terminal.wait_gone("Timeline")
    terminal.press("r")
    terminal.wait_for("Run make", "20", "site (plan: 1,000)")
    terminal.press("ctrl+r")
    terminal.wait_gone("Run make")
    terminal.wait_for("● make")
    assert status(workspace)["tasks"]["make"]["records"]["lines"]["value"] == 20
    assert status(workspace)["differs"] == []


def jobs(workspace) -> list[dict]:
    """Those the journal knows."""
    opened = Workspace.open(workspace)
    found = [{"task": job.task, "state": job.state} for task in opened.view().tasks.values() for job in task.jobs]
    opened.close()
    return found


@pytest.mark.parametrize("end", [Terminal.kill, Terminal.unplug], ids=["kill -9", "line cut"])
def test_a_job_outlives_its_console(workspace, console, done, end):
    done("make", "bring")
    # As under nohup: what a console is started from may be deaf to a cut line, the console must not be.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    terminal = console(WIDE)
    signal.signal(signal.SIGHUP, before)
    seek(terminal, "count", "Count")
    run(terminal, "count", steps=300, every=25, pause=0.02)
    terminal.wait_for("◐ count", "link ")
    end(terminal)
    terminal.process.wait(20)

    again = console(SMALL)
    again.wait_for("◐ count")
    again.wait_for("● count", timeout=40)
    assert {job["state"] for job in jobs(workspace) if job["task"] == "count"} == {"done"}
    assert status(workspace)["tasks"]["count"]["records"]["steps"]["value"] == 300
