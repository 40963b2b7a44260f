"""The network's day on three hosts over SSH, on links held to 1 Gbit/s: verdicts are what the hosts' state makes true.

Before it the data set is made and brought, as in Week 0; the whole of Week 0 with MLX is played by
`tests/benchmarks/lab_rehearsal.py`.
"""

import asyncio
import sys
import tomllib

import pytest
import tomli_w
from lab_site import lab_site

from console.conductor.errors import Refused
from console.conductor.rehearse import Rehearsal
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.plan.loading import shipped

TASKS = {
    "preconditions.toml": ("P-01",),
    "week-0.toml": ("W0.1.1", "W0.1.2"),
    "week-1.toml": ("W1.1", "W1.2", "W1.2b", "W1.2g", "W1.3", "W1.3g"),
}
GATES = ("G1n", "G1a")
SMALL = {
    "P-01": {"patterns": 500, "batch": 250, "shift": 10},
    "W0.1.1": {"samples": 100},
    "W1.2": {"seconds": 3},
    "W1.2b": {"make": 300_000_000},
}
MUTE = (
    "add table inet mute; add chain inet mute o { type filter hook output priority 0; };"
    " add rule inet mute o udp dport != 1 drop"
)


def small_plan(directory):
    """The shipped plan's tasks and gates of these names, each in its phase, none behind G1."""
    directory.mkdir()
    head = {"schema": 1, "id": "net", "title": "Net", "version": "1", "start": "2025-10-16", "days": 20, "phase": {}}
    for place, (file, tasks) in enumerate(TASKS.items()):
        whole = tomllib.loads((shipped("gladiator") / file).read_text())
        kept = {"day": whole.get("day", {}), "task": {id: whole["task"][id] for id in tasks}}
        kept["gate"] = {id: gate for id, gate in whole.get("gate", {}).items() if id in GATES}
        (directory / file).write_text(tomli_w.dumps(kept))
        head["phase"][f"W{place}"] = {"title": file, "file": file, "offset": 7 * (place // 2), "days": 7}
    (directory / "plan.toml").write_text(tomli_w.dumps(head).replace('"2025-10-16"', "2025-10-16"))
    return directory


@pytest.fixture
async def conductor(lab, tmp_path, monkeypatch):
    """On the lab's hosts; AIR's jobs find no ``ping`` beside the sockets that the system may lend."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    no_ping = tmp_path / "python"
    no_ping.write_text(f'#!/bin/sh\nPATH={tmp_path} exec {sys.executable} "$@"\n')
    no_ping.chmod(0o755)
    site = lab_site(lab, tmp_path / "site.toml", SMALL, python={"air": str(no_ping)})
    made = Conductor(Workspace.create(tmp_path / "w", small_plan(tmp_path / "plan"), site, "Ada"), "Ada")
    yield made
    await made.close()


class Stood:
    """What the checklist says now."""

    def __init__(self, conductor):
        self.view = conductor.workspace.view()
        self.records = {(task.id, r.slug): r for task in self.view.tasks.values() for r in task.records}
        self.criteria = {(gate.id, c.name): c for gate in self.view.gates.values() for c in gate.criteria}

    def gap(self):
        """Verdict, and whether each criterion of G1a is met."""
        return (
            self.records["W1.3", "verdict"].value,
            *(self.criteria["G1a", name].met for name in ("outward", "inward")),
        )


async def asked_again(conductor):
    for job in await conductor.start("W1.3", again=True):
        await asyncio.wait_for(conductor.runs.see_to_end(job), 60)
    return Stood(conductor)


async def test_the_verdicts_over_ssh_are_those_of_the_hosts(lab, conductor):
    for name in lab.host:
        lab.rate(name, "1gbit")
    told = []
    ending = await asyncio.wait_for(Rehearsal(conductor, {}, told.append).through("G1a"), 120)
    assert ending.kind == "through", ending
    stood = Stood(conductor)

    # Closed hosts that answer each other: the gap gates here, and is decided from its evidence.
    assert stood.gap() == ("ENFORCED", True, True)
    assert stood.view.gates["G1a"].state == "go"
    assert stood.view.gates["G1a"].not_proven == ()
    assert stood.records["W1.3", "answered"].value == 0
    assert stood.records["W1.3", "asked"].value > 60
    assert (stood.records["W1.3", "controls"].value, stood.records["W1.3", "failed"].value) == (42, 0)

    # What went over the limited links is told as observed, and is no figure of a network.
    assert stood.view.tasks["W0.1.2"].state == "done"
    assert 0.9 < stood.records["W1.2", "observed"].value < 1.0
    # A transfer's time ends with the compared digests, so that it is a little below what the link carries.
    assert 0.7 < stood.records["W1.2b", "observed"].value * 8 / 1000 < 1.0
    assert stood.records["W1.2b", "equal"].value is True
    for name in (("W1.1", "alpha"), ("W1.2", "throughput"), ("W1.2b", "seconds")):
        assert stood.records[name].value is None
        assert stood.records[name].source
    assert "virtual" in stood.records["W1.2", "throughput"].reason
    assert stood.view.gates["G1n"].state == "passed-over"
    for name in ("throughput", "seconds"):
        assert stood.criteria["G1n", name].met is None
        assert "virtual" in stood.criteria["G1n", name].reason

    # One host with a way out.
    lab.leak("beta")
    leaky = await asked_again(conductor)
    assert leaky.gap() == ("BROKEN", False, True)
    assert "second: " in leaky.records["W1.3", "which"].value
    assert not leaky.view.gates["G1a"].may_go
    assert leaky.view.gates["G1a"].stale, "a GO whose evidence has changed opens nothing"
    with pytest.raises(Refused, match="ways out not met: 25 ways"):
        conductor.decide("G1a", "go", "it will do", again=True)
    conductor.decide("G1a", "no-go", "BETA has a way out", again=True)
    assert Stood(conductor).view.gates["G1a"].state == "no-go"
    lab.seal("beta")

    # A control that fails, and a host without a tool: silence proves nothing.
    lab.run("alpha", "nft", MUTE)
    try:
        muted = await asked_again(conductor)
    finally:
        lab.run("alpha", "nft", "delete table inet mute")
    assert muted.gap()[:2] == ("INCONCLUSIVE", None)
    assert "first: control failed: dns-udp" in muted.records["W1.3", "which"].value
    lab.run("air", "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
    without = await asked_again(conductor)
    assert without.gap()[:2] == ("INCONCLUSIVE", None)
    assert without.criteria["G1a", "outward"].reason.startswith("INCONCLUSIVE: third: icmp 8.8.8.8 could not be asked")
    with pytest.raises(Refused, match="ways out not measured"):
        conductor.decide("G1a", "go", "nothing answered", again=True)
