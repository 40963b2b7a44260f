"""Fine-tuning as a job: exact resume, checkpoints, and the ways it must end."""

import json
import os
import shutil
import signal

import mlx.core as mx
import mlx_lm
import pytest

from operations import events, job
from operations.contract import Refusal
from operations.files import digest

SMALL = {"method": "full", "batch": 8, "learning_rate": 0.01, "length": 48, "save_every": 10, "resume_every": 4}


def whole(host, base, train, **changed):
    return host.run("model.finetune", model=base, train=train, **{**SMALL, "steps": 20, **changed})


def test_run_reports_and_leaves_checkpoints_that_mlx_lm_loads(host, base, train, validation):
    told = whole(host, base, train, validation=validation)
    assert sorted(told.curve()) == list(range(1, 21))
    assert told.value("loss_falls") is True
    assert told.value("loss_reduction") == pytest.approx(told.value("initial_loss") - told.value("final_loss"))
    assert (told.value("steps"), told.value("samples"), told.value("errors")) == (20, 160, 0)
    assert told.measures["gpu"].value is None
    assert "no device" in told.measures["gpu"].reason
    checkpoints = host.made(told, "checkpoint")
    assert list(checkpoints) == [10, 20]
    assert set(told.curve("val_loss")) == {10, 20}
    assert told.measures["val_accuracy"].n == 24
    model, _ = mlx_lm.load(str(host.path(checkpoints[20])))
    assert model.model.layers
    assert sum(text.startswith("step ") for text in told.logs) == 2
    states = host.made(told, "state")
    kept = [step for step, state in states.items() if host.path(state).exists()]
    assert (list(states), kept) == ([4, 8, 12, 16, 20], [16, 20])


@pytest.mark.parametrize("method", ["full", "lora"])
def test_stopped_run_goes_on_to_the_same_bits(host, base, train, method):
    alone = whole(host, base, train, method=method)
    first = whole(host, base, train, method=method, stop_after=7)
    assert first.finished.outcome == "stopped"
    assert list(host.made(first, "checkpoint")) == [7]
    second = whole(host, base, train, method=method, resume=host.made(first, "state").values())
    assert second.value("resumed_from") == 7
    assert {**first.curve(), **second.curve()} == alone.curve()
    assert second.value("weights") == alone.value("weights")
    assert second.value("initial_loss") == alone.value("initial_loss")
    mine, theirs = (digest(host.path(host.made(t, "checkpoint")[20])) for t in (second, alone))
    assert mine == theirs


def test_killed_run_goes_on_to_the_same_bits(host, base, train):
    given = {**SMALL, "steps": 150, "resume_every": 13, "save_every": 50}
    directory, alone = host.start("model.finetune", model=base, train=train, **given)
    assert alone.wait(60) == 0
    expected = host.told(directory)
    directory, killed = host.start("model.finetune", model=base, train=train, **given)

    def under_way():
        path = directory / job.EVENTS
        return path.exists() and max(host.told(directory).curve(), default=0) >= 30

    host.wait(under_way)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    told = host.told(directory)
    assert told.finished is None
    assert max(told.curve()) < 150
    host.wait(lambda: job.state(directory) == "dead")
    left = tuple(a for name in ("checkpoint", "state") for a in host.made(told, name).values())
    directory, resumed = host.start("model.finetune", model=base, train=train, resume=left, **given)
    assert resumed.wait(60) == 0
    again = host.told(directory)
    assert again.value("resumed_from") >= 26
    assert {**told.curve(), **again.curve()} == expected.curve()
    assert again.value("weights") == expected.value("weights")


def test_truncated_state_is_passed_over_by_name(host, base, train):
    alone = whole(host, base, train)
    first = whole(host, base, train, stop_after=11)
    states = list(host.made(first, "state").values())
    broken = host.path(states[-1]) / "weights.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    second = whole(host, base, train, resume=states)
    assert second.value("resumed_from") == 8
    assert any("state-11 is not used" in text for text in second.logs)
    assert second.value("weights") == alone.value("weights")


def test_without_a_readable_state_it_starts_from_the_beginning(host, base, train):
    first = whole(host, base, train, stop_after=5)
    states = list(host.made(first, "state").values())
    for state in states:
        shutil.rmtree(host.path(state), ignore_errors=True)
    second = whole(host, base, train, resume=states)
    assert second.value("resumed_from") == 0
    assert min(second.curve()) == 1


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"learning_rate": 0.02}, "learning_rate was 0.01, is 0.02"),
        ({"seed": 5}, "seed was 1, is 5"),
        ({}, "training rows"),
    ],
)
def test_state_of_another_run_is_refused(host, base, train, validation, changed, named):
    first = whole(host, base, train, stop_after=5)
    other = {"train": train, **changed} if changed else {"train": validation}
    with pytest.raises(Refusal, match=named):
        host.run(
            "model.finetune",
            resume=host.made(first, "state").values(),
            model=base,
            **{**SMALL, "steps": 20, **other},
        )


def test_state_made_with_another_library_or_thread_count_is_refused(host, base, train):
    first = whole(host, base, train, stop_after=5)
    state = host.path(list(host.made(first, "state").values())[-1])
    described = json.loads((state / "state.json").read_bytes())
    for key in ("BLAS", "threads", "mlx"):
        changed = {**described, "made_with": {**described["made_with"], key: "another"}}
        (state / "state.json").write_text(json.dumps(changed))
        with pytest.raises(Refusal, match=f"{key} was another"):
            whole(host, base, train, resume=[host.artefact(state, "state")])


def test_loss_that_is_not_finite_ends_it_naming_the_last_good_checkpoint(host, base, train):
    good = whole(host, base, train, steps=10, save_every=2)
    assert good.value("errors") == 0
    with pytest.raises(Refusal, match=r"not finite .* at step \d+; the last good one is checkpoint-1$"):
        whole(host, base, train, learning_rate=1e37, save_every=1)
    told = host.told(host.root / "jobs" / f"job-{host.count}")
    assert (told.value("errors"), told.value("last_checkpoint")) == (1, 1)
    with pytest.raises(Refusal, match="weights are not finite after step 1; no checkpoint was written"):
        whole(host, base, train, learning_rate=1e39, save_every=1)


def test_loss_that_is_no_number_is_a_nan_on_the_curve_and_no_falling_loss(host, base, train):
    with pytest.raises(Refusal, match=r"the loss is not finite \(nan\) at step 2"):
        whole(host, base, train, learning_rate=1e39)
    told = host.told(host.root / "jobs" / f"job-{host.count}")
    last = [e for e in told.events if isinstance(e, events.Metric)][-1]
    assert (last.step, last.value, last.nonfinite) == (2, None, "nan")
    assert told.value("errors") == 1
    assert told.value("loss_falls") is not True
    assert host.made(told, "checkpoint") == {}


def test_no_steps_leave_the_base_as_it_is(host, base, train):
    for method in ("full", "lora"):
        told = whole(host, base, train, steps=0, method=method)
        assert told.value("loss_falls") is None
        assert told.measures["loss_falls"].reason
        (checkpoint,) = host.made(told, "checkpoint").values()
        mine = mx.load(str(host.path(checkpoint) / "model.safetensors"))
        theirs = mx.load(str(host.root / "base" / "model.safetensors"))
        assert mine.keys() == theirs.keys()
        assert all(mx.array_equal(mine[k], theirs[k]).item() for k in mine)


def test_adapters_alone_are_trained(host, base, train):
    told = whole(host, base, train, method="lora", steps=10)
    assert 0 < told.value("trained") < told.value("parameters") / 2
    mine = mx.load(str(host.path(host.made(told, "checkpoint")[10]) / "model.safetensors"))
    theirs = mx.load(str(host.root / "base" / "model.safetensors"))
    changed = {k for k in mine if not mx.array_equal(mine[k], theirs[k]).item()}
    assert changed
    assert all("proj" in name for name in changed)


def test_configuration_for_other_rows_is_refused(host, base, train, validation):
    told = host.run("model.configure", model=base, train=train, method="full", length=48)
    configuration = host.made(told, "configuration")[None]
    with pytest.raises(Refusal, match="configuration is for other training rows"):
        host.run("model.finetune", model=base, train=validation, configuration=configuration)


def test_configuration_rules_where_no_parameter_is_given(host, base, train):
    told = host.run(
        "model.configure", model=base, train=train, method="full", length=48, learning_rate=0.004, batch=4, steps=3
    )
    configuration = host.made(told, "configuration")[None]
    told = host.run("model.finetune", model=base, train=train, configuration=configuration, steps=2)
    assert (told.value("learning_rate"), told.value("batch"), told.value("steps")) == (0.004, 4, 2)


def test_broken_inputs_are_refused_in_one_line(host, base, train):
    (host.root / "empty.jsonl").write_text("")
    (host.root / "bad.jsonl").write_text('{"prompt": "x", "completion": "y"}\n{"prompt": 3}\n')
    shutil.copytree(host.root / "base", host.root / "half")
    (host.root / "half" / "model.safetensors").write_bytes(b"123")
    (host.root / "none").mkdir()
    for model, rows, said in (
        (base, host.artefact(host.root / "empty.jsonl"), "has no rows"),
        (base, host.artefact(host.root / "bad.jsonl"), "bad.jsonl line 2"),
        (host.artefact(host.root / "half"), train, "half can't be loaded"),
        (host.artefact(host.root / "none"), train, "none is no model"),
    ):
        with pytest.raises(Refusal, match=said) as refused:
            whole(host, model, rows)
        assert "\n" not in str(refused.value)
