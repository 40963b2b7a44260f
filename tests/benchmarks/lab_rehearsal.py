"""Week 0 with MLX and the network's day of week 1 over SSH, on three hosts in namespaces (`tests/lab`, root on Linux).

``python -P tests/benchmarks/lab_rehearsal.py [--steps N] [--seconds 20] [--megabytes 500] [--workspace DIR]`` plays
``gladiator-console rehearse W --through G1a`` on the shipped plan: links are held to 1 Gbit/s, the hosts are closed.
Then ALPHA, BETA and AIR leak in turn, and a host's own firewall swallows what is asked inside, each with a new run of
W1.3. It prints what each task took, the figures of the network and the verdicts; exit status 1 if a verdict is not what
the hosts' state makes true. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

from host_lab import HostLab, Unavailable  # noqa: E402
from lab_site import lab_site  # noqa: E402

from console.plan.loading import shipped  # noqa: E402

CLI = [sys.executable, "-P", "-c", "import sys; from console.cli.main import main; sys.exit(main())"]
MUTE = (
    "add table inet mute; add chain inet mute o { type filter hook output priority 0; };"
    " add rule inet mute o udp dport != 1 drop"
)


def main() -> int:
    parser = argparse.ArgumentParser(description="the rehearsal over SSH, on three hosts in namespaces")
    parser.add_argument("--steps", type=int, help="of the training; else the rehearsal's own")
    parser.add_argument("--seconds", type=int, default=20, help="of each direction of the throughput")
    parser.add_argument("--megabytes", type=int, default=500, help="of the file of W1.2b")
    parser.add_argument("--workspace", type=Path, help="where it is kept; else it is thrown away")
    given = parser.parse_args()
    os.environ.pop("SSH_AUTH_SOCK", None)
    os.environ["GLADIATOR_OPERATOR"] = "Ada"
    os.environ["PYTHONPATH"] = str(HERE.parents[1])
    try:
        with HostLab() as lab, tempfile.TemporaryDirectory() as directory:
            return play(lab, given, given.workspace or Path(directory) / "w", Path(directory))
    except Unavailable as reason:
        print(f"not run: {reason}", file=sys.stderr)
        return 2


def play(lab: HostLab, given: argparse.Namespace, workspace: Path, directory: Path) -> int:
    """Everything in one lab; the exit status."""
    for name in lab.host:
        lab.rate(name, "1gbit")
    amounts = tomllib.loads((shipped("sites") / "rehearsal.toml").read_text())["parameters"]
    amounts["W0.1.5"]["steps"] = given.steps or amounts["W0.1.5"]["steps"]
    amounts |= {"W1.2": {"seconds": given.seconds}, "W1.2b": {"make": given.megabytes * 1_000_000}}
    site = lab_site(lab, directory / "site.toml", amounts, gates=frozenset({"G1p", "limit"}))
    began = time.monotonic()
    subprocess.run([*CLI, "init", str(workspace), "--site", str(site)], check=True)
    rehearsed = subprocess.run([*CLI, "rehearse", str(workspace), "--through", "G1a"])
    print(f"rehearse --through G1a: exit status {rehearsed.returncode}, {time.monotonic() - began:.0f} s")
    told = status(workspace)
    figures(told)
    right = [judged("closed", told, "ENFORCED", gate="go"), rehearsed.returncode == 0]
    if not all(right):
        return 1
    for name in lab.host:
        lab.leak(name)
        right.append(judged(f"{name} leaks", again(workspace), "BROKEN"))
        lab.seal(name)
    lab.run("beta", "nft", MUTE)
    right.append(judged("beta's firewall swallows UDP", again(workspace), "INCONCLUSIVE"))
    lab.run("beta", "nft", "delete table inet mute")
    right.append(judged("closed again", again(workspace), "ENFORCED"))
    audit = subprocess.run([*CLI, "audit", str(workspace)], capture_output=True, text=True)
    print(f"audit: exit status {audit.returncode}: {audit.stdout.strip().splitlines()[-1:]}")
    return 0 if all(right) and audit.returncode == 0 else 1


def again(workspace: Path) -> dict:
    """The checklist after another run of the air gap's test."""
    subprocess.run([*CLI, "run", str(workspace), "W1.3", "--again"], stdout=subprocess.DEVNULL, check=True)
    return status(workspace)


def status(workspace: Path) -> dict:
    """The checklist."""
    return json.loads(subprocess.run([*CLI, "status", str(workspace), "--json"], stdout=subprocess.PIPE).stdout)


def figures(told: dict) -> None:
    """What the network's day found, each figure beside the one that counts."""
    for task, slug in (
        *(("W1.1", host) for host in ("alpha", "beta", "air")),
        *(("W1.2", name) for name in ("throughput", "observed", "sustained", "to_server", "to_client")),
        *(("W1.2b", name) for name in ("seconds", "elapsed", "observed", "equal")),
    ):
        record = told["tasks"][task]["records"][slug]
        value = "n/a" if record["value"] is None else record["value"]
        print(f"  {task:6} {slug:10} {value} {record.get('unit', '')}  {record.get('reason', '')}".rstrip())
    for gate in ("G1", "G1n", "G1a"):
        print(f"  {gate:4} {told['gates'][gate]['state']}")


def judged(what: str, told: dict, verdict: str, gate: str = "") -> bool:
    """Prints the verdict and what the gate makes of it; whether it is the true one."""
    records = told["tasks"]["W1.3"]["records"]
    stood = told["gates"]["G1a"]
    criteria = {c["name"]: c["met"] for c in stood["criteria"]}
    wanted = {"ENFORCED": (True, True), "BROKEN": (False, True), "INCONCLUSIVE": (None, None)}[verdict]
    found = records["verdict"]["value"]
    ok = found == verdict and criteria["outward"] is wanted[0] and (not gate or stood["state"] == gate)
    ok = ok and (verdict != "ENFORCED" or criteria["inward"] is True)
    print(
        f"{'met' if ok else 'NOT MET'}: {what}: {found}, {records['answered']['value']} of {records['asked']['value']}"
        f" answered, {records['controls']['value']} controls, ways out met: {criteria['outward']}; "
        f"{str(records['which']['value'])[:160]}"
    )
    return ok


if __name__ == "__main__":
    sys.exit(main())
