"""A host without internet is prepared with all of the lean set, in the lab of `tests/lab/host_lab.py`; root on Linux.

``python -P tests/benchmarks/prepare_host.py [--wheelhouse DIR]`` fetches the wheels for this machine's kind if DIR has
none yet (a hundred megabytes), then prints how long each step took. Exit status 1 if one misses its target:

- ``host check`` of the bare host says that python, agent and root are not met, and exits 1.
- ``host prepare`` leaves a host of which ``host check`` says that all is met or n/a, MLX and its BLAS among it.
- The second ``host prepare`` sends and installs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

from host_lab import HostLab, Unavailable  # noqa: E402

from console.hosts.prepare.lock import PLATFORMS  # noqa: E402

SITE = """\
schema = 1
id = "lab"
title = "Lab"
[host.HERE]
link = "ssh"
address = "{host.address}"
user = "{host.user}"
identity = "{host.identity}"
known_hosts = "{host.known_hosts}"
root = "{host.root}"
python = "{host.root}/venv/bin/python"
"""


def program(*words: object) -> tuple[int, str, float]:
    """Exit status, output and seconds of one command."""
    began = time.monotonic()
    command = [sys.executable, "-P", "-m", "console", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began


def unmet(output: str) -> set[str]:
    """The checks of the host that are not met."""
    return {name for name, check in json.loads(output)["HERE"].items() if check["met"] is False}


def main() -> int:
    """Runs it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheelhouse", type=Path)
    given = parser.parse_args()
    uname = f"{platform.system()} {platform.machine()}"
    kind = next(name for name, known in PLATFORMS.items() if known.uname == uname)
    os.environ.pop("PYTHONPATH", None)
    os.environ.pop("GLADIATOR_OPERATIONS", None)
    faults = []
    with tempfile.TemporaryDirectory() as directory, HostLab() as lab:
        home = Path(directory)
        # where the system has no ping, users may send echo requests by themselves
        lab.run("alpha", "sysctl", "-w", "net.ipv4.ping_group_range=0 2147483647")
        wheelhouse = given.wheelhouse or home / "wheelhouse"
        status, said, seconds = program("wheelhouse", wheelhouse, "--platform", kind)
        print(f"{seconds:7.1f} s  {said.strip().splitlines()[-1]}")
        if status:
            return 1
        (home / "site.toml").write_text(SITE.format(host=lab.host["alpha"]))
        plan = HERE.parents[1] / "checklists" / "data-release"
        program("init", home / "w", "--plan", plan, "--site", home / "site.toml", "--operator", "Ada")
        status, said, seconds = program("host", "check", home / "w", "HERE", "--json")
        print(f"{seconds:7.1f} s  check of the bare host: not met {', '.join(sorted(unmet(said)))}")
        if status != 1 or not unmet(said) >= {"python", "agent"}:
            faults.append("a bare host was not told")
        prepare = ("host", "prepare", home / "w", "HERE", "--wheelhouse", wheelhouse, "--base", sys.executable)
        for again in (False, True):
            status, said, seconds = program(*prepare)
            print(f"{seconds:7.1f} s  prepare{' again' if again else ''}: {said.strip().splitlines()[-1]}")
            if status or (again and ("sending" in said or "installing" in said)):
                faults.append(f"prepare: {said}")
        status, said, seconds = program("host", "check", home / "w", "HERE", "--json")
        print(f"{seconds:7.1f} s  check: not met {', '.join(sorted(unmet(said))) or 'nothing'}")
        if status:
            faults.append(said)
    for fault in faults:
        print(f"MISSED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        sys.exit(2)
