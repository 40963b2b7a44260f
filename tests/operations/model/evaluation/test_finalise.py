"""The finished model: chosen by evidence, described from evidence, and the same in a fresh process."""

import json
import shutil

import pytest

from operations.contract import Observed, Refusal
from operations.model import models
from tests.operations.model.exporting import exported, make_rows, trained

KEYS = [
    "model_name", "version", "base_model", "training_data", "training_samples", "validation_samples", "test_samples",
    "test_accuracy", "training_duration_days", "training_date", "created_by", "purpose",
]  # fmt: skip


@pytest.fixture
def dataset(host):
    return exported(host, make_rows(40, 11), make_rows(60, 12), make_rows(90, 14))


def evaluated(host, model, dataset, **more):
    told = host.run("model.evaluate", model=model, dataset=dataset, generations=0, **more)
    return host.made(told, "results")[None], told


@pytest.fixture
def training(host, tuned, base, dataset):
    made = [("best", tuned, 4), ("checkpoint", base, 5)]
    job = trained(host, dataset, made, [1.0] * 5, val_accuracy={4: 0.99, 5: 0.25})
    return Observed(jobs=(job,))


def finalised(host, training, dataset, **given):
    return host.run("model.finalise", training=training, dataset=dataset, **given)


def test_the_evaluated_checkpoint_becomes_the_model_and_answers_as_before(host, tuned, base, dataset, training):
    found, told = evaluated(host, tuned, dataset)
    made = finalised(host, training, dataset, best=tuned, checkpoint=base, results=found)
    assert "tuned of step 4: test" in made.value("checkpoint")
    assert "validation 99.00%" in made.value("checkpoint")
    assert (made.value("step"), made.value("candidates")) == (4, 2)
    assert made.value("same") is True
    assert made.value("compared") == 90
    assert made.value("difference") < 1e-4
    assert made.measures["test_accuracy"].count == told.measures["accuracy"].count
    path = host.path(host.made(made, "model")[None])
    assert path.name == "gladiator-sec-8b-expert-v1.0"
    before, after = models.load(host.path(tuned)), models.load(path)
    assert models.weights_digest(models.weights_of(before.model)) == models.weights_digest(
        models.weights_of(after.model)
    )
    assert (after.tasks, after.length) == (before.tasks, before.length)
    plain = json.loads((path / "metadata.json").read_bytes())
    assert host.path(host.made(made, "metadata")[None]) == path / "metadata.json"
    assert list(plain) == [*KEYS, "sources"]
    assert list(plain["sources"]) == KEYS
    assert made.value("keys") == 12
    assert (plain["training_samples"], plain["validation_samples"], plain["test_samples"]) == (40, 60, 90)
    assert plain["test_accuracy"] == told.value("accuracy")
    assert plain["training_duration_days"] == pytest.approx(5)
    assert plain["training_date"] == "2025-10-30 to 2025-11-03"
    assert plain["base_model"] == f"Foundation-Sec-8B, SHA-256 {'b' * 64}"
    assert found.sha256 in plain["sources"]["test_accuracy"]
    assert tuned.sha256 in plain["sources"]["test_accuracy"]


def test_the_better_of_two_evaluated_ones_is_chosen_whatever_its_name(host, tuned, base, dataset):
    training = Observed(jobs=(trained(host, dataset, [("best", base, 1), ("checkpoint", tuned, 2)], [1.0, 1.0]),))
    first, second = evaluated(host, base, dataset)[0], evaluated(host, tuned, dataset)[0]
    made = finalised(host, training, dataset, best=base, checkpoint=tuned, results=first, other_results=second)
    assert (made.value("step"), made.value("same")) == (2, True)
    assert (
        second.sha256
        in json.loads(host.path(host.made(made, "metadata")[None]).read_bytes())["sources"]["test_accuracy"]
    )


def test_other_answers_than_those_evaluated_are_not_the_same(host, tuned, base, dataset, training):
    """The control: results that claim to be of a checkpoint which in truth answers otherwise."""
    found, _ = evaluated(host, base, dataset)
    path = host.path(found)
    plain = json.loads(path.read_bytes())
    plain["inputs"]["model"] = tuned.sha256
    path.write_text(json.dumps(plain))
    made = finalised(host, training, dataset, best=tuned, results=host.artefact(path))
    assert made.value("same") is False


def test_without_fitting_evidence_there_is_no_model(host, tuned, base, dataset, training, validation):
    found, _ = evaluated(host, base, dataset)
    with pytest.raises(Refusal, match="no candidate was evaluated"):
        finalised(host, training, dataset, best=tuned, results=found)
    with pytest.raises(Refusal, match="scores on the test split"):
        finalised(host, training, dataset, best=tuned, results=evaluated(host, tuned, dataset, split="validation")[0])
    told = host.run("model.evaluate", model=tuned, validation=validation)
    with pytest.raises(Refusal, match="scores on the test split"):
        finalised(host, training, dataset, best=tuned, results=host.made(told, "results")[None])
    other = exported(host, make_rows(40, 11), make_rows(60, 12), make_rows(30, 15), "other")
    with pytest.raises(Refusal, match="another data set"):
        finalised(host, training, other, best=tuned, results=evaluated(host, tuned, dataset)[0])
    elsewhere = Observed(jobs=(trained(host, other, [], [1.0]),))
    with pytest.raises(Refusal, match="the training was on another data set"):
        finalised(host, elsewhere, dataset, best=tuned, results=evaluated(host, tuned, dataset)[0])
    shutil.copyfile(host.path(tuned) / "model.safetensors", host.path(tuned) / "adapters.safetensors")
    tuned = host.artefact(host.path(tuned))
    with pytest.raises(Refusal, match="holds adapters beside its base"):
        finalised(host, training, dataset, best=tuned, results=evaluated(host, tuned, dataset)[0])
    assert not list(host.root.glob("jobs/*/artefacts/gladiator*"))
