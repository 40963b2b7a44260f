"""A plan of 2,000 tasks beside the shipped one, and the shipped one all unfolded beside a bare tree.

``python -P tests/benchmarks/large_plan_opens.py [--pairs 15] [--keys 1000]`` prints one table; exit status 1 if a
target is missed. Targets: first frame at most 1.3 x the shipped plan's median; ``status`` within 0.5 s on either; key
to paint with every phase unfolded p50 at most 1.5 x and p95 at most 2 x a bare tree of the same labels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "terminal"), str(HERE.parent / "stub")]

import large_plan  # noqa: E402
import terminal  # noqa: E402

from console.plan.loading import shipped  # noqa: E402

TARGETS = {"first": 1.3, "status": 0.5, "p50": 1.5, "p95": 2.0}
PYTHON = [sys.executable, "-P", "-m", "console"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=15, help="starts of each")
    parser.add_argument("--keys", type=int, default=1000, help="keys pressed in each app")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        env = terminal.environment(directory)
        few, many = directory / "few", directory / "many"
        (directory / "plan").mkdir()
        site = shipped("sites/this-machine.toml")
        plan = ["--plan", str(large_plan.write(directory / "plan")), "--site", str(site)]
        for workspace, more in ((few, []), (many, plan)):
            subprocess.run([*PYTHON, "init", str(workspace), *more], env=env, check=True, capture_output=True)
        shown = (terminal.Side("2,000 tasks", [*PYTHON, str(many)], (f"{large_plan.name(0)} Task 0", "leave"), env),
                 terminal.Side("shipped plan", [*PYTHON, str(few)], ("P-01", "leave"), env))  # fmt: skip
        for side in shown:
            side.start().close()
            side.frames.clear()
        for pair in range(given.pairs):
            for side in shown if pair % 2 else shown[::-1]:
                side.start().close()
        status = [[seconds(workspace, env) for _ in range(given.pairs)] for workspace in (many, few)]
        unfolded = keys(few, directory, env, given.keys)
    return report(shown, status, unfolded)


def seconds(workspace: Path, env: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run([*PYTHON, "status", str(workspace)], env=env, check=True, capture_output=True)
    assert b"needs you" in done.stdout
    return time.perf_counter() - began


def keys(workspace: Path, directory: Path, env: dict[str, str], count: int) -> tuple[terminal.Side, terminal.Side]:
    """The console with all phases unfolded, and a tree of the same labels, walked by turns."""
    rows = terminal.labels(workspace, unfolded=True)
    file = directory / "labels.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    first = rows[1][1]
    console = terminal.Side("unfolded", [*PYTHON, str(workspace)], (first,), env)
    bare = terminal.Side("bare tree", [sys.executable, "-P", str(HERE / "bare_tree.py"), str(file)], (first,), env)
    with console.start() as ours, bare.start() as theirs:
        ours.settle(2.0)
        ours.press("+", "home")
        ours.settle(0.5)
        theirs.settle(0.5)
        for place in range(count):
            console.key(ours, terminal.WALK[place % len(terminal.WALK)])
            bare.key(theirs, terminal.WALK[place % len(terminal.WALK)])
        ours.press("end")
        ours.settle(0.5)
        ours.wait_for(rows[-1][1])
    return console, bare


def report(
    shown: tuple[terminal.Side, terminal.Side], status: list[list[float]], unfolded: tuple[terminal.Side, terminal.Side]
) -> int:
    """Prints the table; 1 if a target is missed, else 0."""
    terminal.headline()
    missed = []
    walked, bare = unfolded
    rows = [
        ("first frame, median, ms", "2,000 tasks", median(shown[0].frames), median(shown[1].frames), TARGETS["first"]),
        ("key to paint, unfolded, p50, ms", "console", median(walked.keys), median(bare.keys), TARGETS["p50"]),
        ("key to paint, unfolded, p95, ms", "console", terminal.percentile(walked.keys, 95),
         terminal.percentile(bare.keys, 95), TARGETS["p95"]),
    ]  # fmt: skip
    print(f"{'':34}{'ours':>10}{'beside':>10}{'ratio':>8}{'target':>8}")
    for what, _, ours, beside, target in rows:
        print(f"{what:34}{ours:>10.1f}{beside:>10.1f}{ours / beside:>8.2f}{target:>8.1f}")
        missed += [what] if ours / beside > target else []
    print(f"{'quartiles of the starts':34}{terminal.spread(shown[0].frames):>10}{terminal.spread(shown[1].frames):>10}")
    for what, took in zip(("status, 2,000 tasks, s", "status, shipped plan, s"), status, strict=True):
        print(f"{what:34}{median(took):>10.3f}{'':10}{'':8}{TARGETS['status']:>8.1f}")
        missed += [what] if median(took) > TARGETS["status"] else []
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
