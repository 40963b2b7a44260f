"""A console that nobody touches writes nothing to the terminal, and its first frame waits for nothing heavy."""

import json
import sys
import time
from pathlib import Path

import pytest
from pty_terminal import Terminal

from console.conductor.workspace import Workspace

STUB = Path(__file__).parents[2] / "stub"
QUIET = 3.0
HEAVY = {"asyncssh", "mlx", "mlx_lm", "numpy", "plotext", "scipy", "sklearn", "transformers", "tsdownsample"}
LAUNCHER = """
import json, sys
from pathlib import Path
from textual.drivers.linux_driver import LinuxDriver

directory = Path(sys.argv.pop())
write = LinuxDriver.write

def tell(file):
    file.write_text(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))

def written(driver, data):
    if "Needs you" in data and not (directory / "first").exists():
        tell(directory / "first")
    write(driver, data)

LinuxDriver.write = written
from console.cli.main import main

try:
    main()
finally:
    tell(directory / "end")
"""


@pytest.fixture
def workspace(tmp_path):
    made = Workspace.create(tmp_path / "w", STUB / "plan", STUB / "site.toml", "Ada")
    made.close()
    return made.path


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_not_a_byte_while_nothing_changes(workspace, size):
    """The clock and the machine's own readings go on; every byte is one of theirs and shows another text."""
    clock, strip = 0, size[1] - 2
    with Terminal([sys.executable, "-P", "-m", "console", str(workspace)], *size) as terminal:
        terminal.wait_for("Needs you", "q leave", "ALPHA  gpu n/a", timeout=40)
        assert terminal.settle(1.0)
        seen, limit = terminal.screen(), time.monotonic() + QUIET
        while (left := limit - time.monotonic()) > 0:
            if terminal.pump(left):
                terminal.settle(0.1)
                changed = {y for y, row in enumerate(terminal.screen()) if row != seen[y]}
                seen = terminal.screen()
                assert changed, "bytes that changed nothing"
                assert changed <= {clock, strip}, terminal.text
        terminal.press("down")
        assert terminal.pump(5.0), "it listens no more: the silence meant nothing"


def test_the_first_frame_waits_for_nothing_heavy(workspace, tmp_path):
    launcher = tmp_path / "launcher.py"
    launcher.write_text(LAUNCHER, encoding="utf-8")
    with Terminal([sys.executable, "-P", str(launcher), str(workspace), str(tmp_path)], 120, 40) as terminal:
        terminal.wait_for("Needs you", "q leave", timeout=40)
        terminal.wait_for("ALPHA  gpu n/a", timeout=40)
        terminal.press("q")
        assert terminal.wait_end() == 0
    first, end = (set(json.loads((tmp_path / when).read_text(encoding="utf-8"))) for when in ("first", "end"))
    assert {"textual", "console"} <= first
    assert not first & HEAVY
    assert "plotext" in end, "what comes later was never looked for in the right place"
