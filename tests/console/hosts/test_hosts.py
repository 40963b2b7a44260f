import asyncio
import os
import random
import signal
import subprocess
import sys

import psutil
import pytest

from console.hosts.hosts import HostRefused, Hosts, HostUnreachable
from console.hosts.link import LocalLink
from console.plan.sites import Host, Site
from operations import events, wire


async def everything(hosts, host, job, offset=0):
    return b"".join([lines async for lines in hosts.follow(host, job, offset)])


def steps(data):
    return [e.step for e in map(events.decode, data.splitlines()) if isinstance(e, events.Metric)]


@pytest.mark.parametrize("host", ["NEAR", "FAR"])
async def test_a_job_is_launched_followed_and_found_finished(site, count, host, tmp_path):
    hosts, _ = site
    assert str(hosts.state(host)) == "unused"
    assert await hosts.probe(host, "j1") == "absent"
    asked = count(steps=30, pause=0.01)
    await hosts.launch(host, asked)
    assert await hosts.probe(host, "j1") == "running"
    await hosts.launch(host, asked)
    data = await everything(hosts, host, "j1")
    assert steps(data) == list(range(30))
    assert hosts.events_file(host, "j1").read_bytes() == data
    assert await hosts.probe(host, "j1") == "finished"
    assert await everything(hosts, host, "j1", offset=len(data)) == b""
    half = data.find(b"\n", len(data) // 2) + 1
    assert await everything(hosts, host, "j1", offset=half) == data[half:]
    mirrored = tmp_path / "workspace/mirror/FAR/j1/events.jsonl"
    assert mirrored.exists() == (host == "FAR")
    assert str(hosts.state(host)) == "up"


@pytest.mark.parametrize("host", ["NEAR", "FAR"])
async def test_a_stop_and_a_dead_job_end_the_following(site, count, host, until):
    hosts, _ = site
    await hosts.launch(host, count("stopped", steps=100_000, pause=0.01))
    await hosts.stop(host, "stopped")
    last = (await everything(hosts, host, "stopped")).splitlines()[-1]
    assert events.decode(last).outcome == "stopped"
    await hosts.launch(host, count("killed", steps=100_000, pause=0.01))
    following = asyncio.create_task(everything(hosts, host, "killed"))
    (supervisor,) = [
        p for p in psutil.process_iter(["cmdline"]) if is_supervisor_of(p.info["cmdline"], "killed", hosts)
    ]
    supervisor.kill()
    assert steps(await following) == list(range(len(steps(await following))))
    assert await hosts.probe(host, "killed") == "dead"
    assert await everything(hosts, host, "absent") == b""


def is_supervisor_of(command, job, hosts):
    root = str(hosts._workspace.parent)
    return bool(command) and "run" in command and any(a.startswith(root) and a.endswith(f"/{job}") for a in command)


async def test_what_a_host_refuses_is_not_unreachable(site, count):
    hosts, _ = site
    await hosts.launch("NEAR", count(steps=1))
    with pytest.raises(HostRefused, match="other contents"):
        await hosts.launch("NEAR", count(steps=2))
    with pytest.raises(HostRefused, match="not on this host"):
        await hosts.stop("NEAR", "j9")
    with pytest.raises(HostRefused, match="a frame of"):
        await hosts.launch("NEAR", count("j2", text="x" * 2_000_000))
    assert await hosts.probe("NEAR", "j1") in ("running", "finished")


@pytest.mark.parametrize("seed", range(3))
async def test_cuts_lose_and_double_nothing(site, count, seed, until):
    hosts, far = site
    chance = random.Random(seed)
    await hosts.launch("FAR", count(steps=1_500, pause=0.001))
    following = asyncio.create_task(everything(hosts, "FAR", "j1"))
    for _ in range(6):
        await asyncio.sleep(chance.uniform(0, 0.3))  # a random moment is the point
        far.cut()
        connected = len(far.opened)
        await until(lambda n=connected: following.done() or len(far.opened) > n)
    data = await following
    assert steps(data) == list(range(1_500))
    assert hosts.events_file("FAR", "j1").read_bytes() == data
    assert data == (hosts._workspace.parent / "far/jobs/j1/events.jsonl").read_bytes()


async def test_a_console_that_comes_back_asks_from_what_it_has(site, count, until, tmp_path):
    hosts, _ = site
    await hosts.launch("FAR", count(steps=300, pause=0.01))
    got = b""
    async for lines in hosts.follow("FAR", "j1"):
        got += lines
        break
    await hosts.close()
    path = hosts.events_file("FAR", "j1")
    with path.open("ab") as stream:
        stream.write(b'{"type":"torn')
    assert steps(await everything(hosts, "FAR", "j1")) == list(range(300))
    assert path.read_bytes() == (tmp_path / "far/jobs/j1/events.jsonl").read_bytes()


async def test_a_link_that_fails_in_a_way_nobody_thought_of_is_down_and_tried_again(site, until):
    hosts, far = site

    async def fail():
        raise ZeroDivisionError("division\nby zero")

    far.open = fail
    with pytest.raises(HostUnreachable, match=r"^the console failed: ZeroDivisionError: division by zero$"):
        await hosts.probe("FAR", "j1")
    del far.open
    await until(lambda: hosts.state("FAR").state == "up")


async def test_two_follow_one_job(site, count):
    hosts, _ = site
    await hosts.launch("FAR", count(steps=50, pause=0.01))
    one, two = await asyncio.gather(everything(hosts, "FAR", "j1"), everything(hosts, "FAR", "j1"))
    assert one == two
    assert steps(one) == list(range(50))


async def test_a_host_that_is_down_says_why_and_comes_back(site, count, until):
    hosts, far = site
    far.down = "no route to host"
    with pytest.raises(HostUnreachable, match="no route to host"):
        await hosts.probe("FAR", "j1")
    assert hosts.state("FAR").reason == "no route to host"
    since = hosts.state("FAR").since
    await asyncio.sleep(0.2)
    assert hosts.state("FAR").since == since
    far.down = ""
    await until(lambda: hosts.state("FAR").state == "up")
    assert await hosts.probe("FAR", "j1") == "absent"
    far.cut()
    assert await hosts.probe("FAR", "j1") == "absent"


async def test_a_job_goes_on_while_its_host_is_away(site, count, until):
    hosts, far = site
    await hosts.launch("FAR", count(steps=50, pause=0.01))
    far.down = "cable"
    far.cut()
    following = asyncio.create_task(everything(hosts, "FAR", "j1"))
    await until(lambda: hosts.state("FAR").reason == "cable")
    assert not following.done()
    far.down = ""
    assert steps(await following) == list(range(50))


async def test_readings_come_by_themselves_once_asked_for(site, until):
    hosts, far = site
    assert hosts.readings("NEAR") == ()
    assert hosts.readings("FAR") == ()
    await until(lambda: len(hosts.readings("NEAR")) >= 2 and hosts.readings("FAR"))
    assert hosts.readings("NEAR")[-1].cpu_percent is not None
    far.cut()
    before = len(hosts.readings("FAR"))
    await until(lambda: len(hosts.readings("FAR")) > before)


async def test_what_a_far_job_sampled_is_fetched_through_cuts_and_only_what_is_missing(site, until, tmp_path):
    hosts, far = site
    there = tmp_path / "far/jobs/j1/readings.jsonl"
    there.parent.mkdir(parents=True)
    lines = b"".join(b'{"t":%d,"ram_used":1,"ram_total":2,"disk_free":3,"load1":0}\n' % t for t in range(40_000))
    there.write_bytes(lines + b'{"t":40')
    fetching = asyncio.create_task(hosts.fetch_readings("FAR", "j1"))
    here = hosts.readings_file("FAR", "j1")
    assert here == tmp_path / "workspace/mirror/FAR/j1/readings.jsonl"
    await until(lambda: here.exists() and here.stat().st_size)
    far.down = "cable"
    far.cut()
    await until(lambda: hosts.state("FAR").reason == "cable" or fetching.done())
    far.down = ""
    await asyncio.wait_for(fetching, 20)
    assert here.read_bytes() == lines
    there.write_bytes(lines + b'{"t":40000}\n')
    here.write_bytes(b"x" * (len(lines) - 1) + b"\n")
    await hosts.fetch_readings("FAR", "j1")
    assert here.read_bytes()[len(lines) - 1 :] == b'\n{"t":40000}\n', "what is here is not asked for again"
    await hosts.fetch_readings("FAR", "absent")
    await hosts.fetch_readings("NEAR", "j1")
    assert hosts.readings_file("NEAR", "j1") == tmp_path / "workspace/near/jobs/j1/readings.jsonl"


async def test_an_agent_that_can_not_start_says_why(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no module named operations >&2\nexit 1\n")
    broken.chmod(0o755)
    hosts = Hosts(site_of(python=str(broken)), tmp_path)
    with pytest.raises(HostUnreachable, match=r"the agent ended: .*python has no operations: install"):
        await hosts.probe("A", "j1")
    await hosts.close()
    hosts = Hosts(site_of(python=str(tmp_path / "none")), tmp_path)
    with pytest.raises(HostUnreachable, match=r"none is not on the host: .*No such file"):
        await hosts.probe("A", "j1")
    await hosts.close()


async def test_a_host_that_nobody_can_trust_is_down_and_nothing_is_raised_by_looking(tmp_path):
    hosts = Hosts(site_of(link="ssh", address="192.0.2.1"), tmp_path)
    assert hosts.state("A").state == "unused"
    assert hosts.readings("A") == ()
    with pytest.raises(HostUnreachable, match="names no `known_hosts`"):
        await hosts.probe("A", "j1")
    await hosts.close()


def site_of(**host) -> Site:
    return Site(schema=1, id="s", title="t", host={"A": Host(root="a", **host)})


async def test_nothing_is_started_before_it_is_needed(tmp_path):
    before = psutil.Process().children()
    hosts = Hosts(site_of(), tmp_path)
    assert hosts.state("A").state == "unused"
    assert hosts.events_file("A", "j1") == tmp_path / "a/jobs/j1/events.jsonl"
    assert not (tmp_path / "a").exists()
    await hosts.close()
    assert psutil.Process().children() == before


def test_asyncssh_is_not_imported():
    script = "import sys, console.hosts.hosts; sys.exit('asyncssh' in sys.modules)"
    subprocess.run([sys.executable, "-P", "-c", script], check=True)


async def test_agents_end_with_the_console_and_jobs_do_not(site, count, until, tmp_path):
    """The console is another process here, and killed."""
    script = f"""
import asyncio
from pathlib import Path
from console.hosts.hosts import Hosts
from console.plan.sites import Host, Site
from operations.job import JobFile
async def main():
    hosts = Hosts(Site(schema=1, id="s", title="t", host={{"A": Host(root="a")}}), Path({str(tmp_path)!r}))
    await hosts.launch("A", JobFile(id="j1", task="T", operation="hostile.count",
                                    parameters={{"steps": 100, "pause": 0.02}}))
    print("launched", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    console = subprocess.Popen([sys.executable, "-P", "-c", script], stdout=subprocess.PIPE)
    assert console.stdout.readline() == b"launched\n"
    (agent,) = psutil.Process(console.pid).children()
    console.kill()
    console.wait()
    await until(lambda: not agent.is_running() or agent.status() == psutil.STATUS_ZOMBIE)
    hosts = Hosts(site_of(), tmp_path)
    assert await hosts.probe("A", "j1") == "running"
    assert steps(await everything(hosts, "A", "j1")) == list(range(100))
    await hosts.close()


async def test_an_agent_that_hangs_is_ended_with_the_channel(tmp_path):
    link = LocalLink(tmp_path)
    connection = await link.open()
    os.kill(connection._process.pid, signal.SIGSTOP)
    assert await connection.close() == ""
    assert connection._process.returncode == -signal.SIGKILL


async def test_an_agent_that_answers_nothing_is_replaced(site, until):
    hosts, far = site
    assert await hosts.probe("FAR", "j1") == "absent"
    os.kill(far.opened[0]._process.pid, signal.SIGSTOP)
    channel = hosts._host("FAR").channel
    with pytest.raises(HostUnreachable, match="no answer within 1 s"):
        await channel.ask(wire.Ping(id=0), patience=1.0)
    assert await hosts.probe("FAR", "j1") == "absent"
    assert len(far.opened) == 2
