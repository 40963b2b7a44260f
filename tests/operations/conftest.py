"""A host's root with hostile operations, and jobs on it as real processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations import events, job

STUBS = Path(__file__).parent / "jobs"


class HostRoot:
    """One host's root; its jobs run in processes of their own."""

    command = (sys.executable, "-P", "-m", "operations")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen] = []
        self.environment = {**os.environ, "GLADIATOR_OPERATIONS": "hostile_operations", "PYTHONPATH": str(STUBS)}

    def claim(self, operation: str, id: str = "j1", **parameters) -> Path:
        return job.claim(self.root, job.JobFile(id=id, task="T", operation=operation, parameters=parameters))

    def start(self, directory: Path, *flags: str, **options) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "start_new_session": True, "env": self.environment, **options}
        self.started.append(subprocess.Popen([*self.command, "run", str(directory), *flags], **options))
        return self.started[-1]

    def run(self, operation: str, id: str = "j1", **parameters) -> tuple[int, list[events.Event]]:
        directory = self.claim(operation, id, **parameters)
        status = self.start(directory).wait(60)
        return status, self.history(directory)

    @staticmethod
    def history(directory: Path) -> list[events.Event]:
        """All events; a line that is none fails the test, and so does a last one cut short."""
        data = (directory / job.EVENTS).read_bytes()
        assert data.endswith(b"\n")
        return [events.decode(line) for line in data.splitlines()]

    @staticmethod
    def said(directory: Path, kind: type) -> list:
        """The whole lines' events of one kind so far."""
        try:
            lines = (directory / job.EVENTS).read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [event for event in map(events.decode, lines) if isinstance(event, kind)]

    @staticmethod
    def until(condition, seconds: float = 30.0):
        """What the condition returned once that was true; fails after ``seconds``."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.005)
        return found


@pytest.fixture
def host(tmp_path) -> Iterator[HostRoot]:
    found = HostRoot(tmp_path)
    yield found
    for process in found.started:
        process.kill()
        process.wait()
