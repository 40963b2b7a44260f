"""The stub plan on hosts over SSH, one with a container: the same verbs, the same checklist."""

import asyncio
import shutil
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
import tomli_w

from console.conductor.auditing import audit_workspace
from console.conductor.errors import Refused
from console.conductor.rehearse import Rehearsal
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.plan.sites import Host, SiteFile
from operations.job import state

TESTS = Path(__file__).parents[2]
PLAN = TESTS / "stub" / "plan"


@pytest.fixture
async def far(lab, tmp_path, monkeypatch):
    """A conductor of the stub plan, its hosts in the lab; stub.make runs in a container of beta's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    docker = str(shutil.copy(TESTS / "lab" / "docker", tmp_path / "docker"))
    table = {}
    for name, there in (("ALPHA", lab.host["alpha"]), ("BETA", lab.host["beta"])):
        table[name] = Host(
            link="ssh",
            address=there.address,
            wired=there.address,
            user=there.user,
            identity=str(there.identity),
            known_hosts=str(there.known_hosts),
            root=str(there.root),
            python=sys.executable,
            machine="this machine",
        )
    inside = {"container": "blue_combat", "container_root": table["BETA"].root, "container_python": sys.executable}
    table["BETA"] = msgspec.structs.replace(table["BETA"], docker=docker, contained=["stub.make"], **inside)
    site = SiteFile(
        schema=1,
        id="far",
        title="far",
        rehearsal=True,
        host=table,
        not_here={"G1.speed": "the hosts share one machine"},
        parameters={"count": {"steps": 100}},
    )
    path = tmp_path / "site.toml"
    path.write_text(tomli_w.dumps(msgspec.to_builtins(site)))
    made = Conductor(Workspace.create(tmp_path / "w", PLAN, path, "Ada"), "Ada")
    yield made
    await made.close()


async def test_a_rehearsal_over_ssh_is_as_one_on_this_machine(lab, far, tmp_path):
    ending = await asyncio.wait_for(Rehearsal(far, {}, lambda _step: None).through("G1"), 90)
    view = far.workspace.view()
    assert ending.kind == "through", ending
    assert view.gates["G1"].state == "go"
    made = view.tasks["make"].job
    there = lab.host["beta"].root / "jobs" / made.id
    assert (there / "artefacts/data.txt").read_text() == "hello\n" * 1000
    mirror = far.workspace.path / "mirror/BETA" / made.id / "events.jsonl"
    assert far.events_file(made) == mirror
    assert mirror.read_bytes() == (there / "events.jsonl").read_bytes()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        "exec",
        "-i",
        "blue_combat",
        sys.executable,
        *["-P", "-m", "operations", "agent"],
        str(there.parents[1]),
    ]
    found = audit_workspace(far.workspace.path)
    assert found.faults == ()
    assert any("artefact data" in name and "on BETA" in name for name in found.unreachable)
    mirror.write_bytes(mirror.read_bytes().replace(b"hello", b"hallo"))
    assert any(made.id in fault for fault in audit_workspace(far.workspace.path).faults)


async def test_a_job_whose_host_is_away_at_its_end_is_done_when_it_is_back(lab, far):
    (job,) = await far.start("make", {"lines": 10})
    ending = asyncio.create_task(far.runs.see_to_end(job))
    lab.cut("beta")
    directory = lab.host["beta"].root / "jobs" / job
    async with asyncio.timeout(20):
        while state(directory) != "finished" or far.hosts.state("BETA").state == "up":
            await asyncio.sleep(0.01)
    assert "link is cut" in far.hosts.state("BETA").reason
    assert far.workspace.view().tasks["make"].state == "running"
    lab.restore("beta")
    await asyncio.wait_for(ending, 20)
    assert far.workspace.view().tasks["make"].state == "done"


async def test_an_address_that_was_wrong_and_a_key_that_moved_are_put_right_while_consoles_are_open(lab, far, tmp_path):
    file = far.workspace.path / "site.toml"
    other = Conductor(Workspace.open(far.workspace.path), "Bob")

    def adopt(**changed) -> None:
        site = tomllib.loads(file.read_text())
        site["host"]["BETA"] |= changed
        file.write_text(tomli_w.dumps(site))
        other.adopt()

    try:
        key = str(shutil.copy(lab.host["beta"].identity, tmp_path / "moved"))
        adopt(port=9)
        with pytest.raises(Refused, match=r"make: BETA does not answer: .*is open"):
            await far.start("make", {"lines": 10})
        job = far.workspace.view().tasks["make"].job.id
        ending = asyncio.create_task(far.runs.see_to_end(job))
        adopt(port=22, identity=key)
        await asyncio.wait_for(ending, 30)
        assert far.workspace.view().tasks["make"].why == ("it never reached BETA",)
        (again,) = await far.start("make", {"lines": 10})
        await asyncio.wait_for(far.runs.see_to_end(again), 30)
        assert far.workspace.view().tasks["make"].state == "done"
    finally:
        await other.close()
