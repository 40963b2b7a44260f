"""A site of hosts on this machine; a far one is one whose job directory the console does not read."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from console.hosts.hosts import Hosts
from console.hosts.link import LocalLink
from console.plan.types import Host, Site
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
