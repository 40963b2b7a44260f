"""A console keeps what hosts tell: files in the workspace, alerts in the journal, and what jobs sampled at night."""

import asyncio
import datetime
import time
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from console.conductor.keeping import Keeping
from console.conductor.reporting import whole
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.hosts.archive import Archive
from console.hosts.hosts import Hosts, HostState
from console.hosts.link import LocalLink
from console.journal.entries import AlertCleared, AlertRaised, JobStarted
from operations.host.readings import Reading

STUB = Path(__file__).parents[2] / "stub"
LIMIT = """
[limit.hot]
label = "Temperature"
reading = "temperature_c"
compare = "<"
threshold = 85
seconds = 2
"""


class Told:
    """Hosts that say what the test tells them to."""

    def __init__(self, path):
        self.path = path
        self.said = {}
        self.since = 1.0

    def readings(self, host):
        return tuple(self.said.get(host, ()))

    def say(self, host, t, **given):
        held = {"ram_used": 5_000_000_000, "ram_total": 24_000_000_000, "disk_free": 61_000_000_000, "load1": 0.5}
        self.said.setdefault(host, []).append(Reading(t=t, **(held | given)))

    def state(self, host):
        return HostState("up", self.since)

    async def fetch_readings(self, host, job):
        pass

    def readings_file(self, host, job):
        return self.path / host / job / "readings.jsonl"


@pytest.fixture
def workspace(tmp_path):
    plan = tmp_path / "plan"
    plan.mkdir()
    for file in (STUB / "plan").iterdir():
        (plan / file.name).write_text(file.read_text() + (LIMIT if file.name == "plan.toml" else ""))
    made = Workspace.create(tmp_path / "w", plan, STUB / "site.toml", "Ada")
    yield made
    made.close()


@pytest.fixture
def keep(monkeypatch):
    """``async with keep(keeping)``: it keeps, and looks without waiting."""
    monkeypatch.setattr("console.conductor.keeping.LOOK", 0.0)
    tasks = []

    def start(keeping, operator="Ada"):
        tasks.append(asyncio.create_task(keeping.keep(operator)))
        return tasks[-1]

    async def stop(task):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    start.stop = stop
    yield start
    for task in tasks:
        task.cancel()


async def until(found):
    async with asyncio.timeout(20):
        while not found():
            await asyncio.sleep(0)


async def test_which_hosts_share_a_machine_follows_the_site_in_force(workspace, keep, tmp_path):
    hosts, now = Told(tmp_path), time.time()
    keeping = Keeping(workspace, hosts)
    keep(keeping)
    site = workspace.path / "site.toml"
    site.write_text(
        site.read_text().replace('root = "hosts/BETA"\nmachine = "this machine"', 'root = "hosts/BETA"\nmachine = "m"')
    )
    workspace.adopt("Ada")
    hosts.say("BETA", now, watts=5.0)
    await until((workspace.path / "readings" / "BETA.1s").exists)
    assert keeping.history("BETA", "hour") is not None
    assert keeping.history("GAMMA", "hour") is None, "a host that the site has no more"


async def test_a_reading_is_kept_once_however_often_it_is_looked_at(workspace, keep, tmp_path):
    hosts, now = Told(tmp_path), time.time()
    for n in range(5):
        hosts.say("ALPHA", now - 5 + n, watts=float(n))
        hosts.say("BETA", now - 5 + n, watts=500.0)
    keeping = Keeping(workspace, hosts)
    task = keep(keeping)
    await until(lambda: keeping._last.get("ALPHA") is hosts.said["ALPHA"][-1])
    hosts.say("ALPHA", now, watts=5.0)
    await until(lambda: keeping._last.get("ALPHA") is hosts.said["ALPHA"][-1])
    await keep.stop(task)
    files = sorted(file.name for file in (workspace.path / "readings").iterdir())
    assert files == ["ALPHA.15min", "ALPHA.1min", "ALPHA.1s", "lock"], "BETA is the same machine"
    assert Archive(workspace.path / "readings", "ALPHA").history("hour", now + 1).whole["watts"] == (0.0, 2.5, 5.0)
    assert Keeping(workspace, hosts).history("BETA", "hour").whole["watts"] == (0.0, 2.5, 5.0)


async def test_the_night_is_filled_from_what_the_jobs_sampled(workspace, keep, tmp_path):
    hosts, now = Told(tmp_path), time.time()
    started = JobStarted(job="j1", task="count", round=1, occurrence="", role="", host="BETA", attempt=1,
                         operation="stub.count", parameters={}, inputs=[])  # fmt: skip
    workspace.journal.append("Ada", lambda _: [("job-started:count", started)])
    job = hosts.readings_file("BETA", "j1")
    job.parent.mkdir(parents=True)
    night = [Reading(t=now - 7_200 + 10 * n, ram_used=1, ram_total=2, disk_free=3, load1=0.0, watts=9.0)
             for n in range(360)]  # fmt: skip
    job.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in night))
    hosts.say("ALPHA", now, watts=1.0)
    keeping = Keeping(workspace, hosts)
    task = keep(keeping)
    await until(lambda: "ALPHA" in keeping._last)
    await keep.stop(task)
    history = Keeping(workspace, hosts).history("ALPHA", "day")
    assert history.whole["watts"] == (1.0, pytest.approx((360 * 9 + 1) / 361), 9.0)


class Far:
    """A host beyond this machine, and a job on it that goes on."""

    def __init__(self, workspace, path):
        self.workspace, self.root = workspace, path / "far"
        started = JobStarted(job="j1", task="count", round=1, occurrence="", role="", host="BETA", attempt=1,
                             operation="stub.count", parameters={}, inputs=[])  # fmt: skip
        workspace.journal.append("Ada", lambda _: [("job-started:count", started)])
        (self.root / "jobs/j1").mkdir(parents=True)

    def console(self):
        """Hosts as a console that has just been opened knows them."""
        table = {id: replace(host, machine=id) for id, host in self.workspace.site.host.items()}
        table["BETA"] = replace(table["BETA"], link="ssh", root="/far")
        self.workspace.site = replace(self.workspace.site, host=table)
        return Hosts(self.workspace.site, self.workspace.path, link=self._link)

    def _link(self, host, path):
        return LocalLink(self.root if host.link == "ssh" else path / host.root)

    def sampled(self, seconds):
        """The job's supervisor samples at these moments."""
        readings = [Reading(t=t, ram_used=1, ram_total=2, disk_free=3, load1=0.0, watts=9.0) for t in seconds]
        with (self.root / "jobs/j1/readings.jsonl").open("ab") as file:
            file.writelines(msgspec.json.encode(one) + b"\n" for one in readings)

    def seconds(self, start, end):
        """How many of the seconds in between have a reading that is kept."""
        archive = Archive(self.workspace.path / "readings", "BETA")
        table = archive._rings["hour"].table(int(start), int(end) - 1)
        return int((table["ram_used"]["n"] > 0).sum()), int(table["ram_used"]["n"].max(initial=0))


@pytest.fixture
def far(workspace, tmp_path):
    return Far(workspace, tmp_path)


@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "control"])
async def test_ten_minutes_without_a_console_are_no_gap_where_a_far_job_sampled(workspace, keep, far, sampled):
    now = time.time()
    away = int(now) - 640, int(now) - 40
    before = Archive(workspace.path / "readings", "BETA")
    before.add(Reading(t=away[0] - 1.0, ram_used=1, ram_total=2, disk_free=3, load1=0.0), away[0] - 1.0)
    before.close()
    if sampled:
        far.sampled(range(away[0] - 30, away[1]))
    hosts = far.console()
    keeping = Keeping(workspace, hosts)
    task = keep(keeping)
    await until(lambda: "BETA" in keeping._last)
    await keep.stop(task)
    await hosts.close()
    assert far.seconds(*away) == ((600, 1) if sampled else (0, 0))
    mirror = workspace.path / "mirror/BETA/j1/readings.jsonl"
    there = far.root / "jobs/j1/readings.jsonl"
    assert mirror.read_bytes() == (there.read_bytes() if sampled else b"")


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "control"])
async def test_a_cut_of_an_open_console_is_filled_when_the_host_is_back(workspace, keep, tmp_path, cut):
    hosts, now = Told(tmp_path), int(time.time())
    started = JobStarted(job="j1", task="count", round=1, occurrence="", role="", host="BETA", attempt=1,
                         operation="stub.count", parameters={}, inputs=[])  # fmt: skip
    workspace.journal.append("Ada", lambda _: [("job-started:count", started)])
    hosts.say("ALPHA", now - 100.0, watts=1.0)
    keeping = Keeping(workspace, hosts)
    task = keep(keeping)
    await until(lambda: "ALPHA" in keeping._last)
    file = hosts.readings_file("BETA", "j1")
    file.parent.mkdir(parents=True)
    sampled = [Reading(t=now - 110.0 + n, ram_used=1, ram_total=2, disk_free=3, load1=0.0, watts=9.0)
               for n in range(110)]  # fmt: skip
    file.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in sampled))
    if cut:
        hosts.since += 1.0
    for n in range(10):
        hosts.say("ALPHA", now - 10.0 + n, watts=1.0)
    await until(lambda: keeping._last["ALPHA"] is hosts.said["ALPHA"][-1])
    await keep.stop(task)
    table = Archive(workspace.path / "readings", "ALPHA")._rings["hour"].table(now - 100, now)
    assert len(table) == (100 if cut else 11)
    assert table["watts"]["n"].max() == 1


async def test_an_alert_is_journalled_when_it_begins_and_when_it_ends(workspace, keep, tmp_path):
    hosts, now = Told(tmp_path), time.time()
    other = Workspace.open(workspace.path)
    tasks = [keep(Keeping(workspace, hosts)), keep(Keeping(other, hosts), "Bob")]

    def entries(kind):
        return [row for row, _ in workspace.journal.rows() if isinstance(row.entry, kind)]

    async def see(t, temperature):
        hosts.say("ALPHA", t, temperature_c=temperature)
        hosts.say("BETA", t, temperature_c=temperature)
        for _ in range(20):
            await asyncio.sleep(0)

    for n in range(6):
        await see(now + n, 95.0)
    await until(lambda: entries(AlertRaised))
    assert [(row.entry.host, row.entry.value) for row in entries(AlertRaised)] == [("ALPHA", 95.0)]
    assert workspace.view().attention[0] == ("ALPHA", "alert: Temperature 95 °C, limit < 85 °C")
    for n in range(6, 12):
        await see(now + n, 60.0)
    await until(lambda: entries(AlertCleared))
    for task in tasks:
        await keep.stop(task)
    assert len(entries(AlertRaised)) == len(entries(AlertCleared)) == 1, "two consoles, one alert"
    assert not workspace.view().alerts
    [row] = [line for line in whole(Conductor(workspace, "Ada"), "markdown").splitlines() if "Temperature" in line]
    assert "ALPHA" in row
    assert "95 °C" in row
    assert "open" not in row
    other.close()


async def test_without_a_name_nothing_is_written(workspace, keep, tmp_path):
    hosts = Told(tmp_path)
    for n in range(6):
        hosts.say("ALPHA", time.time() + n, temperature_c=95.0)
    await keep(Keeping(workspace, hosts), "")
    assert not (workspace.path / "readings").exists()
    assert workspace.journal.state.sequence == 1


def test_a_view_says_where_a_limit_is_watched(workspace):
    assert workspace.view().limits == {("hot", "ALPHA"): ""}
    assert workspace.view().started >= datetime.datetime.now(datetime.UTC).date().isoformat()
