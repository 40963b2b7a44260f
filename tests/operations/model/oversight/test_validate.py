"""A training that has ended: its figures by hand count, its checkpoint in a fresh process, and what must fail."""

import math
import random

import pytest

from operations.contract import Observed, Refusal
from tests.operations.model.exporting import exported, make_rows, trained


@pytest.fixture
def dataset(host):
    return exported(host, make_rows(40, 11), make_rows(60, 12), make_rows(10, 14))


def validated(host, model, dataset, *jobs, **more):
    return host.run("model.validate", model=model, dataset=dataset, training=Observed(jobs=jobs), **more)


def test_figures_are_those_of_the_curve_and_the_checkpoint_answers(host, tuned, dataset):
    curve = [2.0] * 10 + [1.0] * 40 + [0.04, 0.02] * 50
    job = trained(host, dataset, [("checkpoint", tuned, 150)], curve, val_accuracy={100: 0.5, 150: 0.97})
    told = validated(host, tuned, dataset, job)
    assert (told.value("steps"), told.value("steps_planned"), told.value("complete")) == (150, 150, True)
    assert told.value("initial_loss") == pytest.approx(2.0)
    assert told.value("final_loss") == pytest.approx(0.03)
    assert told.value("loss_reduction") == pytest.approx(1.97)
    # A day each; the first step's own time is told nowhere, and is taken to be the median's.
    assert told.value("duration") == pytest.approx(150)
    assert told.value("errors") == 0
    assert told.value("loaded") is True
    assert told.value("answer") == told.value("expected") == "benign"
    assert (told.measures["accuracy"].n, told.value("accuracy") > 0.9) == (60, True)
    assert (told.value("val_accuracy"), told.measures["val_accuracy"].count) == (0.97, 97)
    assert told.value("checkpoint") == "tuned"


def test_a_run_that_was_given_up_for_a_fresh_one_counts_nowhere(host, tuned, dataset):
    given_up = trained(host, dataset, [], [3.0] * 30, total=30, outcome="failed", val_accuracy={30: 0.2})
    job = trained(host, dataset, [], [1.0] * 5)
    told = validated(host, tuned, dataset, given_up, job, samples=8)
    assert (told.value("steps"), told.value("complete"), told.value("errors")) == (5, True, 0)
    assert told.value("final_loss") == pytest.approx(1.0)
    assert told.measures["val_accuracy"].value is None


def test_it_is_a_fresh_process_that_loads(host, tuned, dataset):
    job = trained(host, dataset, [], [1.0] * 5)
    directory, process = host.start("model.validate", model=tuned, dataset=dataset, training=Observed(jobs=(job,)))
    assert process.wait(60) == 0
    assert host.told(directory).value("loaded") is True


def test_zero_steps_and_an_untrained_model_have_nothing_to_show(host, base, dataset):
    told = validated(host, base, dataset, trained(host, dataset, [], [], total=100))
    assert (told.value("steps"), told.value("complete")) == (0, False)
    for name in ("initial_loss", "final_loss", "loss_reduction", "duration"):
        assert told.measures[name].value is None
        assert told.measures[name].reason == "no step was taken"
    assert told.value("accuracy") < 0.6
    assert told.value("loaded") is False
    assert told.measures["val_accuracy"].value is None


def test_random_labels_are_not_validated(host, tuned, dataset):
    rows = make_rows(60, 12)
    labels = [row["completion"] for row in rows]
    random.Random(7).shuffle(labels)
    shuffled = [{**row, "completion": label} for row, label in zip(rows, labels, strict=True)]
    other = exported(host, make_rows(40, 11), shuffled, make_rows(10, 14), "shuffled")
    assert validated(host, tuned, other, trained(host, other, [], [1.0])).value("accuracy") < 0.6


def test_a_training_that_failed_or_lost_its_loss_is_incomplete(host, tuned, dataset):
    failed = trained(host, dataset, [], [1.0, 0.5], total=4, outcome="failed")
    told = validated(host, tuned, dataset, failed, samples=8)
    assert (told.value("complete"), told.value("errors"), told.measures["accuracy"].n) == (False, 1, 8)
    told = validated(host, tuned, dataset, trained(host, dataset, [], [1.0, math.nan, 0.5]), samples=8)
    assert told.value("errors") == 1
    assert told.measures["final_loss"].value is None


def test_a_truncated_checkpoint_is_refused_by_name(host, tuned, dataset):
    path = host.path(tuned) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1_000])
    job = trained(host, dataset, [], [1.0])
    with pytest.raises(Refusal, match="tuned is no model that answers: tuned can't be loaded"):
        validated(host, host.artefact(host.path(tuned)), dataset, job)
    assert host.told(host.root / "jobs" / f"job-{host.count}").value("loaded") is False
    with pytest.raises(Refusal, match="no training"):
        validated(host, tuned, dataset)
