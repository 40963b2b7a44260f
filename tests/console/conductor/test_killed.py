"""Worker, supervisor and console killed at random moments: nothing acknowledged is lost and the end is the same."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from console.conductor.auditing import audit_workspace

STUB = Path(__file__).parents[2] / "stub"
PROGRAM = [sys.executable, "-P", "-m", "console"]
SETS = ["--set", "count.steps=6000", "--set", "count.every=15"]


def program(*arguments, **options):
    return subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def rehearse(workspace, pause: float = 0.004) -> list[str]:
    return [*PROGRAM, "rehearse", str(workspace), "--through", "G1", *SETS, "--set", f"count.pause={pause}"]


def status(workspace) -> dict:
    done = program("status", workspace, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def link(workspace) -> str:
    job = status(workspace)["tasks"]["count"]["jobs"][-1]["id"]
    return next((workspace / "hosts" / "ALPHA" / "jobs" / job).rglob("chain.txt")).read_text()


def processes_of(workspace, verb) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "operations" in words and verb in words and any(str(workspace) in word for word in words):
            found.append(process)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A rehearsal that nobody disturbs."""
    workspace = tmp_path_factory.mktemp("alone") / "w"
    assert program("init", workspace, "--plan", STUB / "plan", "--site", STUB / "site.toml").returncode == 0
    done = subprocess.run(rehearse(workspace, 0), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return workspace


def test_thirty_kills_and_the_end_equals_a_run_left_alone(tmp_path, alone):
    workspace = tmp_path / "w"
    assert program("init", workspace, "--plan", STUB / "plan", "--site", STUB / "site.toml").returncode == 0
    dice = random.Random(2025)
    hits = {"console": 0, "run": 0, "work": 0}
    rows = 0
    for turn in range(30):
        console = subprocess.Popen(rehearse(workspace), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        target = list(hits)[turn % 3]
        process = "work" if target == "console" else target
        while not (victims := processes_of(workspace, process)) and console.poll() is None:
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):
            console.wait(timeout=dice.uniform(0.0, 0.6))
        if console.poll() is None:
            victim = console if target == "console" else victims[0]
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
                hits[target] += 1
            console.send_signal(signal.SIGKILL if dice.random() < 0.3 else signal.SIGINT)
        console.wait(timeout=30)
        found = status(workspace)["sequence"]
        assert found >= rows, "a row that was there is gone"
        rows = found
    assert min(hits.values()) >= 8, hits
    last = None
    for _ in range(5):
        last = subprocess.run(rehearse(workspace), capture_output=True, text=True, timeout=120)
        if last.returncode == 0:
            break
    assert last.returncode == 0, last.stderr
    assert link(workspace) == link(alone)
    audit = audit_workspace(workspace)
    assert audit.faults == ()
    found = status(workspace)
    assert found["gates"]["G1"]["state"] == "go"
    assert all(job["state"] != "running" for task in found["tasks"].values() for job in task["jobs"])


def test_a_job_goes_on_without_its_console_and_is_found_again(tmp_path):
    workspace = tmp_path / "w"
    program("init", workspace, "--plan", STUB / "plan", "--site", STUB / "site.toml")
    for task in ("make", "bring"):
        assert program("run", workspace, task).returncode == 0
    running = subprocess.Popen([*PROGRAM, "run", str(workspace), "count", "--set", "steps=700"], start_new_session=True)
    while not processes_of(workspace, "work"):
        assert running.poll() is None
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert status(workspace)["tasks"]["count"]["state"] == "running"
    followed = program("log", workspace, "count", "-f")
    assert followed.returncode == 0, followed.stderr
    assert status(workspace)["tasks"]["count"]["state"] == "done"
    assert status(workspace)["tasks"]["count"]["records"]["steps"]["value"] == 700
