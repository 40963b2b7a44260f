"""What was seen before, against comparing every pair; streamed, and stopped when asked."""

import json
import random
from itertools import product

import pytest

from operations.contract import Refusal
from operations.dataset import masking, seen
from operations.dataset.records import normal

SETS = ("training_8m.jsonl", "validation_1m.jsonl", "test_1m.jsonl")


def write(path, payloads):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"id": "x", "payload": payload}) + "\n" for payload in payloads))
    return path


def some(rng: random.Random, count: int) -> list[str]:
    words = [*product(("otto", "Mara", "ÉVA"), ("cryptor", "climb"), ("'a'", "'b'", '"x"', "10.0.0.7", "42", "0xff"))]
    return [rng.choice((" ", "  ", "\t")).join(rng.choice(words)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_what_comparing_every_pair_finds(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(seen, "AT_ONCE", 7)
    rng = random.Random(seed)
    held = [*some(rng, 20), "nowhere else"]
    sets = {name: some(rng, 15) for name in SETS}
    for name, payloads in sets.items():
        write(tmp_path / "dataset" / name, payloads)
    found = seen.compare(write(tmp_path / "held.jsonl", held), tmp_path / "dataset", lambda lines: True)
    every = [payload for payloads in sets.values() for payload in payloads]
    assert found.held == 21
    assert found.exactly == sum(normal(one) in map(normal, every) for one in held)
    assert found.masked == sum(masking.mask(one) in map(masking.mask, every) for one in held)
    assert 0 < found.exactly < found.masked < 21
    assert found.lines == dict.fromkeys(sorted(SETS), 15)
    for name, payloads in sets.items():
        assert found.by_set[name] == sum(masking.mask(one) in map(masking.mask, payloads) for one in held)


def test_it_tells_how_far_it_is_and_stops_when_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(seen, "AT_ONCE", 10)
    monkeypatch.setattr(seen, "TOLD_EVERY", 2)
    for name in SETS:
        write(tmp_path / "dataset" / name, some(random.Random(1), 50))
    held = write(tmp_path / "held.jsonl", ["one"])
    told = []
    assert seen.compare(held, tmp_path / "dataset", lambda lines: not told.append(lines))
    assert told == [20, 40, 70, 90, 120, 140]
    assert seen.compare(held, tmp_path / "dataset", lambda lines: lines < 70) is None


def test_a_set_that_is_missing_or_broken_is_named(tmp_path):
    held = write(tmp_path / "held.jsonl", ["one"])
    for name in SETS[:2]:
        write(tmp_path / "dataset" / name, ["two"])
    for where in (tmp_path / "dataset", tmp_path / "nowhere"):
        with pytest.raises(Refusal, match=r"has no (test|training)\*.jsonl, so that nothing shows"):
            seen.compare(held, where, lambda lines: True)
    (tmp_path / "dataset" / "test_1m.jsonl").write_text('{"payload": "fine"}\n\n{"payload": 7}\n')
    with pytest.raises(Refusal, match=r"test_1m.jsonl line 3 is no pattern"):
        seen.compare(held, tmp_path / "dataset", lambda lines: True)
