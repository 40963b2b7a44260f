"""The first frame waits for nothing heavy, and an idle console writes nothing, on a real terminal."""

import json
import sys
import textwrap

import pytest
from pty_terminal import Terminal

HEAVY = {"asyncssh", "plotext", "numpy", "mlx", "tsdownsample", "sklearn", "scipy", "transformers"}
SCRIPT = """
    import json, sys
    from pathlib import Path
    from console.app.app import ConsoleApp
    from console.conductor.verbs import Conductor
    from console.conductor.workspace import Workspace

    stub, made, seen = map(Path, sys.argv[1:4])

    class Watched(ConsoleApp):
        def _begin(self):  # is called after the first frame
            seen.write_text(json.dumps(sorted(sys.modules)))
            if "--stay" in sys.argv:
                super()._begin()

    Workspace.create(made, stub / "plan", stub / "site.toml", "Ada").close()
    Watched(Conductor(Workspace.open(made), "Ada")).run()
"""


@pytest.fixture
def command(tmp_path, request):
    script = tmp_path / "watched.py"
    script.write_text(textwrap.dedent(SCRIPT))
    stub = request.config.rootpath / "tests" / "stub"
    seen = tmp_path / "modules.json"
    return [sys.executable, "-P", str(script), str(stub), str(tmp_path / "w"), str(seen)], seen


def test_the_first_frame_imports_nothing_heavy(command):
    argv, seen = command
    with Terminal(argv, 120, 40) as terminal:
        terminal.wait_for("Plan", "Needs you", "leave (jobs go on)", timeout=40)
        terminal.wait(seen.exists, "waited for the first frame's end", 20)
    modules = {name.partition(".")[0] for name in json.loads(seen.read_text())}
    assert not modules & HEAVY
    assert "textual" in modules  # the control
    assert not (seen.with_name("w") / "readings").exists(), "no history is read or made before it"


def test_an_idle_console_writes_nothing(command):
    """Two seconds without a byte within a minute of the clock; what moves then is the time alone."""
    argv, seen = command
    with Terminal(argv, 80, 24) as terminal:
        terminal.wait_for("Plan", "Needs you", timeout=40)
        terminal.wait(seen.exists, "waited for the first frame's end", 20)
        assert terminal.settle(1.0)
        row = terminal.screen()[0]
        written = terminal.silence(2.5)
        assert written == 0 or (terminal.screen()[0] != row and written < 500)
        terminal.press("down")
        assert terminal.silence(0.5) > 0  # the control


def test_an_idle_console_that_hears_its_hosts_repaints_one_row_at_most(command):
    argv, seen = command
    with Terminal([*argv, "--stay"], 120, 40) as terminal:
        terminal.wait_for("Plan", "Needs you", "ram ", timeout=40)
        terminal.wait((seen.with_name("w") / "readings").exists, "waited for the readings to be kept", 20)
        terminal.settle(1.0)
        before = terminal.screen()
        written = terminal.silence(5.0)
        changed = [n for n, row in enumerate(terminal.screen()) if row != before[n]]
        assert set(changed) <= {0, 38}  # the clock and the hosts
        assert written <= 700 * 5
