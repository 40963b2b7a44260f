"""Both ends as real jobs on two roots; what goes wrong goes wrong on a real connection."""

import contextlib
import json
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from operations import events, job
from operations.contract import Artefact
from operations.files import digest
from operations.network import passing

TOKEN = "c0ffee"


class Ends:
    """A source and a sink, each with a root of its own."""

    def __init__(self, host, tmp_path):
        self.host = host
        self.roots = {"source": tmp_path / "beta", "sink": tmp_path / "alpha"}
        self.processes = {}
        self.id = "t1"

    def artefact(self, path: Path, **changed) -> dict:
        sha256, size = digest(path)
        relative = path.relative_to(self.roots["source"]).as_posix()
        return {"path": relative, "sha256": sha256, "size": size, "job": "j0", "name": "data", **changed}

    def start(self, role, artefact, token=TOKEN, resume=(), **parameters):
        given = {"role": role, "patience": 10.0, **({"artefact": artefact} if artefact else {}), **parameters}
        asked = job.JobFile(
            id=self.id, task="T", operation="network.transfer", role=role, parameters=given, resume=tuple(resume)
        )
        directory = job.claim(self.roots[role], asked)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        process = self.processes[role] = self.host.start(directory, "--launched", **pipes)
        process.stdin.write(json.dumps({"token": token}).encode() + b"\n")
        process.stdin.close()
        return directory

    def endpoint(self) -> events.Endpoint:
        return self.host.until(lambda: self.said("sink", events.Endpoint))[0]

    def said(self, role, kind):
        return self.host.said(self.roots[role] / "jobs" / self.id, kind)

    def bring(self, artefact, *, through=None, sink=None, source=None) -> tuple[events.Finished, events.Finished]:
        """Both last events, sink's first; ``through`` makes (address, port) of the sink's into another."""
        self.start("sink", artefact, **(sink or {}))
        end = self.endpoint()
        address, port = (through or (lambda address, port: (address, port)))(end.address, end.port)
        self.start("source", artefact, endpoint_address=address, endpoint_port=port, **(source or {}))
        return self.ended()

    def ended(self):
        for role in ("sink", "source"):
            self.processes[role].wait(60)
        return tuple(self.host.history(self.roots[role] / "jobs" / self.id)[-1] for role in ("sink", "source"))

    def measures(self, role):
        return {event.name: event for event in self.said(role, events.Measured)}

    def left_behind(self) -> list[Artefact]:
        """What the sink's job leaves, as the next attempt gets it."""
        made = self.said("sink", events.Made)
        return [Artefact(path=m.path, sha256=m.sha256, size=m.size, job=self.id, name=m.name) for m in made]

    def left(self) -> list[str]:
        found = self.roots["sink"] / "jobs" / self.id / "artefacts"
        return sorted(p.name for p in found.rglob("*")) if found.exists() else []


@pytest.fixture
def ends(host, tmp_path) -> Ends:
    return Ends(host, tmp_path)


@pytest.fixture
def file(ends) -> Path:
    path = ends.roots["source"] / "data" / "patterns.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(3_000_000))
    return path


def test_a_file_arrives_with_equal_digests_at_both_ends(ends, file):
    artefact = ends.artefact(file)
    sink, source = ends.bring(artefact)
    assert (sink.outcome, source.outcome) == ("done", "done")
    (made,) = ends.said("sink", events.Made)
    copy = ends.roots["sink"] / made.path
    assert copy.name == "patterns.json"
    assert copy.read_bytes() == file.read_bytes()
    assert (made.sha256, made.size) == (artefact["sha256"], 3_000_000)
    for role in ("sink", "source"):
        found = ends.measures(role)
        assert found["digest"].value == artefact["sha256"]
        assert found["match"].value is True
        assert (found["size"].value, found["files"].value) == (3_000_000, 1)
        assert found["elapsed"].value > 0
        assert found["observed"].value > 0
        for name in ("seconds", "rate"):
            assert (found[name].value, found[name].reason) == (None, "127.0.0.1 is a loopback address")
    assert ends.left() == ["patterns.json"]


@pytest.mark.parametrize("names", [[], ["a.txt"], ["b/c.txt", "a.txt", "b.txt", "ä/leer"]])
def test_a_directory_arrives_whole(ends, names):
    path = ends.roots["source"] / "model"
    path.mkdir(parents=True)
    for name in names:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("" if "leer" in name else name)
    artefact = ends.artefact(path)
    sink, source = ends.bring(artefact)
    assert (sink.reason, source.reason) == ("", "")
    (made,) = ends.said("sink", events.Made)
    assert digest(ends.roots["sink"] / made.path) == (artefact["sha256"], artefact["size"])
    assert ends.measures("source")["digest"].value == artefact["sha256"]


def own_address() -> str:
    """An address of this machine that is no loopback, without a packet sent."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]
    return "0.0.0.0"


def test_one_machine_gives_no_rate_by_whatever_address(ends, file):
    sink, _ = ends.bring(ends.artefact(file), sink={"address": own_address()})
    assert sink.outcome == "done"
    for role in ("sink", "source"):
        rate = ends.measures(role)["rate"]
        assert (rate.value, rate.reason) == (None, "both hosts share one machine")


def test_a_source_with_the_wrong_token_is_sent_away_and_the_right_one_still_served(ends, file, host):
    artefact = ends.artefact(file)
    ends.start("sink", artefact)
    end = ends.endpoint()
    where = {"endpoint_address": end.address, "endpoint_port": end.port}
    ends.start("source", artefact, token="guess", **where)
    ends.processes["source"].wait(30)
    wrong = ends.said("source", events.Finished)[0]
    assert wrong.outcome == "failed"
    assert "token" in wrong.reason
    (ends.roots["source"] / "jobs/t1").rename(ends.roots["source"] / "wrong")
    ends.start("source", artefact, **where)
    assert [end.outcome for end in ends.ended()] == ["done", "done"]
    assert any("sent 127.0.0.1 away" in event.text for event in ends.said("sink", events.Log))


def test_nobody_with_the_token_in_time_is_a_reason(ends, file):
    ends.start("sink", ends.artefact(file), patience=1.0)
    end = ends.endpoint()
    with socket.create_connection((end.address, end.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
    ends.processes["sink"].wait(30)
    (last,) = ends.said("sink", events.Finished)
    assert last.reason == "no source with the token came within 1 s; 1 connected without it"
    assert ends.left() == []


class Proxy:
    """Stands between source and sink, and changes or cuts what the source sends after so many bytes."""

    def __init__(self, at: int, *, how: str) -> None:
        self.at, self.how = at, how
        self.seen = 0

    def __call__(self, address, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.sink = (address, port)
        threading.Thread(target=self._serve, daemon=True).start()
        return self.listener.getsockname()

    def _serve(self):
        with self.listener.accept()[0] as source, socket.create_connection(self.sink) as sink:
            back = threading.Thread(target=self._back, args=(sink, source), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                self._forth(source, sink)
            if self.how != "stall":
                shut(sink)
            back.join(20)

    def _forth(self, source, sink):
        while data := bytearray(source.recv(65_536)):
            if self.seen <= self.at < self.seen + len(data) and self.how != "flip":
                return
            data = self.changed(data)
            self.seen += len(data)
            sink.sendall(data)

    def changed(self, data: bytearray) -> bytearray:
        """What the sink gets for ``data``."""
        if self.how == "flip" and self.seen <= self.at < self.seen + len(data):
            data[self.at - self.seen] ^= 1
        return data

    def _back(self, sink, source):
        with contextlib.suppress(OSError):
            while data := sink.recv(65_536):
                source.sendall(data)
        shut(source)


def shut(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("at", "how", "sink", "source"),
    [
        (1_000_000, "flip", "the bytes changed on their way", "the bytes changed on their way"),
        (3_000_000, "flip", "the bytes changed on their way", "the bytes changed on their way"),
        (200, "flip", "was changed on its way", "connection"),
        (30, "flip", "no source with the token came", "token"),
        (1_000_000, "cut", "the connection to the source ended too soon", "connection"),
        (1_000_000, "stall", "the source was silent for 4 s", "connection"),
    ],
)
def test_what_is_changed_or_cut_on_its_way_fails_and_leaves_nothing(ends, file, at, how, sink, source):
    found = ends.bring(ends.artefact(file), through=Proxy(at, how=how), sink={"patience": 4.0})
    assert [end.outcome for end in found] == ["failed", "failed"]
    assert sink in found[0].reason
    assert source in found[1].reason
    assert ends.left() == []
    assert ends.said("sink", events.Made) == []
    if how == "flip" and at >= 1_000_000:
        assert "patterns.json" in found[0].reason
        assert ends.measures("sink")["match"].value is False
        assert ends.measures("sink")["digest"].value is None


@pytest.mark.parametrize(
    ("here", "way", "cut"),
    [
        (False, "through the console", "it went through the console: if that or its link has ended, run it again"),
        (True, "by the loopback of one machine", ""),
    ],
)
def test_what_the_console_relays_is_no_figure_and_says_what_a_cut_may_be(ends, file, here, way, cut):
    relay = {"via": "rsync", "address": "192.0.2.1", "relay": {"why": "no identity", "here": here}}
    found = ends.bring(ends.artefact(file), sink=relay, source=relay)
    assert [end.outcome for end in found] == ["done", "done"]
    for role in ("sink", "source"):
        assert f"{way}: no identity" in [event.text for event in ends.said(role, events.Log)]
        measures = ends.measures(role)
        assert measures["observed"].value > 0
        for name in ("seconds", "rate"):
            told = (measures[name].value, measures[name].reason)
            assert told == (None, f"{way}: no identity; no figure of the wire")
    ends.id = "t2"
    for end in ends.bring(ends.artefact(file), through=Proxy(1_000_000, how="cut"), sink=relay, source=relay):
        assert end.outcome == "failed"
        assert cut in end.reason
        assert bool(cut) is ("console" in end.reason)


def test_a_file_that_is_not_the_artefact_any_more_is_not_kept(ends, file):
    artefact = ends.artefact(file)
    file.write_bytes(b"another")
    sink, source = ends.bring(artefact)
    assert "no longer the artefact" in sink.reason
    assert "no longer the artefact" in source.reason
    assert ends.left() == []


def test_a_source_that_can_not_begin_says_why(ends, file):
    artefact = ends.artefact(file)
    for changed, reason in (
        ({}, "the sink's job ended before it said where it listens"),
        (
            {"endpoint_address": "127.0.0.1", "endpoint_port": 1},
            "no connection to 127.0.0.1 port 1: Connection refused",
        ),
    ):
        ends.start("source", artefact, **changed)
        ends.processes["source"].wait(30)
        assert ends.said("source", events.Finished)[0].reason == reason
        (ends.roots["source"] / "jobs/t1").rename(ends.roots["source"] / f"gone{len(changed)}")
    ends.start("source", {**artefact, "path": "gone.json"}, endpoint_address="127.0.0.1", endpoint_port=1)
    ends.processes["source"].wait(30)
    assert ends.said("source", events.Finished)[0].reason == "gone.json is not on this host"


def test_an_address_that_is_not_this_machines_is_refused(ends, file):
    ends.start("sink", ends.artefact(file), address="192.0.2.1")
    ends.processes["sink"].wait(30)
    assert ends.said("sink", events.Finished)[0].reason.startswith("can't listen on 192.0.2.1: ")


def test_a_stopped_transfer_keeps_nothing(ends, file):
    directory = ends.start("sink", ends.artefact(file))
    ends.endpoint()
    (directory / job.STOP).touch()
    assert ends.processes["sink"].wait(30) == 3
    assert ends.said("sink", events.Finished)[0].outcome == "stopped"
    assert ends.left() == []


def test_a_link_in_a_directory_is_refused(ends):
    path = ends.roots["source"] / "model"
    path.mkdir(parents=True)
    (path / "w.bin").write_text("w")
    artefact = ends.artefact(path)
    (path / "passwd").symlink_to("/etc/passwd")
    ends.start("source", artefact, endpoint_address="127.0.0.1", endpoint_port=1)
    ends.processes["source"].wait(30)
    assert ends.said("source", events.Finished)[0].reason == "passwd is neither a file nor a directory"
    assert Artefact(**artefact).path == "model"


def test_of_a_directory_those_files_are_counted_that_are_asked_for(ends):
    path = ends.roots["source"] / "dataset"
    path.mkdir(parents=True)
    for name in ("training.jsonl", "test.jsonl", "checksums.txt"):
        (path / name).write_text(name * 100)
    sink, source = ends.bring(ends.artefact(path), sink={"count": "*.jsonl"}, source={"count": "*.jsonl"})
    assert (sink.reason, source.reason) == ("", "")
    for role in ("sink", "source"):
        found = ends.measures(role)
        assert (found["files"].value, found["left"].value, found["match"].value) == (2, 0.0, True)
        assert any(event.text.startswith("2 of 2 files, ") for event in ends.said(role, events.Log))


def test_time_left_of_what_did_not_come_is_not_known(ends, file):
    ends.bring(ends.artefact(file), through=Proxy(1_000_000, how="flip"), sink={"patience": 4.0})
    left = ends.measures("sink")["left"]
    assert (left.value, left.reason) == (None, "not all of it came")


class Told:
    """A context that keeps what it is told."""

    def __init__(self):
        self.logs, self.left = [], []

    def log(self, text):
        self.logs.append(text)

    def measure(self, name, value, **_):
        assert name == "left"
        self.left.append(value)

    def progress(self, done, total, unit): ...

    def metric(self, name, value, step): ...


def test_files_rate_and_time_left_are_told_on_the_way(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(passing.time, "monotonic", lambda: now[0])
    told = Told()
    under_way = passing.Passing(told, 4_000_000_000, 3, "*.jsonl")
    under_way.came = ["checksums.txt", "test_1m.jsonl"]
    now[0] += 10
    under_way.count(1_000_000_000)
    assert told.logs == ["file 2 of 3, 1 of 4 GB, 100 MB/s, 30 s left"]
    assert told.left == [0.5]
