"""Sampling: shares and diversity, bad batches counted and named, limits that end the job, memory that stays."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.contract import Refusal
from operations.dataset import draw, records


def rows(count, start=0, label="flooding"):
    return [
        {"id": f"r{n // 5}-{n}", "attack_type": label, "payload": f"event {n}"} for n in range(start, start + count)
    ]


@pytest.fixture
def foreign(tmp_path):
    directory = tmp_path / "foreign"
    directory.mkdir()
    (directory / "batch_0000.json").write_text(json.dumps(rows(60) + rows(40, 60, "benign")))
    return directory


def test_shares_diversity_and_name(host):
    _, made, _ = host.run("dataset.corpus", patterns=8_000, batch=1_000, shift=0, seed=2)
    measures, sample, _ = host.run("dataset.sample", source=made["patterns"], samples=1_000)
    found = host.json(sample["dataset"])
    assert sample["dataset"].path.endswith("reality_check_1000.json")
    assert len(found) == len({records.normal(p["payload"]) for p in found}) == 1_000
    store = Counter(
        p["attack_type"] for f in sorted(host.path(made["patterns"]).iterdir()) for p in json.loads(f.read_bytes())
    )
    for label, count in Counter(p["attack_type"] for p in found).items():
        assert abs(count - store[label] / 8) <= 1
    assert measures["groups"].value == 75, "each template has a row"
    assert measures["store_digest"].value == made["patterns"].sha256
    assert (
        host.run("dataset.sample", source=made["patterns"], samples=1_000)[1]["dataset"].sha256
        == sample["dataset"].sha256
    )
    other = host.run("dataset.sample", source=made["patterns"], samples=1_000, seed=5)[1]["dataset"]
    assert other.sha256 != sample["dataset"].sha256


def test_foreign_store_on_the_host(host, foreign):
    measures, made, _ = host.run("dataset.sample", store=str(foreign), samples=50)
    assert measures["distribution"].value == {"benign": 20, "flooding": 30}
    assert measures["groups"].value == 20
    assert measures["store"].value == str(foreign)
    assert len(host.json(made["dataset"])) == 50


def test_duplicates_are_counted_and_drawn_once(host, foreign):
    (foreign / "batch_0001.json").write_text(
        json.dumps([{**r, "payload": f" EVENT  {n}"} for n, r in enumerate(rows(10))])
    )
    measures, made, _ = host.run("dataset.sample", store=str(foreign), samples=100)
    assert measures["duplicates"].value == 10
    assert len({records.normal(p["payload"]) for p in host.json(made["dataset"])}) == 100


def test_bad_batches_and_records_are_counted_and_named(host, foreign):
    bad = {
        "batch_0001.json": b"",
        "batch_0002.json": b"\xff\xfe[]",
        "batch_0003.json": b'[{"id": 1,',
        "batch_0004.json": b'{"patterns": []}',
        "batch_0005.json": b"[]",
        "batch_0006.json": b"[" * 100_000,
    }
    for name, data in bad.items():
        (foreign / name).write_bytes(data)
    (foreign / "batch_0007.json").symlink_to(foreign / "batch_0000.json")
    mixed = [{"id": 1, "payload": "no label"}, {"id": 2, "type": "xss"}, {"type": "xss", "payload": "told by type"}, 7]
    (foreign / "batch_0008.json").write_text(json.dumps(mixed))
    measures, made, logs = host.run("dataset.sample", store=str(foreign), samples=101)
    assert measures["malformed"].value == 7
    assert measures["malformed_batches"].value == {
        "an object, not an array": 1,
        "empty": 1,
        "no records": 1,
        "not JSON": 2,
        "not UTF-8": 1,
        "not a regular file": 1,
    }
    assert measures["unusable_records"].value == {"no label": 1, "no object": 1, "no payload": 1}
    assert all(any(name in log.text for log in logs) for name in bad)
    assert [p["attack_type"] for p in host.json(made["dataset"]) if p["payload"] == "told by type"] == ["xss"]
    with pytest.raises(Refusal, match="malformed, 6 are allowed"):
        host.run("dataset.sample", store=str(foreign), samples=50, malformed_limit=6)
    with pytest.raises(Refusal, match="no label or payload"):
        host.run("dataset.sample", store=str(foreign), samples=50, unusable_limit=0.02)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "no store"),
        ({"store": "/nowhere/at/all"}, "no directory"),
        ({"store": "../outside"}, "outside|leave|root"),
    ],
)
def test_refusals(host, parameters, said):
    with pytest.raises(Refusal, match=said):
        host.run("dataset.sample", **parameters)


def test_too_small_and_empty_stores_are_refused(host, foreign):
    with pytest.raises(Refusal, match="100 distinct usable payloads, 101"):
        host.run("dataset.sample", store=str(foreign), samples=101)
    (foreign / "batch_0000.json").unlink()
    with pytest.raises(Refusal, match="no batch_NNNN"):
        host.run("dataset.sample", store=str(foreign))


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_an_array_or_a_named_fault(data):
    found, fault = records.array(data)
    assert bool(found) != bool(fault)
    for raw in found:
        assert isinstance(records.read(raw, "here"), records.Record | str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


@given(st.dictionaries(st.sampled_from(["id", "type", "attack_type", "payload", "set"]) | st.text(), json_values))
def test_a_record_never_takes_its_label_for_its_payload(raw):
    found = records.read(raw, "here")
    if isinstance(found, records.Record):
        assert found.payload == raw["payload"]
        assert found.label in {str(raw.get(name)).strip() for name in ("attack_type", "type")}
        assert not {"type", "attack_type", "payload", "id"} & found.further.keys()


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=8), st.data())
def test_allot_gives_all_and_never_more_than_there_is(sizes, data):
    wanted = {str(n): want for n, (want, _) in enumerate(sizes)}
    available = {str(n): have for n, (_, have) in enumerate(sizes)}
    total = data.draw(st.integers(0, sum(available.values())))
    shares = draw.allot(wanted, available, total)
    assert sum(shares.values()) == total
    assert all(0 <= shares[n] <= available[n] for n in wanted)


def test_memory_does_not_grow_with_the_store(tmp_path):
    """Ten times the records stay within a few MB of the same peak."""
    source = (
        "import json, resource, sys\n"
        "from operations.dataset import draw\n"
        "found = draw.Survey(200, 1)\n"
        "for n in range(int(sys.argv[1])):\n"
        "    found.take({'id': f'{n}', 'attack_type': f'c{n % 10}', 'payload': f'event {n} ' * 8}, '')\n"
        "draw.choose(found, 200)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = [
        int(subprocess.run([sys.executable, "-P", "-c", source, n], capture_output=True, check=True).stdout)
        for n in ("20000", "200000")
    ]
    assert (peaks[1] - peaks[0]) * (1 if sys.platform == "darwin" else 1_024) < 8e6
