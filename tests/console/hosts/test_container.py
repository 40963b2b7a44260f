"""Jobs of contained operations run in the host's container, under one name for the operator; docker is a stand-in."""

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from console.hosts import channel
from console.hosts.hosts import Hosts, HostUnreachable
from console.plan.sites import Host, Site
from operations import events
from operations.job import JobFile

SHIM = Path(__file__).parents[2] / "lab" / "docker"


@pytest.fixture
def docker(tmp_path):
    """The stand-in, in a directory of its own."""
    (tmp_path / "docker").mkdir()
    return Path(shutil.copy(SHIM, tmp_path / "docker" / "docker"))


@pytest.fixture
def inside(docker, tmp_path, lab, agent):
    """What a site says of the container blue_combat, whose root is the host's by another name."""
    (tmp_path / "gladiator data").symlink_to(lab.host["alpha"].root)
    return {
        "container": "blue_combat",
        "container_root": str(tmp_path / "gladiator data"),
        "container_python": agent,
        "docker": str(docker),
        "contained": ["hostile.count"],
    }


async def everything(hosts, host, job):
    return b"".join([lines async for lines in hosts.follow(host, job)])


async def test_a_contained_job_is_launched_followed_and_stopped(lab, far, over_ssh, inside, docker, count, until):
    hosts = over_ssh("hostile.count", A=far(**inside))
    await hosts.launch("A", count(steps=100_000, pause=0.01))
    agent = ("exec", "-i", "blue_combat", inside["container_python"], "-P", "-m", "operations", "agent")
    asked = (*agent, inside["container_root"])
    assert (docker.parent / "asked").read_text().splitlines() == list(asked)
    assert await hosts.probe("A", "j1") == "running"
    assert str(hosts.state("A")) == "up"
    following = asyncio.create_task(everything(hosts, "A", "j1"))
    await until(lambda: hosts.events_file("A", "j1").exists() and hosts.events_file("A", "j1").stat().st_size)
    await until(lambda: hosts.readings("A"))
    assert len(lab.sessions("alpha")) == 1  # both agents over one connection
    await hosts.stop("A", "j1")
    data = await following
    assert events.decode(data.splitlines()[-1]).outcome == "stopped"
    assert (lab.host["alpha"].root / "jobs/j1/events.jsonl").read_bytes() == data
    assert (docker.parent / "asked").read_text().splitlines() == list(asked)


async def test_what_is_not_contained_runs_bare(lab, far, over_ssh, inside, docker):
    hosts = over_ssh("hostile.speak", A=far(**inside))
    await hosts.launch("A", JobFile(id="j2", task="T", operation="hostile.speak", parameters={"what": "bar"}))
    assert events.decode((await everything(hosts, "A", "j2")).splitlines()[-1]).outcome == "done"
    assert not (docker.parent / "asked").exists()


FAULTS = {
    "down": "the Docker daemon is down: start it",
    "denied": "the user may not use Docker: add it to the group that may",
    "stopped": "the container blue_combat is stopped: docker start blue_combat",
    "paused": "the container blue_combat is paused: docker unpause blue_combat",
    "none": "there is no container green_combat: create it, or correct `container`",
    "python": "/none/python can't be run in the container blue_combat: set `container_python`",
    "docker": "/none/docker can't be run on the host: install Docker, or set `docker`",
    "no operations": "has no operations: install gladiator-console there",
}


@pytest.mark.parametrize("link", ["ssh", "local"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_wrong_with_a_container_is_told_apart(
    far, over_ssh, inside, docker, count, agent, script, fault, link, monkeypatch, until
):
    monkeypatch.setattr(channel, "_HOPELESS", 1)
    (docker.parent / "state").write_text(fault if fault in ("down", "denied", "stopped", "paused") else "up")
    bare = script("bare", "#!/bin/sh\necho /usr/bin/python3: No module named operations >&2\nexit 1\n")
    changed = {
        "none": {"container": "green_combat"},
        "python": {"container_python": "/none/python"},
        "docker": {"docker": "/none/docker"},
        "no operations": {"container_python": bare},
    }.get(fault, {})
    host = far(**inside) if link == "ssh" else Host(root="a", python=agent, **inside)
    hosts = over_ssh("hostile.count", A=msgspec.structs.replace(host, **changed))
    with pytest.raises(HostUnreachable, match=FAULTS[fault]):
        await hosts.launch("A", count(steps=1))
    await until(lambda: hosts.readings("A"))
    state = hosts.state("A")
    assert str(state).startswith("up: container: ")  # the host itself is there
    assert FAULTS[fault] in state.reason


@pytest.mark.parametrize("link", ["ssh", "local"])
async def test_a_stopped_container_is_left_alone_until_it_is_asked_for(
    far, over_ssh, inside, docker, agent, count, link, monkeypatch
):
    """The state says when the next attempt comes; who starts the container need not wait for that."""
    monkeypatch.setattr(channel, "_HELP_BACKOFF", (3600.0,))
    monkeypatch.setattr(channel, "_STEADY", 0.0)
    (docker.parent / "state").write_text("stopped")
    hosts = over_ssh("hostile.count", A=far(**inside) if link == "ssh" else Host(root="a", python=agent, **inside))
    with pytest.raises(HostUnreachable, match="docker start blue_combat; tried again in 3600 s, or when it is asked"):
        await hosts.launch("A", count(steps=5))
    assert (docker.parent / "asked").read_text().splitlines().count("exec") == 1
    (docker.parent / "state").write_text("up")
    await hosts.launch("A", count(steps=5))
    assert (docker.parent / "asked").read_text().splitlines().count("exec") == 2
    assert str(hosts.state("A")) == "up"
    await hosts.stop("A", "j1")


async def test_a_container_that_is_started_again_is_found(far, over_ssh, inside, docker, count, until, monkeypatch):
    monkeypatch.setattr(channel, "_HELP_BACKOFF", (0.2,))
    (docker.parent / "state").write_text("stopped")
    hosts = over_ssh("hostile.count", A=far(**inside))
    with pytest.raises(HostUnreachable, match="docker start blue_combat"):
        await hosts.launch("A", count(steps=5))
    (docker.parent / "state").write_text("up")
    await until(lambda: hosts.state("A").state == "up")
    await hosts.launch("A", count(steps=5))
    assert events.decode((await everything(hosts, "A", "j1")).splitlines()[-1]).outcome == "done"


async def test_a_container_of_this_machine_is_asked_and_its_job_mirrored(agent, docker, count, tmp_path):
    """Locks do not reach across to a container's machine everywhere: its own agent says who lives."""
    (tmp_path / "workspace/near").mkdir(parents=True)
    host = Host(
        root="near",
        container="blue_combat",
        container_root=str(tmp_path / "workspace/near"),
        container_python=agent,
        docker=str(docker),
        contained=["hostile.count"],
    )
    site = Site(schema=1, id="s", title="t", host={"A": host})
    hosts = Hosts(site, tmp_path / "workspace", operation=lambda _job: "hostile.count")
    await hosts.launch("A", count(steps=5))
    data = await everything(hosts, "A", "j1")
    await hosts.close()
    assert events.decode(data.splitlines()[-1]).outcome == "done"
    assert (tmp_path / "workspace/near/jobs/j1/events.jsonl").read_bytes() == data
    assert (tmp_path / "workspace/mirror/A/j1/events.jsonl").read_bytes() == data
