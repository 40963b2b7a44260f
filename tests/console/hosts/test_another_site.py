"""Another site while hosts are in use: what is asked and followed goes on by the new way, and nothing by the old."""

import asyncio

import pytest
from msgspec.structs import replace

from console.hosts.hosts import Hosts, HostUnreachable
from console.plan.sites import Host, Site
from operations import events
from tests.console.hosts.conftest import CutLink


@pytest.fixture
async def ways(site, tmp_path):
    """(hosts, the links by address): FAR is a mirrored host, reached by whatever address its site has."""
    links = {address: CutLink(tmp_path / "far") for address in ("old", "new")}
    hosts = Hosts(by("old"), tmp_path / "workspace", link=lambda host, _: links[host.address])
    yield hosts, links
    await hosts.close()


def by(address: str, **changed) -> Site:
    return Site(schema=1, id="s", title="t", host={"FAR": Host(link="ssh", root="/far", address=address, **changed)})


async def test_what_is_followed_goes_on_without_loss(ways, count, until):
    hosts, links = ways
    await hosts.launch("FAR", count(steps=200, pause=0.01))
    seen = []

    async def follow():
        async for lines in hosts.follow("FAR", "j1"):
            seen.append(lines)

    following = asyncio.create_task(follow())
    hosts.readings("FAR")
    await until(lambda: b"".join(seen).count(b"metric") > 20)
    process = links["old"].opened[0]._process
    hosts.take(by("new"))
    assert hosts.state("FAR").state == "connecting", "nobody is asked by the old way any more"
    assert await hosts.probe("FAR", "j1") == "running"
    await asyncio.wait_for(following, 20)
    told = map(events.decode, b"".join(seen).splitlines())
    assert [e.step for e in told if isinstance(e, events.Metric)] == list(range(200))
    assert process.returncode is not None, "the old agent ended"
    assert (len(links["old"].opened), len(links["new"].opened)) == (1, 1)
    await until(lambda: hosts.readings("FAR"))


async def test_a_host_whose_address_was_wrong_answers_once_it_is_right(ways, count):
    hosts, links = ways
    links["old"].down = "no route to host"
    with pytest.raises(HostUnreachable, match="no route"):
        await hosts.launch("FAR", count(steps=1))
    follows = asyncio.create_task(anext(hosts.follow("FAR", "j1")))
    await asyncio.sleep(0)
    hosts.take(by("new"))
    await hosts.launch("FAR", count(steps=1))
    assert b'"type"' in await asyncio.wait_for(follows, 20)


async def test_a_question_that_was_asked_the_old_way_is_answered_the_new_one(ways, until):
    hosts, links = ways
    assert await hosts.probe("FAR", "j1") == "absent"
    links["old"].opened[0]._process.send_signal(19)  # SIGSTOP: it takes questions and answers none
    asked = asyncio.create_task(hosts.probe("FAR", "j1"))
    await until(lambda: hosts._hosts["FAR", False].channel._waiting)
    links["old"].opened[0]._process.kill()
    hosts.take(by("new"))
    assert await asyncio.wait_for(asked, 10) == "absent"


async def test_what_links_are_not_made_of_cuts_nothing(ways):
    hosts, links = ways
    assert await hosts.probe("FAR", "j1") == "absent"
    hosts.take(by("old", wired="10.0.0.1", threads=2, machine="m"))
    assert hosts.state("FAR").state == "up"
    assert await hosts.probe("FAR", "j1") == "absent"
    assert len(links["old"].opened) == 1


async def test_a_host_that_is_no_more_is_let_go_and_says_nothing(ways, until):
    hosts, links = ways
    assert await hosts.probe("FAR", "j1") == "absent"
    hosts.take(replace(by("old"), host={"NEAR": Host(root="near")}))
    await until(lambda: links["old"].opened[0]._process.returncode is not None)
    assert hosts.readings("FAR") == ()
    assert "not in the site" in str(hosts.state("FAR"))
    with pytest.raises(KeyError):
        await hosts.probe("FAR", "j1")


async def test_a_container_that_is_no_more_used_is_let_go(tmp_path, until):
    inside = {"container": "c", "container_root": "/in", "contained": ["hostile.*"]}
    links = []

    def link(_host, _workspace):
        links.append(CutLink(tmp_path / "far"))
        return links[-1]

    hosts = Hosts(by("a", **inside), tmp_path / "workspace", link=link, operation=lambda _job: "hostile.count")
    assert await hosts.probe("FAR", "j1") == "absent"
    hosts.take(by("a"))
    await until(lambda: links[0].opened[0]._process.returncode is not None)
    assert await hosts.probe("FAR", "j1") == "absent"
    assert len(links) == 2
    await hosts.close()
