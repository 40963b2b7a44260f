"""P-02 and P-04 of the shipped plan, measured on this machine by the jobs of both hosts."""

import asyncio
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w

from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.plan.loading import shipped

SHIM = Path(__file__).parents[2] / "lab" / "docker"


@pytest.fixture
async def opened(tmp_path):
    """Opens the shipped plan on the shipped rehearsal, changed."""
    made = []

    def at(hosts=None, parameters=None):
        site = tomllib.loads((shipped("sites") / "rehearsal.toml").read_text())
        for name, more in (hosts or {}).items():
            site["host"][name] |= more
        site["parameters"] |= parameters or {}
        (tmp_path / "site.toml").write_text(tomli_w.dumps(site))
        workspace = Workspace.create(tmp_path / "w", shipped("gladiator"), tmp_path / "site.toml", "Ada")
        made.append(Conductor(workspace, "Ada"))
        return made[-1]

    yield at
    for conductor in made:
        await conductor.close()


async def ran(conductor, task):
    for job in await conductor.start(task, {}):
        await asyncio.wait_for(conductor.runs.see_to_end(job), 60)
    view = conductor.workspace.view().tasks[task]
    return view, {record.slug: record for record in view.records}


async def test_on_a_rehearsal_the_hosts_are_measured_and_containers_hold_nothing_up(opened):
    conductor = opened()
    task, found = await ran(conductor, "P-02")
    assert task.state == "done", task.why
    assert {job.host for job in task.jobs} == {"ALPHA", "BETA"}
    for name in ("alpha", "beta"):
        assert (found[name].value, found[name].met, found[name].typed) == (True, True, False)
        assert found[f"{name}_memory"].value > 0
    task, found = await ran(conductor, "P-04")
    assert task.state == "done", task.why
    for name in ("blue_combat", "red_combat"):
        assert (found[name].value, found[name].met) == (None, None)
        assert found[name].reason == "the site names no container for this host"
    assert not [why for why in conductor.workspace.view().tasks["P-05"].why if "P-04" in why or "P-02" in why]


async def test_too_little_memory_and_a_stopped_container_are_seen(opened, tmp_path):
    docker = str(shutil.copy(SHIM, tmp_path / "docker"))
    (tmp_path / "state").write_text("stopped")
    conductor = opened(
        {"ALPHA": {"container": "blue_combat", "docker": docker, "container_root": "/x"}},
        {"P-02": {"memory_first": 1e9, "memory_second": 0.001, "disk_first": 0.001, "disk_second": 0.001}},
    )
    _, found = await ran(conductor, "P-02")
    assert (found["alpha"].value, found["alpha"].met) == (False, False)
    assert (found["beta"].value, found["beta"].met) == (True, True)
    task, found = await ran(conductor, "P-04")
    assert task.state == "done"
    assert (found["blue_combat"].value, found["blue_combat"].met) == (False, False)
    assert found["blue_state"].value == "blue_combat is exited"
    assert found["red_combat"].value is None
