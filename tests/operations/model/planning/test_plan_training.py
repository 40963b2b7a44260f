"""The plan's configuration file, read and written by its own keys, and the arithmetic that it must stand."""

import dataclasses
import json

import pytest

from operations import registry
from operations.contract import Refusal
from operations.model import configuration as configurations
from operations.model.planning import arithmetic

PLAN = {
    "model": {"name": "Foundation-Sec-8B", "path": "/m/base", "output_name": "EXPERT", "output_path": "/m/expert"},
    "data": {"train": "/d/training_8m.jsonl", "validation": "/d/validation_1m.jsonl", "test": "/d/test_1m.jsonl"},
    "hyperparameters": {
        "learning_rate": 0.0001,
        "batch_size": 32,
        "num_epochs": 3,
        "warmup_steps": 1000,
        "max_steps": 250000,
        "gradient_accumulation_steps": 1,
    },
    "checkpointing": {"save_every": 1000, "checkpoint_dir": "/c", "keep_last_n": 5},
    "monitoring": {"log_every": 100, "eval_every": 1000, "tensorboard": True, "tensorboard_dir": "/t"},
    "hardware": {"gpu": True, "mixed_precision": True, "distributed": False},
}
FOUND = arithmetic.Found(
    rows=8_000_000,
    validation_rows=1_000_000,
    weights=8_000_000_000,
    checkpoint=16_000_000_000,
    state=500_000_000,
    free=4_000_000_000_000,
    step_seconds=1.6,
    evaluation_rate=120.0,
    gpu=True,
)
SMALL = {
    "name": "tiny",
    "steps": 12,
    "warmup": 2,
    "epochs": 3,
    "batch": 16,
    "method": "full",
    "length": 48,
    "log_every": 2,
    "eval_every": 6,
    "save_every": 6,
    "resume_every": 4,
    "validation_samples": 24,
    "gpu": False,
    "mixed_precision": False,
}


def written(tmp_path, **changed):
    """The plan's file with sections changed."""
    path = tmp_path / "blue_team_training_config.json"
    path.write_text(json.dumps({**PLAN, **changed}))
    return path


def asked(tmp_path, **changed):
    return configurations.read(written(tmp_path, **changed))


def test_the_plans_own_file_is_read(tmp_path):
    read = asked(tmp_path)
    assert (read.hyperparameters.max_steps, read.hyperparameters.num_epochs) == (250_000, 3)
    assert (read.checkpointing.keep_last_n, read.monitoring.eval_every, read.hardware.mixed_precision) == (
        5,
        1000,
        True,
    )
    assert read.names.train == "/d/training_8m.jsonl"


def test_what_is_written_has_the_plans_keys_and_one_section_more(tmp_path):
    read = asked(tmp_path)
    path = tmp_path / "again.json"
    configurations.write_planned(path, read)
    found = json.loads(path.read_bytes())
    assert {section: found[section] for section in PLAN} == PLAN
    assert set(found) - set(PLAN) == {"ours"}
    assert configurations.read(path) == read


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hyperparameters": {**PLAN["hyperparameters"], "num_epoch": 3}}, "num_epoch"),
        ({"hardware": {**PLAN["hardware"], "gpus": 2}}, "gpus"),
        ({"optimizer": {}}, "optimizer"),
        ({"monitoring": {"log_every": 100}}, "eval_every"),
        ({"hyperparameters": {**PLAN["hyperparameters"], "batch_size": 0}}, "batch_size"),
        ({"ours": {"tasks": {"colour": 1}}}, "colour"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, changed, said):
    with pytest.raises(Refusal, match=said):
        asked(tmp_path, **changed)


def test_the_reality_checks_file_keeps_its_form(tmp_path):
    path = tmp_path / "finetune_configuration.json"
    whole = configurations.Configuration(model=configurations.Model(sha256="a" * 64, rank=4))
    configurations.write(path, whole)
    assert json.loads(path.read_bytes())["model"]["rank"] == 4
    assert configurations.read(path) == whole


def test_the_plans_contradictions_are_named_with_the_right_figures(tmp_path):
    sentences = arithmetic.Arithmetic(asked(tmp_path), FOUND).contradictions()
    assert len(sentences) == 2
    assert "1.00 epochs of 8,000,000 rows, not 3: 3 are 750,000 steps" in sentences[0]
    # 250 evaluations of a million rows at 120 rows/s, beside 250,000 steps of 1.6 s.
    assert "take 24.1 days" in sentences[1]
    assert "the steps themselves 4.63 days" in sentences[1]
    assert "19,200 rows take a tenth" in sentences[1]


def test_a_consistent_configuration_has_none(tmp_path):
    hyper = {**PLAN["hyperparameters"], "max_steps": 750_000}
    found = dataclasses.replace(FOUND, validation_rows=19_000)
    assert arithmetic.Arithmetic(asked(tmp_path, hyperparameters=hyper), found).contradictions() == []


@pytest.mark.parametrize(
    ("hyper", "found", "said"),
    [
        ({"warmup_steps": 250_000}, {}, "250,000 steps of warm-up leave none of 250,000"),
        ({"max_steps": 500, "warmup_steps": 50}, {}, "save_every 1,000 is beyond the last of 500 steps"),
        ({}, {"free": 100_000_000_000}, "need 114 GB, 100 are free: keep_last_n can be 4"),
        ({}, {"gpu": False}, "gpu is true, but MLX finds none here"),
        ({}, {"gpu": False}, "mixed_precision is true, but a CPU computes in float32"),
        ({}, {"weights": 300_000}, "Foundation-Sec-8B has 300,000 weights, not 8 billion"),
        ({"gradient_accumulation_steps": 3}, {"rows": 7_000_000}, "3.43 epochs of 7,000,000 rows, not 3"),
    ],
)
def test_each_contradiction(tmp_path, hyper, found, said):
    planned = asked(tmp_path, hyperparameters={**PLAN["hyperparameters"], **hyper})
    sentences = arithmetic.Arithmetic(planned, dataclasses.replace(FOUND, **found)).contradictions()
    assert any(said in sentence for sentence in sentences), sentences


def test_it_counts_tries_writes_and_says_what_contradicts(host, base, dataset):
    told = host.run("model.plan_training", model=base, dataset=dataset, **SMALL)
    assert told.value("rows") == 64
    assert told.value("classes") == {"attack_type": 4, "anomaly": 2, "family": 2, "evidence": 1, "severity": 2}
    assert told.value("epochs") == 3
    assert told.value("contradiction") == "none" or "a tenth" in told.value("contradiction")
    assert told.value("dry_run") is True
    assert told.value("valid") is True
    assert told.value("checkpoint_size") > 0
    written = configurations.read(host.path(host.made(told, "configuration")[None]))
    assert written.data.dataset_sha256 == dataset.sha256
    assert written.data.tasks == {
        "attack_type": 0.4,
        **dict.fromkeys(("anomaly", "family", "evidence", "severity"), pytest.approx(0.15)),
    }
    other = host.run("model.plan_training", model=base, dataset=dataset, **SMALL | {"epochs": 5, "warmup": 12})
    assert other.value("contradictions") >= 2
    assert "not 5: 5 are 20 steps" in other.value("contradiction")
    declared = {m.name for m in registry.find("model.plan_training").measures}
    assert set(told.measures) == declared


@pytest.mark.parametrize("fault", ["missing", "unlabelled", "broken"])
def test_a_data_set_that_is_none_is_refused(host, base, dataset, fault):
    train = host.path(dataset) / "training_8m.jsonl"
    if fault == "missing":
        train.unlink()
    elif fault == "unlabelled":
        lines = train.read_text().splitlines()
        train.write_text("\n".join([*lines[:2], json.dumps({**json.loads(lines[2]), "family": ""}), *lines[3:]]) + "\n")
    else:
        train.write_text(train.read_text()[:-10])
    said = {
        "missing": "no training_8m.jsonl",
        "unlabelled": "line 3 has no label: family",
        "broken": "line 64 is no row",
    }
    with pytest.raises(Refusal, match=said[fault]):
        host.run("model.plan_training", model=base, dataset=host.artefact(host.path(dataset)), **SMALL)


def test_a_run_that_is_not_finite_writes_no_configuration(host, base, dataset):
    with pytest.raises(Refusal, match="not finite"):
        host.run("model.plan_training", model=base, dataset=dataset, **SMALL | {"learning_rate": 1e38, "warmup": 0})
