"""Training on several tasks as a job: what it leaves, what it tells, and that it learns only what is there."""

import json
import re
import shutil

import mlx_lm
import pytest

from operations import events
from operations.contract import Refusal
from operations.files import digest
from operations.model.learning import tensorboard

LONG = {"steps": 120, "batch": 24, "save_every": 120, "eval_every": 60, "resume_every": 120, "validation_samples": 60}


def there(host, made):
    return sorted(step for step, artefact in made.items() if host.path(artefact).is_dir())


def test_run_reports_and_leaves_what_it_should(data, dataset, tokens, host):
    told = data.train(tokens, dataset=dataset)
    assert sorted(told.curve()) == list(range(1, 21))
    for curve in ("val_loss", "val_accuracy", "learning_rate"):
        assert sorted(told.curve(curve)) == [10, 20]
    assert (told.value("runs"), told.value("errors"), told.value("steps")) == (True, 0, 20)
    assert told.measures["first_gpu"].value is None
    assert "no device" in told.measures["first_gpu"].reason
    assert told.value("samples") == 320
    assert told.value("final_loss") == pytest.approx(sum(told.curve().values()) / 20, rel=1e-6)
    assert told.value("tasks") == {"attack_type": 0.6, "severity": 0.4}
    assert set(told.value("val_by_task")) == {"attack_type", "severity"}
    assert told.measures["val_accuracy"].n == 40
    assert any("asked for, not applied: on a CPU" in text for text in told.logs)
    checkpoints = host.made(told, "checkpoint")
    assert (list(checkpoints), there(host, checkpoints)) == ([5, 10, 15, 20], [15, 20])
    assert {e.retention for e in told.events if isinstance(e, events.Made) and e.name == "checkpoint"} == {"rotates"}
    best = host.made(told, "best")
    assert there(host, best) == [told.value("best_step")]
    path = host.path(best[told.value("best_step")])
    labels = json.loads((path / "labels.json").read_bytes())
    assert labels["tasks"] == {
        "attack_type": ["benign", "flooding", "sql_injection", "xss"],
        "severity": ["high", "low"],
    }
    assert mlx_lm.load(str(path))[0].model.layers
    (file,) = host.path(host.made(told, "tensorboard")[None]).iterdir()
    assert sum(b"loss/train" in data for data in tensorboard.records(file)) == 20


def test_a_checkpoint_that_is_the_best_can_go_without_the_other(data, tokens, host):
    told = data.train(tokens, eval_every=5, keep=1, steps=10)
    best = host.made(told, "best")[told.value("best_step")]
    kept = host.made(told, "checkpoint")[10]
    before = digest(host.path(best))
    shutil.rmtree(host.path(kept))
    assert digest(host.path(best)) == before


def test_it_learns_each_task_that_is_there(data, host, patterns):
    tokens = data.tokens(data.dataset("large", patterns(800, 1), patterns(60, 2)))
    told = data.train(tokens, **LONG)
    assert told.value("val_by_task")["attack_type"] > 0.6
    assert told.value("val_by_task")["severity"] > 0.8
    assert told.value("loss_falls") is True


def test_of_labels_that_are_shuffled_it_learns_nothing(data, host, patterns):
    dataset = data.dataset("shuffled", patterns(800, 1), patterns(60, 2))
    told = data.train(data.tokens(dataset, shuffle_labels=True), **LONG)
    # Four and two labels of equal weight: 1/4 and 1/2, and three standard deviations of 60 rows.
    assert told.value("val_by_task")["attack_type"] < 0.25 + 0.17
    assert told.value("val_by_task")["severity"] < 0.5 + 0.2


def test_no_steps_leave_the_base_as_it_is_and_nothing_runs(data, tokens, host):
    told = data.train(tokens, steps=0)
    assert told.value("runs") is None
    assert told.measures["runs"].reason == "no step was asked for"
    assert told.value("final_loss") is None
    assert told.value("val_by_task")["attack_type"] < 0.5
    (checkpoint,) = host.made(told, "checkpoint").values()
    (theirs,) = (host.root / "base").glob("*.safetensors")
    (mine,) = host.path(checkpoint).glob("*.safetensors")
    assert mlx_lm.utils.mx.load(str(mine)).keys() == mlx_lm.utils.mx.load(str(theirs)).keys()


@pytest.mark.parametrize(
    "changed", [{}, {"method": "lora"}, {"accumulate": 2, "schedule": "cosine", "warmup": 3, "weight_decay": 0.1}]
)
def test_stopped_run_goes_on_to_the_same_bits(data, tokens, host, changed):
    alone = data.train(tokens, **changed)
    first = data.train(tokens, stop_after=7, **changed)
    assert first.finished.outcome == "stopped"
    left = [a for name in ("checkpoint", "best", "state", "tensorboard") for a in host.made(first, name).values()]
    second = data.train(tokens, resume=left, **changed)
    assert second.value("resumed_from") == 7
    assert {**first.curve(), **second.curve()} == alone.curve()
    for name in ("weights", "best_step", "best_accuracy", "final_loss", "val_by_task", "runs"):
        assert second.value(name) == alone.value(name), name
    mine, theirs = (digest(host.path(host.made(t, "checkpoint")[20])) for t in (second, alone))
    assert mine == theirs


def test_what_earlier_attempts_left_is_rotated_too(data, tokens, host):
    first = data.train(tokens, stop_after=12)
    left = [a for name in ("checkpoint", "best", "state", "tensorboard") for a in host.made(first, name).values()]
    assert there(host, host.made(first, "checkpoint")) == [10, 12]
    second = data.train(tokens, resume=left)
    assert there(host, host.made(first, "checkpoint")) == []
    assert there(host, host.made(second, "checkpoint")) == [15, 20]
    assert there(host, host.made(first, "state")) == []
    assert there(host, {**host.made(first, "best"), **host.made(second, "best")}) == [second.value("best_step")]
    (file,) = host.path(host.made(second, "tensorboard")[None]).iterdir()
    assert sum(b"loss/train" in data for data in tensorboard.records(file)) == 20


def test_a_full_disk_leaves_the_checkpoint_before_whole_and_is_told_in_one_line(data, tokens, host, full_at):
    alone = data.train(tokens, resume_every=20)
    first = data.train(tokens, stop_after=10, resume_every=20)
    left = [a for name in ("checkpoint", "best", "state") for a in host.made(first, name).values()]
    size = next(host.path(left[0]).glob("*.safetensors")).stat().st_size
    with full_at(size // 2), pytest.raises(Refusal) as refused:
        data.train(tokens, resume=left, resume_every=20)
    assert re.fullmatch(r"checkpoint-15 can't be written: .*; the last good one is checkpoint-10", str(refused.value))
    assert not list((host.root / "jobs").glob("*/artefacts/.*"))
    for artefact in (host.made(first, "checkpoint")[10], host.made(first, "state")[10]):
        assert digest(host.path(artefact))[0] == artefact.sha256
    told = host.told(host.root / "jobs" / f"job-{host.count}")
    assert (told.value("errors"), told.value("runs")) == (1, False)
    assert data.train(tokens, resume=left, resume_every=20).value("weights") == alone.value("weights")


def test_a_truncated_or_foreign_state_is_refused_by_name_and_the_one_before_used(data, tokens, host):
    alone = data.train(tokens)
    first = data.train(tokens, stop_after=11)
    states = list(host.made(first, "state").values())
    assert there(host, host.made(first, "state")) == [8, 11]
    last = host.path(states[-1])
    whole = {path.name: path.read_bytes() for path in last.iterdir()}
    (last / "optimizer.safetensors").write_bytes(whole["optimizer.safetensors"][:200])
    second = data.train(tokens, resume=states)
    assert any("state-11 is not used" in text for text in second.logs)
    assert (second.value("resumed_from"), second.value("weights")) == (8, alone.value("weights"))


def test_a_state_of_another_model_is_refused_by_name_and_the_one_before_used(data, tokens, host):
    alone = data.train(tokens)
    first = data.train(tokens, stop_after=11, keep=9)
    adapters = data.train(tokens, stop_after=11, method="lora")
    states = list(host.made(first, "state").values())
    last, foreign = host.path(states[-1]), host.path(list(host.made(adapters, "state").values())[-1])
    for name in ("weights.safetensors", "optimizer.safetensors"):
        shutil.copyfile(foreign / name, last / name)
    second = data.train(tokens, resume=[states[-2], host.artefact(last, "state")])
    assert any("state-11 is not used: the state is of a model with other weights" in text for text in second.logs)
    assert (second.value("resumed_from"), second.value("weights")) == (8, alone.value("weights"))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"tasks": {"attack_type": 1.0}}, "tasks was"),
        ({"accumulate": 2}, "gradient_accumulation_steps was 1, is 2"),
        ({"window": 3}, "window was 64, is 3"),
        ({"schedule": "cosine"}, "schedule was constant, is cosine"),
    ],
)
def test_a_run_that_would_not_be_the_same_is_refused(data, tokens, host, changed, named):
    first = data.train(tokens, stop_after=5)
    with pytest.raises(Refusal, match=named):
        data.train(tokens, resume=host.made(first, "state").values(), **changed)


def test_other_data_under_a_run_is_refused(data, tokens, host, patterns):
    first = data.train(tokens, stop_after=5)
    other = data.tokens(data.dataset("other", patterns(200, 7), patterns(60, 8)))
    with pytest.raises(Refusal, match="tokens was"):
        data.train(other, resume=host.made(first, "state").values())


def test_loss_that_is_not_finite_ends_it_naming_the_last_good_checkpoint(data, tokens, host):
    with pytest.raises(Refusal, match=r"not finite .* at step \d+; the last good one is checkpoint-1$"):
        data.train(tokens, learning_rate=1e37, save_every=1, eval_every=20)
    told = host.told(host.root / "jobs" / f"job-{host.count}")
    assert (told.value("errors"), told.value("runs")) == (1, False)
    assert host.made(told, "tensorboard")


def test_a_configuration_rules_where_no_parameter_is_given(data, tokens, host):
    from operations.model import configuration

    path = host.root / "blue_team_training_config.json"
    configuration.write(
        path,
        configuration.Configuration(
            model=configuration.Model(method="full", length=48),
            data=configuration.Data(tasks={"attack_type": 0.75, "severity": 0.25}),
            hyperparameters=configuration.Hyperparameters(batch_size=8, max_steps=3, gradient_accumulation_steps=2),
            checkpointing=configuration.Checkpointing(save_every=1, keep_last_n=2),
        ),
    )
    told = host.run("model.train", model=data.base, tokens=tokens, configuration=host.artefact(path))
    assert (told.value("batch"), told.value("samples"), told.value("steps")) == (8, 48, 3)
    assert told.value("tasks") == {"attack_type": 0.75, "severity": 0.25}
    assert there(host, host.made(told, "checkpoint")) == [2, 3]


def test_a_configuration_for_another_dataset_is_refused(data, dataset, tokens, host):
    from operations.model import configuration

    path = host.root / "other.json"
    configuration.write(path, configuration.Configuration(data=configuration.Data(dataset_sha256="0" * 64)))
    with pytest.raises(Refusal, match="configuration is for another dataset"):
        data.train(tokens, dataset=dataset, configuration=host.artefact(path))
