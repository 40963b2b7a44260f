"""A transfer that is to be encrypted and has no identity goes through the console, and says so."""

import asyncio
import signal
import subprocess
import sys

import msgspec
import pytest
import tomli_w

from console.conductor.bind import Wish, bind
from console.conductor.errors import BadInput, Refused
from console.conductor.parameters import parameters
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.plan.sites import Host, Site, SiteFile
from operations.events import Endpoint, Log, Progress, decode_lines
from operations.files import digest
from operations.network.passing import BLOCK
from tests.console.conductor.conftest import PHASES, PLAN, Story

BRING = {"title": "Bring", "host": ["A", "B"], "operation": "network.transfer", "parameters": {"make": 100}}
FAR = {"link": "ssh", "root": "/r", "wired": "10.77.0.11"}
LINE = "hello\n"
CLI = [sys.executable, "-P", "-c", "import sys; from console.cli.main import main; sys.exit(main())"]
NO_IDENTITY = "through the console: rsync has no identity stated with which the source may log in to the sink"


@pytest.fixture
def scene_of():
    """The scene of a transfer from B to A, with what the site says of it and of its hosts."""

    def make(stated, a=FAR, b=FAR):
        told = Story({**PLAN, "task": {**PLAN["task"], "bring": BRING}})
        told.plan = msgspec.structs.replace(told.plan, task_phase={**PHASES, "bring": "P"})
        site = {"schema": 1, "id": "s", "title": "S", "host": {"A": a, "B": b}, "parameters": {"bring": stated}}
        told.site = msgspec.convert(site, Site)
        return told.scene

    return make


@pytest.mark.parametrize(
    ("stated", "sets", "line"),
    [
        ({}, {}, None),
        ({"identity": "/k"}, {}, None),
        ({"via": "rsync", "identity": "/k"}, {}, None),
        ({"via": "rsync"}, {"identity": " /k "}, None),
        ({"via": "rsync"}, {"via": "raw"}, None),
        ({"via": "rsync"}, {}, NO_IDENTITY),
        ({"via": "rsync", "identity": "/k"}, {"identity": " "}, NO_IDENTITY),
        ({}, {"via": " rsync "}, NO_IDENTITY),
        ({"via": "relay", "identity": "/k"}, {}, "through the console: asked for (via)"),
    ],
)
def test_the_console_relays_what_is_to_be_encrypted_without_an_identity(scene_of, stated, sets, line):
    scene = scene_of(stated)
    bound = bind(scene, "bring", Wish(sets), ["i", "o"])
    (shown,) = [view for view in parameters(scene, "bring", sets) if view.name == "relay"]
    assert (shown.value.line if shown.value else None) == line
    assert {job.relayed for job in bound} == {line is not None}
    for job in bound:
        relay = job.row.parameters.get("relay")
        assert job.file.parameters.get("relay") == relay
        assert (relay is None) is (line is None)


def test_hosts_of_one_machine_meet_on_its_loopback(scene_of):
    local = {"root": "a"}
    for job in bind(scene_of({"via": "relay"}, local, local), "bring", Wish({}), ["i", "o"]):
        assert not job.relayed
        assert job.row.parameters["relay"] == {"why": "asked for (via)", "here": True}
    for hosts in ((local, FAR), (FAR, local)):
        for job in bind(scene_of({"via": "relay"}, *hosts), "bring", Wish({}), ["i", "o"]):
            assert job.relayed


def test_a_job_in_a_container_is_not_relayed(scene_of):
    inside = {**FAR, "container": "c", "contained": ["network.*"]}
    with pytest.raises(
        Refused, match=r"bring can't be relayed: on B network.transfer runs in a container, whose"
    ) as said:
        bind(scene_of({"via": "relay"}, b=inside), "bring", Wish({}), ["i", "o"])
    assert "\n" not in str(said.value)
    assert not bind(scene_of({}, b=inside), "bring", Wish({}), ["i", "o"])[0].relayed


def test_nobody_sets_by_hand_whether_it_is_relayed(scene_of):
    with pytest.raises(BadInput, match=r"bring.relay: takes what the console says of its relay and can't be set"):
        bind(scene_of({}), "bring", Wish({"relay": "no"}), ["i", "o"])


# On the lab's hosts


@pytest.fixture
def cut_path(lab):
    """Nothing passes between alpha and beta any more; the console still reaches both."""
    between = {"alpha": lab.host["beta"].address, "beta": lab.host["alpha"].address}
    for name, other in between.items():
        chain = "add table inet gap; add chain inet gap o { type filter hook output priority 0; }"
        rule = f"{chain}; add rule inet gap o ip daddr {other} drop"
        assert lab.run(name, "nft", rule).returncode == 0
    yield
    for name in between:
        lab.run(name, "nft", "delete table inet gap")


@pytest.fixture
async def console(lab, tmp_path, monkeypatch):
    """Opens a console on a new workspace: a data set of ``lines`` lines is made on BETA, and is to be brought."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    opened = []

    def host(there):
        given = {"identity": str(there.identity), "known_hosts": str(there.known_hosts), "root": str(there.root)}
        return Host(
            link="ssh", address=there.address, wired=there.address, user=there.user, python=sys.executable, **given
        )

    async def begin(lines=500_000, alpha=None, **stated):
        plan = tmp_path / "plan"
        plan.mkdir()
        head = {"schema": 1, "id": "r", "title": "R", "version": "1", "start": "2025-10-16", "days": 2}
        phase = {"P": {"title": "P", "file": "p.toml", "offset": 0, "days": 1}}
        (plan / "plan.toml").write_text(tomli_w.dumps({**head, "phase": phase}).replace('"2025-10-16"', "2025-10-16"))
        record = {
            name: {"label": name, "measure": name} for name in ("rate", "seconds", "observed", "match", "resumed")
        }
        bring = {
            "title": "Bring",
            "host": ["ALPHA", "BETA"],
            "operation": "network.transfer",
            "needs": ["make"],
            "parameters": {"artefact": {"task": "make", "artefact": "data"}, "patience": 10.0},
            "record": record,
        }
        make = {"title": "Make", "host": "BETA", "operation": "stub.make", "parameters": {"lines": lines}}
        (plan / "p.toml").write_text(tomli_w.dumps({"task": {"make": make, "bring": bring}}))
        table = {"ALPHA": alpha or host(lab.host["alpha"]), "BETA": host(lab.host["beta"])}
        site = SiteFile(schema=1, id="s", title="S", host=table, parameters={"bring": stated})
        (tmp_path / "site.toml").write_text(tomli_w.dumps(msgspec.to_builtins(site)))
        Workspace.create(tmp_path / "w", plan, tmp_path / "site.toml", "Ada").close()
        conductor = Conductor(Workspace.open(tmp_path / "w"), "Ada")
        opened.append(conductor)
        (job,) = await conductor.start("make")
        await asyncio.wait_for(conductor.runs.see_to_end(job), 30)
        return conductor

    yield begin
    for conductor in opened:
        await conductor.close()


async def ended(conductor, jobs):
    await asyncio.wait_for(asyncio.gather(*map(conductor.runs.see_to_end, jobs)), 30)
    task = conductor.workspace.view().tasks["bring"]
    return task, {record.slug: record for record in task.records}


def said(conductor, job, kind):
    host = conductor.workspace.journal.state.jobs[job].started.host
    lines = conductor.runs.events_file(host, job).read_bytes().splitlines()
    return [event for event in decode_lines(iter(lines)) if isinstance(event, kind)]


async def test_hosts_that_do_not_reach_each_other_are_brought_together(lab, console, cut_path):
    conductor = await console(via="rsync")
    jobs = await conductor.start("bring")
    task, records = await ended(conductor, jobs)
    assert (task.state, task.why) == ("done", ())
    copy = next((lab.host["alpha"].root / "jobs" / jobs[0] / "artefacts").iterdir())
    assert copy.read_text() == LINE * 500_000
    for name in ("rate", "seconds"):
        assert (records[name].value, records[name].reason) == (None, f"{NO_IDENTITY}; no figure of the wire")
    assert records["match"].value is True
    assert records["observed"].value > 0
    for job in jobs:
        started = conductor.workspace.journal.state.jobs[job].started
        assert started.parameters["relay"]["why"] in NO_IDENTITY
        assert NO_IDENTITY in [event.text for event in said(conductor, job, Log)]
    assert [end.address for end in said(conductor, jobs[0], Endpoint)] == ["127.0.0.1"]

    # the control: past the console there is no way
    _, records = await ended(conductor, await conductor.start("bring", {"via": "raw", "patience": "1"}, again=True))
    task = conductor.workspace.view().tasks["bring"]
    assert task.state == "failed"
    assert any("no connection to" in job.reason for job in task.jobs)
    assert not conductor.runs._relaying


async def test_cut_by_whatever_it_goes_on_from_the_part_and_is_right(lab, console, cut_path, tmp_path):
    lines = 6_500_000
    conductor = await console(lines=lines, via="relay")
    lab.rate("beta", "200mbit")

    async def so_much(blocks):
        """The jobs of a transfer that runs and has brought so many blocks."""
        async with asyncio.timeout(30):
            while True:
                jobs = [job for job in conductor.workspace.view().tasks["bring"].jobs if job.state == "running"]
                come = [told.done for job in jobs[:1] for told in progress(job)]
                if len(jobs) == 2 and any(done > blocks * BLOCK for done in come):
                    return [job.id for job in jobs]
                await asyncio.sleep(0.01)

    def progress(job):
        sink = lab.host["alpha"].root / "jobs" / job.id / "events.jsonl"
        lines = sink.read_bytes().split(b"\n")[:-1] if sink.exists() else []
        return [event for event in decode_lines(iter(lines)) if isinstance(event, Progress)]

    said = []
    for blocks, how in ((1, signal.SIGINT), (2, signal.SIGKILL)):
        command = [*CLI, "run", str(tmp_path / "w"), "bring"]
        cli = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        jobs = await so_much(blocks)
        cli.send_signal(how)
        said.append(cli.communicate(timeout=20)[0])
        task, _ = await ended(conductor, jobs)
        assert (task.state, task.interrupted) == ("failed", True)
        for job in task.jobs[-2:]:
            assert "it went through the console: if that or its link has ended, run it again" in job.reason
    for text in said:
        assert "through the console: asked for (via)" in text
    assert (
        "detached; bring goes through the console and ends with it; run again, it goes on from what is kept" in said[0]
    )

    await conductor.start("bring")
    jobs = await so_much(3)
    assert lab.kill_sessions("beta")
    task, _ = await ended(conductor, jobs)
    assert (task.state, task.interrupted) == ("failed", True)
    lab.rate("beta", None)
    jobs = await conductor.start("bring", {"via": "rsync"})
    task, records = await ended(conductor, jobs)
    assert (task.state, task.why) == ("done", ())
    assert records["resumed"].value >= 3 * BLOCK
    copy = next(p for p in (lab.host["alpha"].root / "jobs" / jobs[0] / "artefacts").iterdir() if p.name == "data.txt")
    made = next((lab.host["beta"].root / "jobs").glob("*/artefacts/data.txt"))
    assert digest(copy) == digest(made)
    assert copy.stat().st_size == lines * len(LINE)


async def test_a_host_that_forbids_forwarding_is_named_and_nothing_is_written(lab, console):
    conductor = await console(lines=1, via="relay")
    rows = len(conductor.rows())
    for name, allowed in (("alpha", "no"), ("beta", "local")):
        await conductor.hosts.close()
        file = lab.host[name].directory / "sshd_config"
        before = file.read_text()
        file.write_text(f"AllowTcpForwarding {allowed}\n{before}")
        lab.stop_sshd(name)
        lab.start_sshd(name)
        try:
            with pytest.raises(Refused) as refused:
                await conductor.start("bring")
        finally:
            file.write_text(before)
            lab.stop_sshd(name)
            lab.start_sshd(name)
        line = f"bring can't be relayed: sshd on {lab.host[name].address} forbids TCP forwarding: set `AllowTcpForw"
        assert str(refused.value).startswith(line)
        assert "\n" not in str(refused.value)
        assert len(conductor.rows()) == rows
        assert conductor.workspace.view().tasks["bring"].state == "ready"


async def test_a_sink_on_the_consoles_own_machine_is_reached_by_its_loopback(lab, console):
    conductor = await console(via="relay", alpha=Host(root="alpha"))
    task, records = await ended(conductor, await conductor.start("bring"))
    assert (task.state, task.why) == ("done", ())
    assert records["rate"].reason == "through the console: asked for (via); no figure of the wire"
