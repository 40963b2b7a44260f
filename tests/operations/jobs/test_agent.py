import contextlib
import os
import select
import signal
import subprocess
import time

import psutil
import pytest

from operations import events, job, wire


class Agent:
    """An agent as a process, spoken to in frames."""

    def __init__(self, host, **options):
        self.process = subprocess.Popen(
            [*host.command, "agent", str(host.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=host.environment,
            start_new_session=True,
            bufsize=0,
            **options,
        )
        self.parser, self.frames, self.number = wire.Parser(), [], 0

    def greet(self, protocol=wire.PROTOCOL):
        self.send(wire.MAGIC + wire.encode(wire.Hello(protocol=protocol, versions={})))
        return self.next().message

    def send(self, data):
        self.process.stdin.write(data)

    def next(self, seconds=30.0):
        """The next frame; None at the end of the agent's output."""
        while not self.frames:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            assert ready, "the agent is silent"
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                return None
            self.frames += self.parser.feed(data)
        return self.frames.pop(0)

    def ask(self, request, **fields):
        """The answer to a request; frames that come before it are kept for `next`."""
        self.number += 1
        self.send(wire.encode(request(id=self.number, **fields)))
        kept = []
        while getattr((frame := self.next()).message, "id", None) != self.number:
            kept.append(frame)
        self.frames = kept + self.frames
        return frame.message

    def rest(self):
        """Closes its input and takes what it still says."""
        self.process.stdin.close()
        found = []
        while (frame := self.next()) is not None:
            found.append(frame)
        return found


@pytest.fixture
def agent(host):
    started = []

    def start(**options):
        started.append(Agent(host, **options))
        return started[-1]

    yield start
    for found in started:
        with contextlib.suppress(ProcessLookupError):
            found.process.kill()
        found.process.wait()


def job_file(id="j1", **parameters):
    return job.JobFile(id=id, task="T", operation="hostile.count", parameters=parameters)


def collected(agent, *ids):
    """Everything that the followed jobs say until all have ended."""
    data, left = dict.fromkeys(ids, b""), set(ids)
    while left:
        frame = agent.next()
        match frame.message:
            case wire.Data(job=id, offset=offset):
                assert offset == len(data[id])
                assert 0 < len(frame.body) <= wire.BODY
                data[id] += frame.body
            case wire.Ended(job=id):
                left.remove(id)
    return data


def test_a_job_is_launched_followed_and_ends(host, agent):
    one = agent()
    assert one.greet() == wire.Hello(protocol=wire.PROTOCOL, versions=job.versions())
    assert one.ask(wire.Probe, job="j1").state == "absent"
    assert isinstance(one.ask(wire.Launch, job=job_file(steps=20, pause=0.01)), wire.Done)
    assert one.ask(wire.Probe, job="j1").state == "running"
    assert isinstance(one.ask(wire.Launch, job=job_file(steps=20, pause=0.01)), wire.Done)
    one.ask(wire.Follow, job="j1", offset=0)
    data = collected(one, "j1")["j1"]
    assert data == (host.root / "jobs/j1/events.jsonl").read_bytes()
    assert one.ask(wire.Probe, job="j1").state == "finished"
    assert isinstance(one.ask(wire.Launch, job=job_file(steps=20, pause=0.01)), wire.Done)
    assert (host.root / "jobs/j1/events.jsonl").read_bytes() == data
    one.ask(wire.Follow, job="j1", offset=len(data) - 10)
    assert one.next().body == data[-10:]
    assert all(isinstance(frame.message, wire.Ended) for frame in one.rest())
    assert one.process.wait(10) == 0


def test_two_launches_at_once_start_one_job(host, agent):
    agents = [agent() for _ in range(3)]
    for one in agents:
        one.greet()
    for one in agents:
        for number in (1, 2):
            one.send(wire.encode(wire.Launch(id=number, job=job_file(steps=3))))
    assert all(isinstance(one.next().message, wire.Done) for one in agents for _ in range(2))
    host.until(lambda: job.state(host.root / "jobs/j1") == "finished")
    assert len(host.said(host.root / "jobs/j1", events.Metric)) == 3


def test_a_launch_cut_after_the_claim_starts_at_the_next_try(host, agent):
    host.claim("hostile.count", steps=3)
    one = agent()
    one.greet()
    assert one.ask(wire.Probe, job="j1").state == "running"  # it may be on its way
    assert isinstance(one.ask(wire.Launch, job=job_file(steps=3)), wire.Done)
    host.until(lambda: job.state(host.root / "jobs/j1") == "finished")


def test_what_can_not_be_done_is_a_frame(host, agent):
    one = agent()
    one.greet()
    host.claim("hostile.count", steps=9)
    assert "other contents" in one.ask(wire.Launch, job=job_file(steps=3)).reason
    assert "is not on this host" in one.ask(wire.Stop, job="j9").reason
    assert "is not on this host" in one.ask(wire.Follow, job="j9", offset=0).reason
    assert "no job id" in one.ask(wire.Probe, job="../../etc").reason
    assert "0 bytes of events" in one.ask(wire.Follow, job="j1", offset=5).reason
    assert "TOML" in one.ask(wire.Launch, job=job_file("j2", a=None)).reason
    secrets = {"token": "x" * 50_000}
    assert "at most" in one.ask(wire.Launch, job=job_file("j3"), secrets=secrets).reason
    (host.root / "jobs/j4").write_text("a file")
    assert one.ask(wire.Launch, job=job_file("j4")).reason
    assert isinstance(one.ask(wire.Ping), wire.Done)
    assert one.rest() == []
    assert one.process.stderr.read() == b""


def test_a_stop_reaches_the_job(host, agent):
    one = agent()
    one.greet()
    one.ask(wire.Launch, job=job_file(steps=100_000, pause=0.01))
    assert isinstance(one.ask(wire.Stop, job="j1"), wire.Done)
    one.ask(wire.Follow, job="j1", offset=0)
    last = events.decode(collected(one, "j1")["j1"].splitlines()[-1])
    assert last.outcome == "stopped"


@pytest.mark.parametrize("how", ["kill", "leave"])
def test_jobs_outlive_the_agent(host, agent, how):
    one = agent()
    one.greet()
    one.ask(wire.Launch, job=job_file(steps=100, pause=0.01))
    one.ask(wire.Follow, job="j1", offset=0)
    one.next()
    if how == "kill":
        one.process.kill()
    else:
        one.process.stdin.close()
    assert one.process.wait(10) == (-signal.SIGKILL if how == "kill" else 0)
    two = agent()
    two.greet()
    assert two.ask(wire.Probe, job="j1").state == "running"
    two.ask(wire.Follow, job="j1", offset=0)
    steps = [events.decode(line) for line in collected(two, "j1")["j1"].splitlines()]
    assert [e.step for e in steps if isinstance(e, events.Metric)] == list(range(100))


def test_a_dead_job_ends_for_those_who_follow_it(host, agent):
    one = agent()
    one.greet()
    directory = host.claim("hostile.count", steps=100_000, pause=0.01)
    process = host.start(directory)
    host.until(lambda: host.said(directory, events.Metric))
    one.ask(wire.Follow, job="j1", offset=0)
    process.kill()
    process.wait()
    collected(one, "j1")
    assert one.ask(wire.Probe, job="j1").state == "dead"


def test_events_that_can_not_be_read_end_that_following_only(host, agent):
    (host.claim("hostile.count", "bad") / "events.jsonl").mkdir()
    one = agent()
    one.greet()
    one.ask(wire.Follow, job="bad", offset=0)
    assert "IsADirectoryError" in one.next().message.fault
    assert isinstance(one.ask(wire.Ping), wire.Done)


def test_readings_are_followed_beside_the_events_to_where_they_are_or_to_the_end(host, agent):
    directory = host.claim("hostile.count", steps=100_000, pause=0.01)
    process = host.start(directory)
    readings = directory / job.READINGS
    host.until(lambda: readings.exists() and readings.stat().st_size)
    one = agent()
    one.greet()
    one.ask(wire.Follow, job="j1", offset=0, file="readings", on=False)
    now = one.next()
    assert (now.message.file, now.message.offset) == ("readings", 0)
    while not isinstance((last := one.next().message), wire.Ended):
        assert last.file == "readings"
    assert (last.file, last.state) == ("readings", "running")
    assert readings.read_bytes().startswith(now.body)
    for file in ("events", "readings"):
        one.ask(wire.Follow, job="j1", offset=0, file=file)
    (directory / job.STOP).touch()
    data = {"events": b"", "readings": b""}
    ended = set()
    while len(ended) < 2:
        frame = one.next()
        if isinstance(frame.message, wire.Ended):
            ended.add(frame.message.file)
        else:
            assert frame.message.offset == len(data[frame.message.file])
            data[frame.message.file] += frame.body
    assert process.wait(10)
    assert data == {"events": (directory / job.EVENTS).read_bytes(), "readings": readings.read_bytes()}
    refused = one.ask(wire.Follow, job="j1", offset=len(data["readings"]) + 1, file="readings")
    assert "bytes of readings, asked for from" in refused.reason


def test_a_root_that_can_not_be_is_one_line(host):
    (host.root / "file").write_text("")
    command = [*host.command, "agent", str(host.root / "file" / "root")]
    found = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert (found.returncode, found.stderr.count(b"\n")) == (2, 1)


def test_a_great_catch_up_starves_neither_a_small_job_nor_a_request(host, agent):
    line = events.encode(events.Log(t=0.0, text="x" * 4_000))
    for id, count in (("great", 10_000), ("small", 3)):
        (host.claim("hostile.count", id) / "events.jsonl").write_bytes(line * count)
    one = agent()
    one.greet()
    one.ask(wire.Follow, job="great", offset=0)
    one.ask(wire.Follow, job="small", offset=0)
    one.send(wire.encode(wire.Ping(id=99)))
    order = []
    while len(order) < 40:
        message = one.next().message
        order.append(message.job if isinstance(message, wire.Data) else type(message).__name__)
    assert order.count("great") > 20
    assert "small" in order[:16]
    assert "Done" in order[:30]


def test_readings_come_at_their_interval_and_end(host, agent):
    one = agent()
    one.greet()
    one.ask(wire.Readings, interval=0.2)
    readings = [one.next().message.reading for _ in range(3)]
    assert 0.2 < readings[2].t - readings[0].t < 5
    assert readings[0].cpu_percent is None
    assert readings[0].cpu_reason
    assert readings[2].cpu_percent is not None
    one.ask(wire.Readings, interval=0)
    one.frames.clear()
    assert one.rest() == []


def test_idle_costs_nothing_and_following_next_to_nothing(host, agent):
    directory = host.claim("hostile.count", steps=1, pause=600.0)
    host.start(directory)
    one = agent()
    one.greet()
    used = psutil.Process(one.process.pid)
    one.ask(wire.Ping)
    before = used.num_ctx_switches().voluntary
    assert not select.select([one.process.stdout], [], [], 1.5)[0]
    assert used.num_ctx_switches().voluntary - before <= 2
    one.ask(wire.Follow, job="j1", offset=0)
    began, busy = time.monotonic(), sum(used.cpu_times()[:2])
    end = began + 2
    while (left := end - time.monotonic()) > 0:
        if select.select([one.process.stdout], [], [], left)[0]:
            os.read(one.process.stdout.fileno(), 1 << 16)
    assert sum(used.cpu_times()[:2]) - busy < 0.05 * (time.monotonic() - began)


@pytest.mark.parametrize(
    "garbage",
    [
        wire.MAGIC + b"\x00\x00\x00\x02\x00\x00\x00\x00",
        wire.MAGIC + wire.encode(wire.Ping(id=1)),
        wire.MAGIC + wire.encode(wire.Hello(protocol=99, versions={})),
        wire.MAGIC + wire.encode(wire.Hello(protocol=wire.PROTOCOL, versions={})) + wire.encode(wire.Done(id=1)),
        b"GET / HTTP/1.1\r\n\r\n" * 5_000,
    ],
    ids=["lengths", "no hello", "protocol", "answer", "http"],
)
def test_what_is_not_the_protocol_ends_it_with_a_reason(host, agent, garbage):
    one = agent()
    one.next()
    with contextlib.suppress(BrokenPipeError):
        one.send(garbage)
    last = one.next().message
    assert (last.id, bool(last.reason)) == (0, True)
    assert one.process.wait(10) == 2
    assert b"Traceback" not in one.process.stderr.read()
