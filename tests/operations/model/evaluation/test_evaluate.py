"""Evaluation against hand counts, and its negative controls; the operations around it."""

import json
import random

import pytest

from operations.contract import Refusal
from operations.model.evaluation import results
from operations.stats import wilson


def rows_of(host, artefact):
    return [json.loads(line) for line in host.path(artefact).read_text().splitlines()]


def evaluated(host, model, validation, **more):
    told = host.run("model.evaluate", model=model, validation=validation, **more)
    return told, results.read(host.path(host.made(told, "results")[None]))


def test_tuned_model_is_counted_right(host, tuned, validation):
    told, found = evaluated(host, tuned, validation, generations=24)
    rows = rows_of(host, validation)
    assert told.value("scored_by") == "one position"
    wrong = {a.id: a.predicted for a in found.failures}
    assert found.total == len(rows) == 24
    assert found.correct + len(wrong) == 24
    assert found.accuracy >= 0.9
    for name, share in found.by_attack_type.items():
        mine = [row for row in rows if row["completion"] == name]
        assert (share.total, share.correct) == (len(mine), sum(row["id"] not in wrong for row in mine))
    benign = [row for row in rows if row["completion"] == "benign"]
    assert found.false_alarms.total == len(benign)
    assert found.false_alarms.correct == sum(wrong.get(row["id"], "benign") != "benign" for row in benign)
    assert found.interval == wilson(found.correct, 24)
    assert (told.measures["accuracy"].n, told.measures["accuracy"].count) == (24, found.correct)
    assert told.value("coherent") == 1.0
    assert told.value("agreement") == 1.0
    assert found.generated_accuracy.correct == found.correct
    assert told.measures["shift"].value is None
    assert sum("of 24 rows" in text for text in told.logs) == 3
    plain = json.loads(host.path(host.made(told, "results")[None]).read_bytes())
    assert list(plain)[:5] == ["total", "correct", "incorrect", "accuracy", "by_attack_type"]
    assert set(plain["by_attack_type"]["xss"]) == {"total", "correct", "accuracy"}


def test_labels_of_a_control_are_found_wrong(host, tuned, validation):
    rows = rows_of(host, validation)
    labels = [row["completion"] for row in rows]
    random.Random(3).shuffle(labels)
    shuffled = host.rows("shuffled.jsonl", [{**r, "completion": c} for r, c in zip(rows, labels, strict=True)])
    told, found = evaluated(host, tuned, shuffled)
    assert found.accuracy < 0.6
    assert sum(told.value("confusion").values()) == found.incorrect == told.value("incorrect")
    assert sum(told.value("types_missed").values()) == found.incorrect


def test_model_that_says_junk_is_not_coherent(host, base, validation):
    told, found = evaluated(host, base, validation, generations=10)
    assert (found.coherent.total, found.coherent.correct) == (10, 0)
    assert told.value("coherent") == 0.0
    assert found.accuracy < 0.6


def test_kinds_of_rows_are_counted_apart(host, tuned, validation):
    rows = rows_of(host, validation)
    marked = [{**row, "hard": "order" if i < 4 else "negation" if i < 10 else ""} for i, row in enumerate(rows)]
    marked = [{**row, "combination": i % 3 == 0} for i, row in enumerate(marked)]
    marked[0]["completion"] = "xss" if marked[0]["completion"] != "xss" else "benign"
    told, found = evaluated(host, tuned, host.rows("marked.jsonl", marked), shift=validation, generations=0)
    assert (found.hard.total, found.combination.total, found.shift.total) == (10, 8, 24)
    assert {name: share.total for name, share in found.by_hard.items()} == {"order": 4, "negation": 6}
    wrong = {a.id for a in found.failures}
    assert "r0" in wrong
    assert found.by_hard["order"].correct == 4 - sum(f"r{i}" in wrong for i in range(4))
    assert told.measures["coherent"].value is None
    told = host.run("model.analyse", results=host.made(told, "results")[None])
    assert told.value("incorrect") == len(wrong)
    assert {"order", "negation", "plain", "new combination"} == set(told.value("hardest"))
    assert list(told.value("hardest").values()) == sorted(told.value("hardest").values())
    assert any("r0" not in text and marked[0]["prompt"] in text for text in told.logs)


def test_label_no_training_row_had_counts_as_wrong(host, tuned, validation):
    rows = rows_of(host, validation)
    rows[0]["completion"] = "worm"
    _, found = evaluated(host, tuned, host.rows("more.jsonl", rows))
    assert "worm" in found.labels
    assert found.total == 24


def test_results_are_bounded(host, base, validation):
    _, found = evaluated(host, base, validation, failures=3, samples=20, generations=0)
    assert (found.total, len(found.failures)) == (20, 3)
    assert found.incorrect > 3


def test_broken_model_ends_with_its_error_counted(host, tuned, validation):
    import mlx.core as mx

    path = host.path(tuned) / "model.safetensors"
    weights = mx.load(str(path))
    weights["model.norm.weight"] = weights["model.norm.weight"] * float("nan")
    mx.save_safetensors(str(path), weights, metadata={"format": "mlx"})
    with pytest.raises(Refusal, match=r"the model is broken: row .* not finite"):
        evaluated(host, host.artefact(host.path(tuned)), validation)
    assert host.told(host.root / "jobs" / f"job-{host.count}").value("errors") == 1


def test_baseline_measures_the_machine_and_a_model_near_chance(host, base, validation):
    told = host.run("model.baseline", model=base, validation=validation)
    assert told.value("chance") == 0.25
    assert told.measures["accuracy"].n == 24
    assert told.value("accuracy") < 0.6
    assert told.value("blas_speed") > 0.1
    assert told.value("resident") > 0.01
    assert told.value("load_seconds") > 0
    assert told.value("errors") == 0
    told = host.run("model.baseline", model=base)
    assert told.measures["accuracy"].value is None


def test_checkpoint_loads_in_a_fresh_process_and_answers(host, tuned, validation):
    directory, process = host.start("model.load", model=tuned, validation=validation)
    assert process.wait(60) == 0
    told = host.told(directory)
    assert told.value("loaded") is True
    assert told.value("coherent") is True
    assert told.value("answer") == told.value("expected") == rows_of(host, validation)[0]["completion"]
    assert 0 < told.value("load_seconds") < 30


def test_configuration_is_compared_with_the_plan(host, base, train):
    told = host.run("model.configure", model=base, train=train, method="full", length=48)
    assert (told.value("deviations"), told.value("deviation"), told.value("valid")) == (0, {}, True)
    assert told.value("dry_run") is True
    assert told.value("epochs") == 50.0
    told = host.run("model.configure", model=base, train=train, method="full", length=16, learning_rate=3e-3, steps=20)
    assert told.value("deviations") == 2
    assert told.value("deviation") == {
        "learning_rate": 3e-3,
        "learning_rate (plan)": 1e-4,
        "steps": 20,
        "steps (plan)": 100,
    }
