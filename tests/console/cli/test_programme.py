"""The programme as it is shipped, from nothing to its last decision by one command, and what that leaves.

One rehearsal serves all: it takes minutes. The controls go on from a copy of what it left.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from console.plan.loading import load_plan, shipped

pytestmark = pytest.mark.alone
LIMIT = 1_500
NOWHERE = {
    "G1n": "there is no link between them",
    "G1a": "none can control another",
}


def program(*arguments, timeout=120):
    command = [sys.executable, "-P", "-m", "console", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ})


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory) -> tuple[Path, dict]:
    path = tmp_path_factory.mktemp("programme") / "w"
    done = program("rehearse", path, "--json", timeout=LIMIT)
    assert done.returncode == 0, done.stderr[-4_000:]
    return path, json.loads(done.stdout)


@pytest.fixture
def copy(rehearsed, tmp_path) -> Path:
    shutil.copytree(rehearsed[0], tmp_path / "w")
    return tmp_path / "w"


def made(rehearsed, task: str, name: str) -> Path:
    """The directory or file that a task's latest job made on ALPHA."""
    path, found = rehearsed
    job = found["tasks"][task]["jobs"][-1]["id"]
    (event,) = (
        event
        for event in map(json.loads, (path / "hosts/ALPHA/jobs" / job / "events.jsonl").read_text().splitlines())
        if event["type"] == "artefact" and event["name"] == name
    )
    return path / "hosts/ALPHA" / event["path"]


def test_every_gate_is_decided_and_what_is_not_proven_here_says_so(rehearsed):
    path, found = rehearsed
    gates = found["gates"]
    assert {id: gates[id]["state"] for id in ("G0", "G1", "G1n", "G1a", "G1x", "G1p", "G2", "G3", "G4")} == {
        "G0": "go", "G1": "go", "G1n": "passed-over", "G1a": "passed-over", "G1x": "go", "G1p": "go", "G2": "go",
        "G3": "go", "G4": "go",
    }  # fmt: skip
    for id, reason in NOWHERE.items():
        assert not any(criterion["gates"] for criterion in gates[id]["criteria"])
        assert all(criterion["met"] is not True for criterion in gates[id]["criteria"]), "its true verdict"
        assert reason in json.dumps(found["gates"]["G4"])
    for id in ("G2", "G3", "G4"):
        assert all(criterion["met"] is True for criterion in gates[id]["criteria"]), id
    decision = max((path / "decisions").glob("G4-*.toml"))
    said = tomli.loads(decision.read_text())
    assert said["outcome"] == "GO (rehearsal)"
    assert len(said["not_proven_here"]) >= 6


def test_no_record_that_an_operation_declares_is_empty(rehearsed):
    _, found = rehearsed
    measured = [
        (f"{id}.{slug}", found["tasks"][id])
        for id, task in load_plan(shipped("gladiator")).task.items()
        for slug, record in task.record.items()
        if record.measure and not task.instead_of
    ]
    assert len(measured) > 250
    assert [name for name, task in measured if task["state"] not in ("done", "locked")] == []
    empty = [
        name
        for name, task in measured
        if task["state"] == "done"
        for record in [task["records"][name.rpartition(".")[2]]]
        if record["value"] is None and not record["reason"] and not record.get("rows")
    ]
    assert empty == []


def test_the_audit_finds_no_fault(rehearsed):
    done = program("audit", rehearsed[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 faults" in done.stdout


def test_the_package_verifies_here_by_every_tool_and_only_as_a_rehearsals(rehearsed):
    package, keys = made(rehearsed, "W7.3", "package"), made(rehearsed, "W7.3", "keys")
    key = ["--key", next(keys.glob("*.pem")), "--allowed-signers", keys / "allowed_signers"]
    assert program("verify", package, *key, "--allow-rehearsal").returncode == 0
    refused = program("verify", package, *key)
    assert refused.returncode == 1
    assert "rehearsal" in refused.stdout + refused.stderr
    summed = subprocess.run(["sha256sum", "-c", "--quiet", "MANIFEST.sha256"], cwd=package, check=False)
    assert summed.returncode == 0


def test_four_specialists_are_four_models_each_of_its_task(rehearsed):
    package = made(rehearsed, "W7.3", "package")
    tasks = [json.loads(path.read_text())["tasks"] for path in sorted(package.glob("models/*/labels.json"))]
    assert sorted(name for task in tasks for name in task) == ["anomaly", "evidence", "family", "severity"]


@pytest.mark.parametrize("control", ["loop", "forged"])
def test_with_self_attack_planted_production_is_no_go_whatever_else_is_green(copy, control):
    """A new check, of the same models: specialists that alert on their own alerts, or an ingest that any mark fools."""
    ran = program("run", copy, "W7.2", "--again", "--set", f"control={control}", "--set", "seeds=300")
    assert ran.returncode == 0, ran.stderr
    status = json.loads(program("status", copy, "--json").stdout)
    assert status["tasks"]["W7.2"]["records"]["prevented"]["value"] is False
    refused = program("decide", copy, "G4", "go", "--again", "--reason", "the rest is green")
    assert refused.returncode == 1
    assert "self-attack" in refused.stderr
    waive = ["--waive", "self_attack", "--until", "2999-01-01"]
    assert program("decide", copy, "G4", "go", "--again", "--reason", "x", *waive).returncode == 1
    assert program("decide", copy, "G4", "no-go", "--again", "--reason", "it attacks itself").returncode == 0
    assert json.loads(program("status", copy, "--json").stdout)["gates"]["G4"]["state"] == "no-go"
