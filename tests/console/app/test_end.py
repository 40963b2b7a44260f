"""How the app ends when it is broken: one line, exit status 2, and the traceback only for who asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STUB = Path(__file__).parents[2] / "stub"
BREAK = """
import sys
from console.app.app import ConsoleApp
from console.cli.main import main

def broken(self):
    secret_of_the_frame = "locals are not for the screen"
    raise ValueError("the view is broken\\nand more")

ConsoleApp._begin = broken
main(["open", sys.argv[1]])
"""


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_crash_is_one_line_and_exit_status_2(tmp_path, debug):
    program = [sys.executable, "-P", "-m", "console", "init", tmp_path / "w"]
    subprocess.run([*program, "--plan", STUB / "plan", "--site", STUB / "site.toml"], check=True, capture_output=True)
    given = {**os.environ, "GLADIATOR_DEBUG": debug, "TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver"}
    ended = subprocess.run(
        [sys.executable, "-P", "-c", BREAK, tmp_path / "w"],
        capture_output=True, text=True, env=given, timeout=60, check=False,
    )  # fmt: skip
    if debug:
        assert ended.returncode != 0
        assert "Traceback (most recent call last)" in ended.stderr
    else:
        assert ended.returncode == 2
        line = (
            "gladiator-console: ValueError: the view is broken (a fault of the program: GLADIATOR_DEBUG=1 shows where)"
        )
        assert ended.stderr.splitlines() == [line]
    assert "locals are not for the screen" not in ended.stdout
