"""The line that says what is left of a rehearsal: at a terminal, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

from console.cli import standing
from console.conductor.workspace import Workspace
from operations import events

STUB = Path(__file__).parents[2] / "stub"


def rehearse(path, stdout):
    Workspace.create(path, STUB / "plan", STUB / "site.toml", "Ada").close()
    command = [sys.executable, "-P", "-m", "console", "rehearse", str(path), "--through", "G1"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stdout)


def test_at_a_terminal_it_is_there_and_at_the_end_gone(tmp_path):
    ours, theirs = os.openpty()
    with rehearse(tmp_path / "w", theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 65_536)
            except OSError:  # Linux says end of file in this way
                break
    os.close(ours)
    assert process.returncode == 0
    assert b"6 tasks left" in said, "all up to the gate's own, and what only a NO-GO opens is not counted"
    assert b"tasks left" not in said.rpartition(b"\x1b[K")[2]


def test_in_a_file_there_are_only_lines_that_stay(tmp_path):
    with (tmp_path / "out").open("wb") as out, rehearse(tmp_path / "w", out) as process:
        pass
    assert process.returncode == 0
    said = (tmp_path / "out").read_bytes()
    assert b"\x1b" not in said
    assert b"\r" not in said
    assert b"tasks left" not in said


def test_what_is_left_shrinks_to_the_gate_only(tmp_path):
    workspace = Workspace.create(tmp_path / "w", STUB / "plan", STUB / "site.toml", "Ada")
    view = workspace.view()
    assert standing.left(view, "G1") < standing.left(view, "")
    workspace.close()


def test_the_last_progress_of_a_job_that_is_writing(tmp_path):
    path = tmp_path / "events.jsonl"
    assert standing.last(path) is None
    told = [events.Progress(t=1.0, done=n, total=9, unit="steps") for n in (3, 4)]
    path.write_bytes(b"".join(map(events.encode, told)) + b'{"type":"prog')
    assert standing.last(path) == told[-1]
    path.write_bytes(b"x" * 70_000 + b"\n" + events.encode(told[0]) + events.encode(events.Log(t=2.0, text="so far")))
    assert standing.last(path) == told[0]
