"""A real training on ALPHA, followed over SSH while everything that can end a connection does so, time and again.

``python -P tests/benchmarks/training_cuts.py [--cuts 50]`` as root on Linux. In the lab of `tests/lab` the small data
set and base model of the rehearsal are made, then MLX trains on ALPHA while ``gladiator-console log -f`` follows. The
cable is pulled, the sshd that serve connections are killed, and the console is killed with -9, in a random order; after
each the console must have caught up before the next comes. At the end the training is asked to stop. Its log here must
be the log there, byte for byte, its curve here every step once, its supervisor the same process throughout, and the
audit clean. Exit status 1 if not. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

from host_lab import HostLab, Unavailable  # noqa: E402
from lab_site import lab_site  # noqa: E402

from console.app.follow import Follower  # noqa: E402
from console.plan.loading import shipped  # noqa: E402

CLI = [sys.executable, "-P", "-c", "import sys; from console.cli.main import main; sys.exit(main())"]
BEFORE = ("P-01", "P-01s", "W0.1.1", "W0.1.2", "W0.1.3", "P-03", "W0.1.4", "W0.1.5")
KINDS = ("link", "sshd", "link", "sshd", "console")


def main() -> int:
    parser = argparse.ArgumentParser(description="a training over SSH through cuts")
    parser.add_argument("--cuts", type=int, default=50)
    given = parser.parse_args()
    os.environ.pop("SSH_AUTH_SOCK", None)
    os.environ["GLADIATOR_OPERATOR"] = "Ada"
    os.environ["PYTHONPATH"] = str(HERE.parents[1])
    try:
        with HostLab() as lab, tempfile.TemporaryDirectory() as directory:
            return Bench(lab, Path(directory)).run(given.cuts)
    except Unavailable as reason:
        print(f"not run: {reason}", file=sys.stderr)
        return 2


class Bench:
    """One lab, one workspace, one training."""

    def __init__(self, lab: HostLab, directory: Path) -> None:
        self._lab = lab
        self._workspace = directory / "w"
        amounts = tomllib.loads((shipped("sites") / "rehearsal.toml").read_text())["parameters"]
        amounts["W0.1.5"] |= {"steps": 1_000_000, "batch": 8, "schedule": "constant"}
        site = lab_site(lab, directory / "site.toml", amounts, gates=frozenset({"G1a", "G1p", "limit"}))
        self._verb("init", "--site", str(site))

    def run(self, cuts: int) -> int:
        """Everything; the exit status."""
        for task in BEFORE:
            self._verb("run", task)
        following = self._follow()
        job = self._wait(self._started, "the training's job")
        there = self._lab.host["alpha"].root / "jobs" / job / "events.jsonl"
        self._here = self._workspace / "mirror/ALPHA" / job / "events.jsonl"
        self._wait(lambda: self._size() > 2_000, "the first steps")
        supervisor = self._supervisor(there.parent)
        kinds = [KINDS[at % len(KINDS)] for at in range(cuts)]
        random.Random(50).shuffle(kinds)
        back: dict[str, list[float]] = {kind: [] for kind in KINDS}
        began = time.monotonic()
        for kind in kinds:
            if kind == "link":
                self._lab.cut("alpha")
                end = there.stat().st_size + 1_000  # some steps go by meanwhile
                self._wait(lambda end=end: there.stat().st_size > end, "steps while the link is down")
                self._lab.restore("alpha")
            elif kind == "sshd":
                self._wait(lambda: self._lab.kill_sessions("alpha"), "a connection to kill")
            else:
                following.kill()
                following.wait()
                following = self._log()
            cut, size = time.monotonic(), there.stat().st_size
            self._wait(lambda size=size: self._size() > size, f"the console after a cut ({kind})")
            back[kind].append(time.monotonic() - cut)
        seconds = time.monotonic() - began
        alive = supervisor.is_running()
        self._verb("stop", "W0.2.1")
        following.wait(60)
        return self._report(there, back, seconds, alive)

    def _report(self, there: Path, back: dict[str, list[float]], seconds: float, alive: bool) -> int:
        follower = Follower(self._here)
        while follower.poll(1.0):
            pass
        steps = [int(step) for step in follower.series["loss"].steps]
        data = self._here.read_bytes()
        last = json.loads(data.splitlines()[-1])
        audit = subprocess.run([*CLI, "audit", str(self._workspace)], capture_output=True, text=True)
        for kind, waits in back.items():
            print(f"  {kind:8} {len(waits):3} times, heard again after {statistics.median(waits):.2f} s", end="")
            print(f" (longest {max(waits):.2f} s)")
        print(f"{sum(map(len, back.values()))} cuts in {seconds:.0f} s, {len(steps)} steps, {len(data)} bytes of log")
        ok = [
            _verdict("the log here is the log there, byte for byte", data == there.read_bytes()),
            _verdict("the curve has every step once", steps == list(range(1, len(steps) + 1)) and len(steps) > 100),
            _verdict("the training went on throughout, and ended when asked", alive and last["outcome"] == "stopped"),
            _verdict("the audit is clean", audit.returncode == 0),
        ]
        return 0 if all(ok) else 1

    def _verb(self, verb: str, *given: str) -> None:
        command = [*CLI, verb, str(self._workspace), *given]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _follow(self) -> subprocess.Popen[bytes]:
        """Starts the training; its console follows it from then on."""
        return self._popen("run", "W0.2.1")

    def _log(self) -> subprocess.Popen[bytes]:
        return self._popen("log", "W0.2.1", "-f")

    def _popen(self, verb: str, *given: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*CLI, verb, str(self._workspace), *given], stdout=subprocess.DEVNULL)

    def _started(self) -> str:
        running = (self._lab.host["alpha"].root / "jobs").glob("*/job.toml")
        return next((p.parent.name for p in running if b'"W0.2.1"' in p.read_bytes()), "")

    def _size(self) -> int:
        return self._here.stat().st_size if self._here.exists() else 0

    @staticmethod
    def _supervisor(directory: Path) -> psutil.Process:
        wanted = {"run", str(directory)}
        return next(p for p in psutil.process_iter(["cmdline"]) if wanted <= set(p.info["cmdline"] or ()))

    @staticmethod
    def _wait(condition: Callable[[], object], what: str, seconds: float = 60.0) -> object:
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not within {seconds:.0f} s")
            time.sleep(0.01)
        return found


def _verdict(what: str, met: bool) -> bool:
    print(f"{'met' if met else 'NOT MET'}: {what}")
    return met


if __name__ == "__main__":
    sys.exit(main())
