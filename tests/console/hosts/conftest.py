"""A site of hosts on this machine; a far one is one whose job directory the console does not read."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from console.hosts.hosts import Hosts
from console.hosts.link import LocalLink
from console.plan.sites import Host, Site
from operations.job import JobFile

STUBS = Path(__file__).parents[2] / "operations" / "jobs"


class CutLink:
    """A link that can be cut while it is in use, and kept down."""

    def __init__(self, root: Path) -> None:
        self._link = LocalLink(root)
        self.down = ""
        self.opened = []

    async def open(self):
        if self.down:
            raise OSError(self.down)
        self.opened.append(await self._link.open())
        return self.opened[-1]

    def cut(self) -> None:
        """The agent is killed in whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self.opened[-1]._process.kill()


@pytest.fixture
async def site(tmp_path, monkeypatch):
    """(hosts, link to the far host): NEAR is local, FAR is mirrored."""
    monkeypatch.setenv("GLADIATOR_OPERATIONS", "hostile_operations")
    monkeypatch.setenv("PYTHONPATH", str(STUBS))
    table = {"NEAR": Host(root="near"), "FAR": Host(link="ssh", root="/far")}
    far = CutLink(tmp_path / "far")

    def link(host: Host, workspace: Path):
        return far if host.link == "ssh" else LocalLink(workspace / host.root)

    hosts = Hosts(Site(schema=1, id="s", title="t", host=table), tmp_path / "workspace", link=link)
    yield hosts, far
    await hosts.close()


AGENT = f"""#!/bin/sh
export GLADIATOR_OPERATIONS=hostile_operations PYTHONPATH={STUBS}
exec {sys.executable} "$@"
"""


@pytest.fixture
def script(tmp_path):
    """Makes a program of a name and a shell's text; its path."""

    def make(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def agent(script):
    """An interpreter whose agents know the operations of `hostile_operations`."""
    return script("python", AGENT)


@pytest.fixture
def far(lab, agent, tmp_path, monkeypatch):
    """Makes a site's host of a lab's host, and what is said otherwise. The operator has no configuration of his own."""
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def make(name: str = "alpha", **changed) -> Host:
        there = lab.host[name]
        given = {
            "address": there.address,
            "user": there.user,
            "identity": str(there.identity),
            "known_hosts": str(there.known_hosts),
            "root": str(there.root),
            "python": agent,
        }
        return Host(link="ssh", **{**given, **changed})

    return make


@pytest.fixture
async def over_ssh(tmp_path):
    """Makes the hosts of a site that has them by name; no task may be left once they are closed."""
    made = []

    def make(operation="", **table: Host) -> Hosts:
        site = Site(schema=1, id="s", title="t", host=table)
        made.append(Hosts(site, tmp_path / "workspace", operation=lambda _job: operation))
        return made[-1]

    yield make
    for hosts in made:
        await hosts.close()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


def counting(id="j1", **parameters) -> JobFile:
    return JobFile(id=id, task="T", operation="hostile.count", parameters=parameters)


@pytest.fixture
def count():
    return counting


async def until(condition, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.005)
    return found


@pytest.fixture(name="until")
def until_():
    return until
