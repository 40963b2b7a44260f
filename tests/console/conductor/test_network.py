"""The network's day of week 1 on one machine: every operation runs, nothing it measures there passes for a network."""

import asyncio
import tomllib

import pytest
import tomli_w

from console.conductor.rehearse import Rehearsal
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.plan.loading import shipped

TASKS = ("W1.1", "W1.2", "W1.2b", "W1.2g", "W1.3", "W1.3g")
GATES = ("G1n", "G1a")


@pytest.fixture
async def conductor(tmp_path):
    """The shipped tasks and gates of that day, and of the shipped rehearsal what concerns them."""
    week = tomllib.loads((shipped("gladiator") / "week-1.toml").read_text())
    week = {
        "day": week["day"],
        "task": {id: week["task"][id] for id in TASKS},
        "gate": {id: week["gate"][id] for id in GATES},
    }
    site = tomllib.loads((shipped("sites") / "rehearsal.toml").read_text())
    site["not_here"] = {name: why for name, why in site["not_here"].items() if name.partition(".")[0] in GATES}
    site["parameters"] = {"W1.2": {"seconds": 1}, "W1.2b": {"make": 3_000_000}}
    plan = tmp_path / "plan"
    plan.mkdir()
    head = {"schema": 1, "id": "net", "title": "Net", "version": "1", "start": "2025-10-16", "days": 20}
    text = tomli_w.dumps({**head, "phase": {"W1": {"title": "Week 1", "file": "week-1.toml", "offset": 7, "days": 7}}})
    (plan / "plan.toml").write_text(text.replace('"2025-10-16"', "2025-10-16"))
    (plan / "week-1.toml").write_text(tomli_w.dumps(week))
    (tmp_path / "site.toml").write_text(tomli_w.dumps(site))
    made = Conductor(Workspace.create(tmp_path / "w", plan, tmp_path / "site.toml", "Ada"), "Ada")
    yield made
    await made.close()


async def test_one_machine_gets_through_and_proves_nothing_of_the_network(conductor):
    ending = await asyncio.wait_for(Rehearsal(conductor, {}, lambda _: None).through(""), 90)
    view = conductor.workspace.view()
    assert ending.kind == "through", ending
    assert {id: task.state for id, task in view.tasks.items()} == dict.fromkeys(TASKS, "done")
    assert {id: gate.state for id, gate in view.gates.items()} == {"G1n": "passed-over", "G1a": "passed-over"}
    records = {(task.id, record.slug): record for task in view.tasks.values() for record in task.records}
    for slug in ("alpha", "beta", "air"):
        assert records["W1.1", slug].value is None
        assert "shares one machine" in records["W1.1", slug].reason
        assert records["W1.1", slug].source
    assert (records["W1.2", "throughput"].value, records["W1.2", "throughput"].met) == (None, None)
    assert records["W1.2", "throughput"].reason.startswith("one machine")
    assert records["W1.2", "observed"].value > 0
    assert records["W1.2b", "seconds"].value is None
    assert records["W1.2b", "equal"].value is True
    assert records["W1.2b", "size"].value == 3_000_000
    assert records["W1.3", "verdict"].value in ("BROKEN", "INCONCLUSIVE")
    assert records["W1.3", "answered"].value is None
    assert records["W1.3", "passed"].reason.startswith("all hosts are this one")
    for slug in ("whole", "lights", "uplink"):
        assert records["W1.1", slug].typed
    stood = {(gate.id, c.name): c for gate in view.gates.values() for c in gate.criteria}
    for name in (("G1n", "throughput"), ("G1n", "seconds"), ("G1a", "inward")):
        assert stood[name].met is None
        assert "not proven here" in stood[name].reason
    assert stood["G1a", "outward"].met is not True
    assert not any(gate.may_go for gate in view.gates.values())
