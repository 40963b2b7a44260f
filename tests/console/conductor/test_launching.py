"""A job whose start is journalled and that its host does not know yet is on its way, not lost."""

import asyncio
from pathlib import Path

import pytest

from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace

STUB = Path(__file__).parents[2] / "stub"


@pytest.fixture
async def consoles(tmp_path):
    """Two on one workspace, each watching the jobs as the app does."""
    Workspace.create(tmp_path / "w", STUB / "plan", STUB / "site.toml", "Ada").close()
    made = [Conductor(Workspace.open(tmp_path / "w"), "Ada") for _ in range(2)]
    watches = [asyncio.create_task(watch(conductor)) for conductor in made]
    yield made
    for task in watches:
        task.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    for conductor in made:
        await conductor.close()


async def watch(conductor):
    async for _ in conductor.watch():
        pass


async def test_a_slow_launch_is_not_lost(consoles, monkeypatch):
    here, there = consoles
    launch = here.hosts.launch

    async def slow(*given):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(see(there, "make", "lost"), 3)
        await launch(*given)

    monkeypatch.setattr(here.hosts, "launch", slow)
    await here.start("make")
    await asyncio.wait_for(see(there, "make", "done"), 30)
    assert [job.state for job in here.workspace.view().tasks["make"].jobs] == ["done"]


async def test_a_launch_that_was_cut_is_lost(consoles, monkeypatch):
    here, there = consoles

    async def cut(*given):
        raise ConnectionError("cut")

    monkeypatch.setattr(here.hosts, "launch", cut)
    with pytest.raises(ConnectionError):
        await here.start("make")
    await asyncio.wait_for(see(there, "make", "lost"), 30)
    assert there.workspace.view().tasks["make"].jobs[0].reason == "it never reached BETA"


async def see(conductor, task, state):
    while conductor.workspace.view().tasks[task].state != state:
        await asyncio.sleep(0.05)
