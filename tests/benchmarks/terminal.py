"""How the console feels on a terminal, beside a bare Textual app that shows the same labels in a tree.

``python -P tests/benchmarks/terminal.py [--pairs 15] [--keys 1000] [--idle 10]`` prints one table; exit status 1 if a
target is missed. Times are quoted as ratios of interleaved runs, since the machine is never quiet; both apps are looked
at to show what they should. Targets: first frame at most 1.6 x the bare app's median; key to paint p50 at most 1.5 x,
p95 at most 2 x; no bytes when nothing changes.

First frame: from the start of the process to the last byte that completes the screen; what comes is put on a screen
afterwards, so that a slow terminal is not the app's. Both run from bytecode, as what pip installed does. Key to paint:
from the key's byte to the first byte that answers it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "terminal"))

from pty_terminal import Terminal  # noqa: E402

SIZE = (120, 40)
WIDTH = 44
"""Columns of the console's plan pane at that size."""
WALK = ["down"] * 8 + ["up"] * 8
QUIET = 0.03
"""Seconds without a byte after which a key's painting is over."""
PATIENCE = 60.0
TARGETS = {"first": 1.6, "p50": 1.5, "p95": 2.0}


@dataclass
class Side:
    """One of the two apps, and what was measured of it; times in ms."""

    name: str
    command: list[str]
    seen: tuple[str, ...]
    """What stands on its first whole frame."""
    env: dict[str, str]
    frames: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)
    painted: int = 0

    def start(self) -> Terminal:
        """Starts it and waits for its first whole frame. Raises NotSeen if that never comes."""
        terminal = Terminal(self.command, *SIZE, env=self.env)
        self.frames.append((terminal.completed(*self.seen, timeout=PATIENCE) - terminal.started) * 1e3)
        return terminal

    def key(self, terminal: Terminal, key: str) -> None:
        """One key and its painting. Raises RuntimeError if nothing was painted in a second."""
        while terminal.pump(0):
            pass
        before, pressed = terminal.received, time.perf_counter()
        terminal.press(key)
        if not terminal.pump(1.0):
            raise RuntimeError(f"{self.name}: {key} painted nothing")
        self.keys.append((terminal.heard - pressed) * 1e3)
        terminal.settle(QUIET)
        self.painted += terminal.received - before


def main() -> int:
    parser = argparse.ArgumentParser(description="first frame, key to paint, idle bytes and memory of the console")
    parser.add_argument("--pairs", type=int, default=15, help="starts of each app")
    parser.add_argument("--keys", type=int, default=1000, help="keys pressed in each app")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds to listen while nothing changes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        console, bare = sides(Path(directory))
        for side in (console, bare):  # once for the caches of files and bytecode
            side.start().close()
            side.frames.clear()
        for pair in range(given.pairs):
            for side in (console, bare) if pair % 2 else (bare, console):
                side.start().close()
        with console.start() as first, bare.start() as second:
            console.frames.pop()
            bare.frames.pop()
            first.settle(2.0)
            second.settle(1.0)
            memory = [resident(first.process.pid), resident(second.process.pid)]
            idle = [quiet(first, given.idle), quiet(second, given.idle)]
            for place in range(given.keys):
                console.key(first, WALK[place % len(WALK)])
                bare.key(second, WALK[place % len(WALK)])
            for side, terminal in ((console, first), (bare, second)):
                terminal.settle(0.5)
                missing = [text for text in side.seen if text not in terminal.text]
                if missing:
                    raise RuntimeError(f"{side.name}: after the keys {missing} is not on the screen\n{terminal.text}")
    return report(console, bare, idle, memory, given.idle)


def sides(directory: Path) -> tuple[Side, Side]:
    """Both apps on the shipped plan and rehearsal, in a fresh workspace."""
    workspace = directory / "rehearsal"
    python = [sys.executable, "-P"]
    env = environment(directory)
    subprocess.run([*python, "-m", "console", "init", str(workspace)], env=env, check=True, capture_output=True)
    rows = labels(workspace)
    file = directory / "labels.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    first, last = rows[1][1], rows[-1][1]
    return (
        Side("console", [*python, "-m", "console", str(workspace)], (first, last, "Needs you", "leave"), env),
        Side("bare tree", [*python, str(HERE / "bare_tree.py"), str(file)], (first, last), env),
    )


def environment(directory: Path) -> dict[str, str]:
    """For both apps; an empty value lets Python write bytecode, here where the first start of either leaves it."""
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(directory / "bytecode")}
    return {**os.environ, "GLADIATOR_OPERATOR": "Ada", **bytecode}


def labels(workspace: Path, *, unfolded: bool = False) -> list[tuple[int, str, bool]]:
    """What the console's plan pane shows of the workspace at first: depth, label, whether anything is below it."""
    from console.app.draw import plan
    from console.app.glyphs import UNICODE
    from console.conductor.workspace import Workspace

    opened = Workspace.open(workspace)
    view = opened.view()
    every = {branch.key for phase in plan.branches(view) for branch in phase.all()}
    drawn = plan.lines(view, every if unfolded else plan.opening(view), {}, WIDTH, UNICODE)
    opened.close()
    texts = ["".join(text for text, _ in line.left) for line in drawn]
    return [
        ((len(text) - len(text.lstrip())) // 2, text.strip(), UNICODE.open in text and UNICODE.closed not in text)
        for text in texts
    ]


def resident(pid: int) -> tuple[float, float]:
    """MB of the process, and of its children beside it."""
    process = psutil.Process(pid)
    return process.memory_info().rss / 1e6, sum(c.memory_info().rss for c in process.children(recursive=True)) / 1e6


def quiet(terminal: Terminal, seconds: float) -> tuple[int, int, float]:
    """While nobody does anything: bytes, those of them after which the screen read as before, % of a core.

    The clock and the machine's own readings go on, and where they change they are painted.
    """
    process = psutil.Process(terminal.process.pid)
    before, began, vain = sum(process.cpu_times()[:2]), terminal.received, 0
    seen, limit = terminal.screen(), time.monotonic() + seconds
    while (left := limit - time.monotonic()) > 0:
        start = terminal.received
        if terminal.pump(left):
            terminal.settle(0.1)
            now = terminal.screen()
            vain += terminal.received - start if now == seen else 0
            seen = now
    return terminal.received - began, vain, (sum(process.cpu_times()[:2]) - before) / seconds * 100


def report(
    console: Side,
    bare: Side,
    idle: Sequence[tuple[int, int, float]],
    memory: Sequence[tuple[float, float]],
    seconds: float,
) -> int:
    """Prints the table; 1 if a target is missed, else 0."""
    headline()
    print(f"{'':32}{'console':>16}{'bare tree':>16}{'ratio':>8}{'target':>8}")
    figures = {
        "first": ("first frame, median, ms", median(console.frames), median(bare.frames)),
        "p50": (f"key to paint, p50 of {len(console.keys):,}, ms", median(console.keys), median(bare.keys)),
        "p95": ("key to paint, p95, ms", percentile(console.keys, 95), percentile(bare.keys, 95)),
    }
    missed = ["bytes with nothing changed"] if idle[0][1] else []
    for name, (what, ours, theirs) in figures.items():
        print(f"{what:32}{ours:>16.1f}{theirs:>16.1f}{ours / theirs:>8.2f}{TARGETS[name]:>8.1f}")
        missed += [what] if ours / theirs > TARGETS[name] else []
    print(f"{f'quartiles of {len(console.frames)} starts':32}{spread(console.frames):>16}{spread(bare.frames):>16}")
    print(f"{'bytes a key':32}{console.painted / len(console.keys):>16.0f}{bare.painted / len(bare.keys):>16.0f}")
    print(f"{f'bytes in {seconds:g} s, no key':32}{idle[0][0]:>16}{idle[1][0]:>16}")
    print(f"{'  of them with nothing changed':32}{idle[0][1]:>16}{idle[1][1]:>16}{'':8}{0:>8}")
    print(f"{'  CPU meanwhile, % of a core':32}{idle[0][2]:>16.1f}{idle[1][2]:>16.1f}")
    print(f"{'memory, MB':32}{memory[0][0]:>16.0f}{memory[1][0]:>16.0f}")
    print(f"{'  of its agents, MB':32}{memory[0][1]:>16.0f}{memory[1][1]:>16.0f}")
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


def headline() -> None:
    """Prints what machine this is."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"Python {platform.python_version()}, Textual {importlib.metadata.version('textual')}"
    print(f"{cores} cores, {platform.system()} {platform.machine()}, {versions}, {SIZE[0]}x{SIZE[1]}, load {load()}")


def percentile(values: Sequence[float], of: int) -> float:
    return quantiles(values, n=100, method="inclusive")[of - 1]


def spread(values: Sequence[float]) -> str:
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"{low:.0f} to {high:.0f}"


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
