"""Splitting: nothing shared, whole groups, labels out of prompts, controls that say so, honest rivals."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.contract import Refusal
from operations.dataset import divide, records, rivals
from operations.dataset.records import Record


@pytest.fixture
def sample(host):
    _, made, _ = host.run("dataset.corpus", patterns=4_000, batch=1_000, shift=60, seed=2)
    return host.run("dataset.sample", source=made["patterns"])[1]["dataset"], made["shift"]


def test_the_reality_check_split(host, sample):
    dataset, shift = sample
    measures, made, _ = host.run("dataset.split", dataset=dataset, shift=shift)
    train, validation = host.rows(made["train"]), host.rows(made["validation"])
    assert (len(train), len(validation)) == (measures["train"].value, measures["validation"].value) == (900, 100)
    assert made["train"].path.endswith("reality_check_train_900.jsonl")
    assert made["validation"].path.endswith("reality_check_val_100.jsonl")
    assert not {records.normal(r["prompt"]) for r in train} & {records.normal(r["prompt"]) for r in validation}
    assert measures["overlap"].value == measures["shared_groups"].value == 0
    combined = [r for r in validation if r["combination"]]
    assert len(combined) == measures["combination"].count >= 10
    assert not {r["template"] for r in combined} & {r["template"] for r in train}
    assert not any(r["combination"] for r in train)
    for row in [*train, *validation]:
        assert list(row)[:4] == ["prompt", "completion", "id", "attack_type"]
        assert row["completion"] == row["attack_type"] not in row["prompt"]
    assert len(host.rows(made["shift"])) == measures["shift"].value == 60
    assert measures["majority"].value <= 0.25
    assert measures["keyword"].value <= 0.85
    assert measures["ngrams"].value > measures["majority"].value
    assert measures["labels"].value == "as recorded"
    again = host.run("dataset.split", dataset=dataset, shift=shift)[1]
    assert [again[n].sha256 for n in made] == [made[n].sha256 for n in made]


@pytest.mark.parametrize("which", ["train", "validation"])
def test_a_negative_control_permutes_one_side_and_says_so(host, sample, which):
    plain = host.run("dataset.split", dataset=sample[0])[1]
    measures, made, logs = host.run("dataset.split", dataset=sample[0], shuffle_labels=which)
    other = {"train": "validation", "validation": "train"}[which]
    assert made[other].sha256 == plain[other].sha256
    rows = host.rows(made[which])
    assert sorted(r["completion"] for r in rows) == sorted(r["completion"] for r in host.rows(plain[which]))
    assert sum(r["completion"] != r["attack_type"] for r in rows) > len(rows) / 2
    assert measures["labels"].value.startswith("NEGATIVE CONTROL")
    assert any(log.level == "warning" and "NEGATIVE CONTROL" in log.text for log in logs)
    assert measures["ngrams"].value < 0.5, "the rivals must fail too"


def test_foreign_records_split_by_the_beginning_of_their_ids(host):
    found = [
        {"id": f"{rule}-{n}", "attack_type": ("a", "b", "c")[rule % 3], "payload": f"rule {rule} test {n}"}
        for rule in range(40)
        for n in range(1 + rule % 7)
    ]
    dataset = host.given("crs.json", found)
    measures, made, _ = host.run("dataset.split", dataset=dataset, validation=20)
    train, validation = ([r["id"].split("-")[0] for r in host.rows(made[n])] for n in ("train", "validation"))
    assert len(validation) == 20
    assert not set(train) & set(validation)
    assert measures["shared_groups"].value == 0
    assert len(train) + 20 + measures["left_out"].value == len(found)
    assert measures["keyword"].value is None
    assert measures["keyword"].reason
    assert measures["combination"].value == 0


def test_duplicates_are_dropped_before_anything_else(host):
    found = [{"id": n, "attack_type": "ab"[n % 2], "payload": f"Event {n % 30}"} for n in range(90)]
    measures, _, _ = host.run("dataset.split", dataset=host.given("d.json", found), validation=10)
    assert (measures["train"].value, measures["validation"].value, measures["duplicates"].value) == (20, 10, 60)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"patterns": []}, "an object"),
        ([], "no records"),
        ([{"id": 1, "attack_type": "a"}], "record 0: no payload"),
        ([{"id": 1, "attack_type": "a", "payload": "x"}], "leave none to train"),
    ],
)
def test_refusals(host, found, said):
    with pytest.raises(Refusal, match=said):
        host.run("dataset.split", dataset=host.given("bad.json", found))


record = st.builds(
    lambda group, n, label, text, mark: Record(
        f"{group}-{n}", label, text, {"template": group, "set": "combination" if group in mark else "train"}
    ),
    st.sampled_from("pqrstu"),
    st.integers(0, 99),
    st.sampled_from("abc"),
    st.text("xyz ", min_size=1, max_size=5).filter(str.strip),
    st.just("pq"),
)


@given(st.lists(record, min_size=2, max_size=60), st.integers(1, 20), st.sampled_from(["template", "id", "content"]))
def test_any_split_shares_nothing_and_loses_nothing(found, validation, group):
    every, duplicates = divide.unique(found)
    assert duplicates == len(found) - len({r.key for r in found})
    try:
        split = divide.side(every, validation, group, 1)
    except Refusal:
        return
    assert len(split.validation) == validation
    assert split.train
    assert len(split.train) + validation + split.left_out == len(every)
    assert not {r.key for r in split.train} & {r.key for r in split.validation}
    if group == "id":
        assert not {r.group for r in split.train} & {r.group for r in split.validation}
    if group == "template":
        assert all(r.further["set"] == "train" for r in split.train)


def test_the_keyword_rule_counts_words_and_knows_only_its_own_classes():
    labels = ["benign", "benign", "xss", "flooding"]
    rule = rivals.keyword(labels)
    assert rule(["domsink was run", "nothing here", "backup and synflood"]) == ["xss", "benign", "flooding"]
    assert rivals.keyword(["sqli"]) is None
    assert rivals.ngrams(["a"], ["one"]) is None


def test_prompt_never_holds_the_record(host):
    found = [{"id": n, "type": f"secret{n % 2}", "payload": f"event {n}"} for n in range(20)]
    _, made, _ = host.run("dataset.split", dataset=host.given("t.json", found), validation=4)
    text = json.dumps([r["prompt"] for n in ("train", "validation") for r in host.rows(made[n])])
    assert "secret" not in text
