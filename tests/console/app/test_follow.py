import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.app import follow
from console.app.follow import BLOCK, Follower
from console.conductor.wording import size


def log(text: str, t: float = 1760707260.0, level: str = "info") -> bytes:
    return json.dumps({"type": "log", "t": t, "text": text, "level": level}).encode() + b"\n"


def metric(step: int, value: float | None, name: str = "loss", nonfinite: str | None = None) -> bytes:
    event = {"type": "metric", "t": 1.0, "name": name, "step": step, "value": value}
    return json.dumps(event | ({"nonfinite": nonfinite} if nonfinite else {})).encode() + b"\n"


def texts(follower: Follower) -> list[str]:
    return [follower.line(n).text for n in range(follower.count)]


def test_a_file_that_is_not_there_yet(tmp_path):
    follower = Follower(tmp_path / "events.jsonl")
    assert not follower.poll()
    assert not follower.behind
    assert follower.line(0) is None
    (tmp_path / "events.jsonl").write_bytes(log("first"))
    assert follower.poll()
    assert texts(follower) == ["first"]


def test_half_a_line_waits_for_its_end(tmp_path):
    path = tmp_path / "events.jsonl"
    whole = log("one") + log("two")
    path.write_bytes(whole[:-7])
    follower = Follower(path)
    follower.poll()
    assert texts(follower) == ["one"]
    with path.open("ab") as stream:
        stream.write(whole[-7:])
    follower.poll()
    assert texts(follower) == ["one", "two"]


@settings(deadline=None)
@given(cuts=st.lists(st.integers(min_value=1, max_value=400), max_size=12), count=st.integers(0, 40))
def test_any_cutting_gives_the_same_lines(tmp_path_factory, cuts, count):
    data = b"".join(log(f"line {n}") + metric(n, n / 7) for n in range(count))
    path = tmp_path_factory.mktemp("follow") / "events.jsonl"
    path.write_bytes(b"")
    follower, at = Follower(path), 0
    for cut in [*cuts, len(data)]:
        with path.open("ab") as stream:
            stream.write(data[at : at + cut])
        at += cut
        follower.poll()
    assert texts(follower) == [f"line {n}" for n in range(count)]
    assert [*follower.series.get("loss", follow.Series([], [])).steps] == list(range(count))


def test_what_is_not_finite_is_kept_as_such(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(metric(1, 0.5) + metric(2, None, nonfinite="nan") + metric(3, None, nonfinite="inf"))
    follower = Follower(path)
    follower.poll()
    values = list(follower.series["loss"].values)
    assert values[0] == 0.5
    assert values[1] != values[1]
    assert values[2] == float("inf")


def test_older_lines_are_read_from_the_file_again(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "RING_BYTES", 4_000)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(log(f"line {n}") + metric(n, 1.0) for n in range(3_000)))
    follower = Follower(path)
    while follower.behind:
        follower.poll()
    assert follower.count == 3_000
    assert len(follower._ring) < 100
    for number in (0, 1, BLOCK - 1, BLOCK, 1_234, 2_998, 2_999):
        assert follower.line(number).text == f"line {number}"
    assert follower.line(3_000) is None
    assert [said.text for said in follower.block(3)][:2] == [f"line {3 * BLOCK}", f"line {3 * BLOCK + 1}"]


def test_a_file_that_was_cut_behind_the_reader_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "RING_BYTES", 1_000)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(log(f"line {n}") for n in range(1_000)))
    follower = Follower(path)
    follower.poll()
    os.truncate(path, 0)
    assert follower.line(5).text == "the file no longer holds this line"
    assert follower.line(999).text == "line 999"


def test_hostile_bytes_are_shown_and_do_no_harm(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(log("\x1b]52;c;cm0=\x07[red]boo\u202e") + b"\xff\xfe no json\n" + b"[]\n\n" + log("after"))
    follower = Follower(path)
    follower.poll()
    shown = texts(follower)
    assert shown[0] == "[red]boo\N{REPLACEMENT CHARACTER}"
    assert shown[1].startswith("unreadable event")
    assert shown[2].startswith("unreadable event")
    assert shown[3] == "after"


def test_a_line_without_end_does_not_fill_memory(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * 8_000_000)
    follower = Follower(path)
    while follower.behind:
        follower.poll()
    assert len(follower._rest) < 2_000_000


def test_every_kind_of_event_reads_well(tmp_path):
    path = tmp_path / "events.jsonl"
    events = [
        {"type": "measure", "t": 0.0, "name": "accuracy", "value": 0.93, "n": 100, "count": 93},
        {"type": "measure", "t": 0.0, "name": "gpu", "value": None, "reason": "no GPU"},
        {"type": "artefact", "t": 0.0, "name": "w", "path": "w.bin", "size": 1_900_000, "sha256": "0" * 64},
        {"type": "endpoint", "t": 0.0, "address": "10.0.0.1", "port": 5201},
        {"type": "finished", "t": 0.0, "outcome": "failed", "reason": "out of memory", "seconds": 4_000.0},
    ]
    path.write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in events))
    follower = Follower(path)
    follower.poll()
    assert texts(follower) == [
        "accuracy  93 of 100 = 93.0 %",
        "gpu  n/a (no GPU)",
        "kept w.bin, 1.9 MB",
        "listens at 10.0.0.1 port 5201",
        "failed after 1 h 06: out of memory",
    ]
    assert follower.line(4).level == "error"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_900_000, "1.9 MB"), (5.9e12, "5.9 TB"), (61e15, "61,000 TB")],
)
def test_sizes(count, shown):
    assert size(count) == shown
