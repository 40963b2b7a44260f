"""How the network's day looks: hosts that are down or silent, a throughput under way, the verdict on an air gap.

Accept a wanted change with ``--snapshot-update`` and look at each picture.
"""

import json

import pytest
from msgspec.structs import replace

from console.app.draw.hosts import Heard
from console.app.feeds import Feeds
from console.conductor.view import JobView, RecordView, TaskView, chain
from console.plan import sites
from console.plan.loading import load_plan, shipped

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
DOWN = "down: no route to gladiator@10.77.0.12 (No route to host): look at cable, switch and `address`"
CUT = "down: the link is cut, nothing was heard for some seconds: look at cable and switch"
AT = 1_760_709_600.0
STARTED = "2025-10-17T14:00:00.000Z"
OUTSIDE = ("8.8.8.8", "1.1.1.1", "2001:4860:4860::8888")
HOSTS = {"ALPHA": 11, "BETA": 12, "AIR": 13}


def far_site():
    hosts = {
        name: sites.Host(link="ssh", address=f"10.77.0.{at}", user="gladiator", root="/gladiator", machine=name)
        for name, at in HOSTS.items()
    }
    return sites.Site(schema=1, id="lab", title="Lab", rehearsal=True, host=hosts)


def jobs(task, state, roles, hosts, operation):
    return tuple(
        JobView(
            id=f"{at}b7c0ffe", task=task, round=1, occurrence="", role=role, host=host, attempt=1, operation=operation,
            state=state, started=STARTED, finished="" if state == "running" else "2025-10-17T14:00:20.000Z",
        )
        for at, (role, host) in enumerate(zip(roles, hosts, strict=True))
    )  # fmt: skip


def view_of(planned, id, state, made, values, reasons=()):
    """The plan's own task with its records filled."""
    asked = planned.task[id]
    records = []
    for slug, record in asked.record.items():
        filled = slug in values or slug in dict(reasons)
        source = made[0].id if filled else ""
        expects = record.expect.equals if record.expect else None
        records.append(
            RecordView(slug, record.label, record.ref, False, values.get(slug), unit=record.unit, source=source,
                       met=values[slug] == expects if slug in values and expects is not None else None,
                       expected=f"= {expects}" if expects is not None else "",
                       reason=dict(reasons).get(slug, "" if filled else "not measured yet"))
        )  # fmt: skip
    return TaskView(
        id=id, title=asked.title, phase="week-1", day="", state=state, why=(), stale=(), hosts=tuple(asked.host),
        operation=asked.operation, gate="", optional=False, round=1, jobs=made, records=tuple(records),
        deliverables=(), parameters=(), contingencies=(),
    )  # fmt: skip


def events(directory, made, lines):
    path = directory / made.id / "events.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(json.dumps({"t": AT + at, **line}).encode() + b"\n" for at, line in enumerate(lines)))


def logged(text, level="info"):
    return {"type": "log", "text": text, "level": level}


def probes(answered=()):
    """What `network.airgap` says on its first host."""
    for host in ("beta", "air"):
        at = f"10.77.0.{HOSTS[host.upper()]}"
        yield logged(f"inward icmp {at}: answered (5 sent, 5 received; datagram ICMP socket, 0.84 s)")
        yield logged(f"inward tcp {at} port 44189 for google.com: answered (connected; socket, 0.00 s)")
        yield logged(f"inward resolver {host}.local: answered ({host}.local is {at}; getaddrinfo, 0.01 s)")
    for target in OUTSIDE:
        for kind, tool in ((f"icmp {target}", "datagram ICMP socket"), (f"tcp {target} port 443", "socket")):
            if kind in answered:
                yield logged(f"outward {kind}: answered (connected; {tool}, 0.01 s)", "warning")
            else:
                yield logged(f"outward {kind}: silent (Network is unreachable; {tool}, 0.00 s)")


class Stage:
    """The recorded week with the network's day in it."""

    def __init__(self, recorded, directory) -> None:
        self.service = recorded("gate")
        self._directory = directory
        self._planned = load_plan(shipped("gladiator"))
        self.service.current = replace(self.service.current, site=far_site(), attention=())

    def show(self, id, state, values, reasons=(), says=()):
        asked = self._planned.task[id]
        roles = {"network.throughput": ("server", "client"), "network.airgap": ("first", "second", "third")}
        made = jobs(id, state, roles[asked.operation], asked.host, asked.operation)
        for job, lines in zip(made, says, strict=False):
            events(self._directory, job, lines)
        view = self.service.current
        tasks = dict(view.tasks)
        tasks[id] = view_of(self._planned, id, state, made, values, reasons)
        day = replace(asked, day="", about=asked.about.strip().replace("\n", " "))
        plan = replace(view.plan, task={**view.plan.task, id: day})
        self.service.current = replace(view, plan=plan, tasks=tasks)
        return self.service

    def throughput(self):
        lines = [logged("Server listening on 34231 (test #1)"), logged("Accepted connection from 10.77.0.11")]
        for n in range(24):
            rate = 9_380_000 + n % 5 * 11_000
            span = f"{n / 2:5.2f}-{n / 2 + 0.5:5.2f}"
            text = f"{rate / 1e6:.2f} Gbit/s to server  [  5]  {span}  sec   559 MBytes  {rate} Kbits/sec"
            lines += [{"type": "metric", "name": "to_server", "step": n + 1, "value": rate / 1e6}, logged(text)]
        asked = [{"type": "progress", "done": n, "total": 120, "unit": "s"} for n in range(13)]
        return self.show("W1.2", "running", {}, says=(lines, asked))

    def gap(self, verdict):
        broken = verdict == "BROKEN"
        ways = ("icmp 8.8.8.8", "tcp 8.8.8.8 port 443")
        why = "; ".join(f"first: {way} answered" for way in ways)
        why = f"first: IPv4 default route by wan0 via 203.0.113.1; {why}"
        here = "{} of 25 outward answered, 14 of 14 controls passed, {} default route{}".format
        values = {
            "verdict": verdict, "answered": 2 if broken else 0, "asked": 75, "ways": 3 if broken else 0, "passed": 4,
            "controls": 42, "failed": 0, "which": why if broken else "all silent outside, all answered inside",
            "alpha": here(2, 1, "") if broken else here(0, 0, "s"),
            "beta": here(0, 0, "s"),
            "air": here(0, 0, "s"),
        }  # fmt: skip
        said = [*probes(ways if broken else ())]
        said.append(logged(f"{verdict}: {why}" if broken else verdict))
        return self.show("W1.3", "done", values, says=([*said], [], []))


@pytest.fixture
def stage(recorded, tmp_path):
    return Stage(recorded, tmp_path)


@pytest.fixture
def looks(console, settled, snap_compare, monkeypatch):
    """``looks(service, size, keys, task)``: as accepted, with that task chosen and after those keys."""
    monkeypatch.delenv("NO_COLOR", raising=False)

    def compare(service, size, keys=(), task="", heard=None):
        app = console(service)
        if heard is not None:
            app.heard = lambda: heard

        async def before(pilot):
            await settled(pilot)
            if task:
                app.console_screen.go(task)
                await pilot.pause()
                app.console_screen.show(service.current)
                app.feed()
            await pilot.press(*keys)
            await pilot.pause()
            await pilot.pause()

        return snap_compare(app, terminal_size=size, run_before=before)

    return compare


@pytest.fixture
def troubled(recorded, reading):
    """ALPHA trains and has not been heard for three hours, BETA never was, AIR is well."""
    service = recorded()
    service.current = replace(service.current, site=far_site())
    well = [reading(15.0 * n, ram_used=int(2e9 + n % 5 * 4e9)) for n in range(12)]
    return service, {"ALPHA": Heard(CUT, well, 11_100.0), "BETA": Heard(DOWN), "AIR": Heard("up", well, 0.4)}


@pytest.mark.parametrize("size", SIZES)
def test_hosts_one_down_and_one_silent(looks, troubled, size):
    service, heard = troubled
    assert looks(service, SIZES[size], ["h"], heard=heard)


def test_what_a_silent_host_says_on_the_strip_is_short(troubled):
    from console.app.draw import hosts
    from console.app.glyphs import UNICODE

    service, heard = troubled
    strip = hosts.strip(service.current, heard, 80, UNICODE).plain
    assert "ALPHA  not heard for 3 h 05" in strip
    assert "BETA  down " in strip
    assert "route" not in strip
    lines = hosts.lines(service.current, heard, 78, UNICODE)
    pane = " ".join(" ".join(line.plain for line in lines).split())
    assert "! the link is cut, nothing was heard for some seconds: look at cable and switch" in pane
    assert "look at cable, switch and `address`" in pane
    assert "W0.2.1 was running there, and may go on: what it says meanwhile comes when ALPHA answers" in pane
    assert "n/a" not in pane.partition("AIR")[0], "no figure is shown as if it were of now, and no row of nothing"


@pytest.mark.parametrize("size", SIZES)
def test_a_throughput_under_way(looks, stage, size):
    assert looks(stage.throughput(), SIZES[size], ["l"] if size == "80x24" else [], "W1.2")


@pytest.mark.parametrize("verdict", ["ENFORCED", "BROKEN"])
def test_the_verdict_on_the_air_gap(looks, stage, verdict):
    assert looks(stage.gap(verdict), SIZES["120x40"], [], "W1.3")


def test_of_several_roles_the_log_is_the_first_ones(stage):
    task = stage.gap("BROKEN").current.tasks["W1.3"]
    assert (task.leading.role, task.job.role) == ("first", "third")
    assert [job.role for job in chain(list(task.jobs))] == ["first"]
    assert chain([]) == []


@pytest.mark.parametrize(("of_roles", "said"), [((3, 9), "30 %"), ((None, 9), "90 %"), ((3, None), "30 %")])
def test_of_several_roles_the_first_that_tells_says_how_far_it_is(stage, of_roles, said):
    """A source is ahead of its sink by all that is under way."""
    says = [
        [logged("began")] if done is None else [{"type": "progress", "done": done, "total": 10, "unit": "bytes"}]
        for done in of_roles
    ]
    service = stage.show("W1.2", "running", {}, says=says)
    feeds = Feeds(service.events_file)
    feeds.want(service.current, "W1.2")
    while feeds.poll()[1]:
        pass
    assert feeds.live(service.current)["W1.2"] == said


def test_the_verdict_on_a_small_terminal(looks, stage):
    assert looks(stage.gap("BROKEN"), SIZES["80x24"], ["i"], "W1.3")


def test_the_probes_are_read_in_the_log(looks, stage):
    assert looks(stage.gap("BROKEN"), SIZES["120x40"], ["l", "z"], "W1.3")
