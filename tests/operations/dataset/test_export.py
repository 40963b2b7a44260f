"""The export: what goes where, bad input, and a stop or a kill in the middle that changes no byte."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import psutil
import pytest

from operations import events, job
from operations.contract import Artefact, Refusal
from operations.dataset import duplicates, masking, records
from operations.dataset.sides import FILES

SETS = ("train", "validation", "test", "gauntlet")


def pattern(n, **changed):
    return {
        "id": f"r{n // 5}-{n}",
        "attack_type": ("benign", "xss", "flooding")[n % 3],
        "payload": f"event {chr(103 + n % 17)}{chr(103 + n // 17 % 17)}{chr(103 + n // 289 % 17)} number {n}",
        "severity": "low",
        "nested": {"depth": [n, None]},
        **changed,
    }


def batch(directory, number, some, **layout):
    directory.mkdir(exist_ok=True)
    path = directory / f"batch_{number:04d}.json"
    path.write_text(json.dumps(some, **layout))
    return path


@pytest.fixture
def store(tmp_path):
    """1,200 distinct patterns, in the layouts that stores come in."""
    layouts = ({}, {"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False})
    for number in range(6):
        batch(tmp_path / "store", number, [pattern(200 * number + n) for n in range(200)], **layouts[number % 4])
    return tmp_path / "store"


def exported(host, made):
    """The patterns of each set."""
    paths = [host.path(made["dataset"]) / file for file in FILES[:3]] + [host.path(made["gauntlet"])]
    return [[json.loads(line) for line in path.read_bytes().splitlines()] for path in paths]


def plain(some):
    return Counter(json.dumps(one, sort_keys=True) for one in some)


def test_every_pattern_is_in_one_set_with_all_its_fields(host, store):
    measures, made, _ = host.run("dataset.export", store=str(store), gauntlet=0.1, processes=1)
    sets = exported(host, made)
    assert plain(one for some in sets for one in some) == plain(pattern(n) for n in range(1_200))
    assert [measures[name].value for name in SETS] == [len(some) for some in sets]
    assert measures["patterns"].value == measures["read"].value == 1_200
    assert (measures["duplicates"].value, measures["classes"].value) == (0, 3)
    assert 60 < len(sets[3]) < 180
    assert 60 < len(sets[1]) < 180
    assert measures["train_size"].value == (host.path(made["dataset"]) / FILES[0]).stat().st_size / 1e9
    assert "read 6 of 6 batches" in host.path(made["log"]).read_text()


def test_digests_are_those_of_the_usual_tools(host, store):
    measures, made, _ = host.run("dataset.export", store=str(store), processes=1)
    directory = host.path(made["dataset"])
    for tool, file in (("md5sum", "checksums.txt"), ("sha256sum", "sha256sums.txt")):
        said = subprocess.run([tool, "-c", file], cwd=directory, capture_output=True, text=True, check=True).stdout
        assert [f"{name}: OK" in said for name in FILES[:3]] == [True] * 3
    for name, file in zip(SETS, FILES, strict=True):
        path = host.path(made["gauntlet"]) if name == "gauntlet" else directory / file
        found = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
        assert measures[f"{name}_digest"].value == found.split()[0]
    files = sorted(found.relative_to(directory).as_posix() for found in directory.rglob("*") if found.is_file())
    listed = subprocess.run(["sha256sum", *files], cwd=directory, capture_output=True, check=True).stdout
    again = subprocess.run(["sha256sum"], input=listed, capture_output=True, check=True).stdout.decode()
    assert made["dataset"].sha256 == again.split()[0], "taken in the stream, and what is on the disk"
    assert len((directory / "checksums.txt").read_text().splitlines()) == 3


def test_duplicates_are_dropped_and_the_first_stays(host, store):
    again = [pattern(n, id=f"again-{n}", payload=f" EVENT  {pattern(n)['payload'][6:].upper()}\n") for n in range(100)]
    batch(store, 6, again)
    measures, made, _ = host.run("dataset.export", store=str(store), processes=1)
    assert measures["duplicates"].value == 100
    assert not [one for some in exported(host, made) for one in some if one["id"].startswith("again")]


def test_braces_and_line_ends_within_and_between_records(host, tmp_path):
    texts = ("{} a", "b }, {", "c | d", '"e": {"f"', "${jndi:g}", "h\n{")
    some = [pattern(n, payload=f"{text} {chr(103 + n // 6) * 3}") for n, text in enumerate(texts * 5)]
    plainer = [{k: v for k, v in pattern(n).items() if k != "nested"} for n in range(100, 140)]
    lines = [json.dumps(one) for one in plainer]
    batch(tmp_path / "store", 0, some)
    (tmp_path / "store" / "batch_0001.json").write_text("[\n" + ",\n".join(lines[:20]) + "\n]\n")
    apart = lines[20].replace(", ", ",\n", 1)
    (tmp_path / "store" / "batch_0002.json").write_text(f"[{apart}, {lines[21]}]")
    (tmp_path / "store" / "batch_0003.json").write_text("[" + " ,\r\n ".join(lines[22:]) + "]")
    measures, made, _ = host.run("dataset.export", store=str(tmp_path / "store"), processes=1)
    found = exported(host, made)
    assert plain(one for some in found for one in some) == plain(some + plainer)
    assert (measures["patterns"].value, measures["malformed"].value) == (70, 0)


@pytest.mark.parametrize("part", [8, 1 << 20])
def test_duplicates_are_found_in_parts_as_in_a_whole(host, tmp_path, monkeypatch, part):
    monkeypatch.setattr(duplicates, "_PART", part)
    for number in range(3):
        batch(tmp_path / "store", number, [pattern(n * (number + 1) % 90) for n in range(60)])
    measures, made, _ = host.run("dataset.export", store=str(tmp_path / "store"), processes=1)
    whole = {n * (number + 1) % 90 for number in range(3) for n in range(60)}
    assert (measures["patterns"].value, measures["duplicates"].value) == (len(whole), 180 - len(whole))
    assert {one["payload"] for some in exported(host, made) for one in some} == {pattern(n)["payload"] for n in whole}


def test_a_clash_of_short_keys_drops_nothing(host, tmp_path, monkeypatch):
    monkeypatch.setattr(masking, "keys", lambda payloads: np.full(len(payloads), 7, dtype=np.uint64))
    batch(tmp_path / "store", 0, [pattern(n % 40) for n in range(60)])
    measures, made, _ = host.run("dataset.export", store=str(tmp_path / "store"), processes=1)
    assert (measures["patterns"].value, measures["duplicates"].value) == (40, 20)
    assert len({one["payload"] for some in exported(host, made) for one in some}) == 40


def test_literals_alone_put_no_pattern_on_another_side(host, tmp_path):
    some = [
        pattern(n, payload=f"load {chr(103 + n % 13) * 3} from 10.0.0.{n} id=0x{n:x} as '{n} x'") for n in range(250)
    ]
    batch(tmp_path / "store", 0, some)
    _, made, _ = host.run("dataset.export", store=str(tmp_path / "store"), gauntlet=0.2, validation=0.3, test=0.3)
    sides = [{one["payload"][5:8] for one in found} for found in exported(host, made)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 13
    assert sum(map(bool, sides)) > 2


def test_bad_batches_and_records_as_in_a_sample(host, store):
    bad = {
        "batch_0010.json": b"",
        "batch_0011.json": b"\xff\xfe[]",
        "batch_0012.json": b'[{"id": 1,',
        "batch_0013.json": b'{"patterns": []}',
        "batch_0014.json": b"[]",
        "batch_0015.json": b"[" * 100_000,
        "batch_0016.json": b'[{"id": 1, "attack_type": "xss", "payload": "\\ud800"}]',
    }
    for name, data in bad.items():
        (store / name).write_bytes(data)
    (store / "batch_0017.json").symlink_to(store / "batch_0000.json")
    mixed = [
        {"id": 1, "payload": "no label"},
        {"id": 2, "type": "xss"},
        {"type": "xss", "payload": "told by type"},
        7,
        {"id": True, "attack_type": " xss ", "payload": "label and id"},
        {"id": 3, "attack_type": "xss", "payload": "x" * 70_000},
        {"id": 4, "attack_type": "xss", "payload": " \t "},
    ]
    batch(store, 18, mixed)
    measures, made, logs = host.run("dataset.export", store=str(store), processes=1)
    sampled = host.run("dataset.sample", store=str(store), samples=1_202)[0]
    for name in ("malformed", "malformed_batches", "unusable", "unusable_records", "batches", "store_digest"):
        assert measures[name].value == sampled[name].value, name
    assert measures["malformed"].value == 8
    assert all(any(name in log.text for log in logs) for name in bad)
    found = {one["payload"]: one for some in exported(host, made) for one in some}
    assert found["told by type"] == {
        "type": "xss",
        "payload": "told by type",
        "attack_type": "xss",
        "id": "batch_0018.json:2",
    }
    assert (found["label and id"]["attack_type"], found["label and id"]["id"]) == ("xss", "batch_0018.json:4")
    with pytest.raises(Refusal, match="malformed, 7 are allowed"):
        host.run("dataset.export", store=str(store), malformed_limit=7)
    with pytest.raises(Refusal, match="no label or payload"):
        host.run("dataset.export", store=str(store), unusable_limit=0.001)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "no store"),
        ({"store": "/nowhere/at/all"}, "no directory"),
        ({"store": "../outside"}, "outside|leave|root"),
        ({"store": ".", "validation": 0.5, "test": 0.5}, "nothing to train on"),
        ({"store": "."}, "no batch_NNNN.json"),
    ],
)
def test_refusals(host, parameters, said):
    with pytest.raises(Refusal, match=said):
        host.run("dataset.export", **parameters)


def test_a_store_without_a_usable_pattern_is_refused(host, tmp_path):
    (batch(tmp_path / "store", 0, [])).write_text("[]")
    with pytest.raises(Refusal, match="no usable pattern"):
        host.run("dataset.export", store=str(tmp_path / "store"))


def test_a_store_that_is_not_the_artefact_any_more_is_refused(host):
    _, made, _ = host.run("dataset.corpus", patterns=300, batch=100, shift=0)
    measures = host.run("dataset.export", source=made["patterns"])[0]
    assert measures["store_digest"].value == made["patterns"].sha256
    path = host.path(made["patterns"]) / "batch_0001.json"
    path.write_bytes(path.read_bytes().replace(b" ", b"  ", 1))
    with pytest.raises(Refusal, match="not what job job-1 made"):
        host.run("dataset.export", source=made["patterns"])


def alike(made, others):
    return [(made[name].sha256, made[name].size) for name in ("dataset", "gauntlet")] == [
        (others[name].sha256, others[name].size) for name in ("dataset", "gauntlet")
    ]


@pytest.mark.parametrize("after", [1, 4, 7, 10])
def test_a_stop_goes_on_and_changes_no_byte(host, store, after):
    whole = host.run("dataset.export", store=str(store), processes=1)[1]
    _, left, _ = host.run("dataset.export", stop_after=after, store=str(store), processes=1)
    assert set(left) == {"state"}
    measures, made, logs = host.run("dataset.export", resume=left.values(), store=str(store), processes=1)
    assert alike(made, whole)
    assert measures["resumed"].value == min(after + 1, 6)
    assert measures["rate"].value is None
    assert any("going on from job job-2" in log.text for log in logs)
    if after > 8:
        assert any("batches are written already" in log.text for log in logs)


def test_a_torn_ledger_and_torn_sets_are_made_again(host, store):
    whole = host.run("dataset.export", store=str(store), processes=1)[1]
    _, left, _ = host.run("dataset.export", stop_after=10, store=str(store), processes=1)
    state = host.path(left["state"]).parent
    ledger = state / "ledgers" / "batch_0002.json.ledger"
    ledger.write_bytes(ledger.read_bytes()[:-5] + bytes(5))
    train = state / "dataset" / FILES[0]
    train.write_bytes(bytes(100) + train.read_bytes()[100:])
    measures, made, _ = host.run("dataset.export", resume=left.values(), store=str(store), processes=1)
    assert alike(made, whole)
    assert measures["resumed"].value == 5


def test_what_was_left_of_another_export_is_not_taken_up(host, store):
    _, left, _ = host.run("dataset.export", stop_after=4, store=str(store), processes=1)
    measures = host.run("dataset.export", resume=left.values(), store=str(store), seed=2, processes=1)[0]
    assert measures["resumed"].value == 0


def test_a_batch_that_changed_meanwhile_is_read_again(host, store):
    _, left, _ = host.run("dataset.export", stop_after=4, store=str(store), processes=1)
    batch(store, 1, [pattern(5_000)])
    measures, made, _ = host.run("dataset.export", resume=left.values(), store=str(store), processes=1)
    assert (measures["resumed"].value, measures["patterns"].value) == (4, 1_001)
    assert alike(made, host.run("dataset.export", store=str(store), processes=1)[1])


def launch(root, id, resume=(), **parameters):
    given = job.JobFile(
        id=id, task="T", operation="dataset.export", parameters={"processes": 2, **parameters}, resume=tuple(resume)
    )
    directory = job.claim(root, given)
    command = [sys.executable, "-P", "-m", "operations", "run", str(directory)]
    return directory, subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def told(directory, kind):
    try:
        lines = (directory / job.EVENTS).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [event for event in map(events.decode, lines) if isinstance(event, kind)]


def left_by(directory):
    return [Artefact(m.path, m.sha256, m.size, directory.name, m.name) for m in told(directory, events.Made)]


def kill(directory, process, unit):
    """Kills the job, its worker and the worker's processes once there is progress in the unit."""
    while not [p for p in told(directory, events.Progress) if p.unit == unit]:
        assert process.poll() is None
    family = psutil.Process(process.pid).children(recursive=True)
    for one in family:
        os.kill(one.pid, signal.SIGKILL)
    process.wait(30)
    assert psutil.wait_procs(family, 30)[1] == [], "nobody is left"
    assert {m.name for m in told(directory, events.Made)} == {"state"}


def test_real_jobs_killed_while_reading_and_while_writing_give_the_same_bytes(tmp_path):
    for number in range(20):
        batch(tmp_path / "store", number, [pattern(400 * number + n, filler="x" * 2_100) for n in range(400)])
    root = tmp_path / "root"
    root.mkdir()
    store = str(tmp_path / "store")
    first, process = launch(root, "j1", store=store)
    kill(first, process, "batches read")
    second, process = launch(root, "j2", left_by(first), store=store)
    kill(second, process, "batches written")
    third, process = launch(root, "j3", left_by(second), store=store, processes=1)
    assert process.wait(60) == 0
    resumed = next(m.value for m in told(third, events.Measured) if m.name == "resumed")
    assert resumed == 20, "no batch that was finished was read again"
    whole, process = launch(root, "j4", store=store)
    assert process.wait(60) == 0
    made = [
        {a.name: (a.sha256, a.size) for a in left_by(d) if a.name in ("dataset", "gauntlet")} for d in (third, whole)
    ]
    assert made[0] == made[1]


def test_normal_is_what_a_sample_takes_for_equal(host, tmp_path):
    some = [
        pattern(n, payload=text) for n, text in enumerate(("Straße", "STRASSE", "straße ", "Strasse x", "e\u0301", "é"))
    ]
    batch(tmp_path / "store", 0, some)
    measures = host.run("dataset.export", store=str(tmp_path / "store"))[0]
    assert measures["patterns"].value == len({records.normal(one["payload"]) for one in some}) == 3
