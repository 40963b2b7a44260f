"""The daily check of a training, by what its jobs leave: on track, and each way of not being so."""

import datetime
import math
import time

import pytest

from operations import events, registry
from operations.contract import Observed, Refusal
from operations.model.oversight import attempts


def health(host, *jobs, **more):
    return host.run("model.health", training=Observed(jobs=tuple(j.name for j in jobs)), **more)


@pytest.fixture
def going(recorded):
    """150 of 300 steps done, a second each, the last just now."""
    start = time.time() - 149
    for second in range(150):
        recorded.reading(start + second, gpu=90.0, ram=200e9, celsius=70.0)
    recorded.steps(range(1, 151), start, total=300, loss=lambda step: 1.0 if step <= 50 else 0.5)
    recorded.tell(events.Metric(t=start, name="val_accuracy", step=100, value=0.9625))
    recorded.checkpoint(100)
    recorded.log("step 150/300: loss 0.5000, 1.00 it/s, 900 tok/s; 0 errors")
    recorded.alive()
    return recorded


def test_a_training_that_goes_well_is_on_track_and_all_five_parts_are_filled(host, going):
    told = health(host, going)
    expected = {
        "step": 150, "steps_planned": 300, "loss": 0.5, "accuracy": 96.25, "accuracy_step": 100, "gpu": 90.0,
        "ram": 200.0, "disk": 2000.0, "temperature": 70.0, "errors": 0, "any_errors": False, "error": "none",
        "done": 50.0, "status": "ON TRACK", "reasons": "none", "state": "running", "stalled": False,
        "diverging": False, "initial_loss": 1.0, "loss_reduction": 0.5, "complete": False,
    }  # fmt: skip
    assert {name: told.value(name) for name in expected} == expected
    end = datetime.datetime.fromisoformat(told.value("estimated_end"))
    assert (end - datetime.datetime.now(datetime.UTC)).total_seconds() == pytest.approx(150, abs=15)
    assert set(told.measures) == {m.name for m in registry.find("model.health").measures}


def test_a_training_that_ended_well_is_complete(host, going):
    going.steps(range(151, 301), time.time() - 150, total=300)
    going.finish(t=1_800_000_000)
    told = health(host, going)
    assert (told.value("status"), told.value("complete"), told.value("done")) == ("ON TRACK", True, 100.0)
    assert told.value("estimated_end") == "2027-01-15T08:00:00+00:00"
    assert told.value("duration") == pytest.approx(300 / 86_400, rel=0.02)


@pytest.mark.parametrize(
    ("line", "level"),
    [("RuntimeError: Insufficient Memory", "info"), ("Killed", "info"), ("loss NaN", "warning"), ("odd", "error")],
)
def test_an_error_in_the_log_is_an_issue(host, going, line, level):
    going.log(line, level)
    told = health(host, going)
    assert (told.value("status"), told.value("any_errors"), told.value("errors")) == ("ISSUES", True, 1)
    assert line in told.value("reasons")


def test_a_loss_that_is_no_number_is_an_issue(host, going):
    going.steps([151], time.time(), total=300, loss=lambda step: math.nan)
    told = health(host, going)
    assert told.value("status") == "ISSUES"
    assert told.value("diverging") is True
    assert "the loss is not finite (nan) at step 151" in told.value("reasons")
    assert told.measures["loss"].value is None
    assert told.measures["loss"].nonfinite == "nan"


@pytest.mark.parametrize(
    ("reading", "said"),
    [({"celsius": 91.0}, "91 °C"), ({"disk": 10.0}, "GB free, a checkpoint takes")],
)
def test_a_machine_that_endangers_it_is_an_issue(host, going, reading, said):
    going.reading(time.time(), gpu=90.0, **reading)
    told = health(host, going)
    assert told.value("status") == "ISSUES"
    assert said in told.value("reasons")


def test_what_the_machine_does_not_tell_is_null_with_a_reason_and_no_issue(host, recorded):
    recorded.steps(range(1, 11), time.time() - 9, total=20)
    recorded.reading(time.time())
    recorded.alive()
    told = health(host, recorded)
    assert told.value("status") == "ON TRACK"
    for name, reason in (("gpu", "no GPU is read"), ("temperature", "no sensor"), ("accuracy", "not evaluated")):
        assert told.measures[name].value is None
        assert reason in told.measures[name].reason


def test_a_stall_is_an_issue_once_patience_is_at_an_end(host, recorded):
    recorded.steps(range(1, 11), time.time() - 3_600, total=20)
    recorded.alive()
    assert health(host, recorded, patience=7_200.0).value("stalled") is False
    told = health(host, recorded)
    assert told.value("stalled") is True
    assert "stalled: no step for 60 min" in told.value("reasons")


def test_a_training_that_will_take_too_long_is_an_issue(host, going):
    told = health(host, going, days=0.001)
    assert told.value("status") == "ISSUES"
    assert "days, 0.001 are planned" in told.value("reasons")


@pytest.mark.parametrize("outcome", ["failed", "stopped", "lost"])
def test_a_training_that_ended_early_is_an_issue(host, recorded, outcome):
    recorded.steps(range(1, 11), time.time() - 9, total=20)
    if outcome != "lost":
        recorded.finish(outcome)
    told = health(host, recorded)
    assert told.value("status") == "ISSUES"
    assert f"the training is {outcome} at step 10 of 20" in told.value("reasons")
    assert told.value("any_errors") is (outcome != "stopped")
    assert told.measures["estimated_end"].value is None


def test_errors_of_an_attempt_that_was_taken_up_are_counted_apart(host, recorded, record):
    start = time.time() - 60
    recorded.steps(range(1, 11), start, total=30)
    recorded.log("RuntimeError: the disk was full")
    recorded.finish("failed")
    second = record("second")
    second.steps(range(8, 31), start + 20, total=30)
    second.finish()
    told = health(host, recorded, second)
    assert (told.value("errors"), told.value("earlier_errors"), told.value("status")) == (0, 2, "ON TRACK")


def test_a_training_of_no_steps_is_not_complete(host, recorded):
    recorded.tell(events.Progress(t=time.time(), done=0, total=0, unit="steps"))
    recorded.finish()
    told = health(host, recorded)
    assert (told.value("complete"), told.value("status"), told.value("step")) == (False, "ISSUES", 0)
    assert told.measures["loss"].reason == "no step was taken"


def test_following_checks_once_the_training_has_ended(host, going, monkeypatch):
    def end(_seconds):
        going.steps(range(151, 301), time.time() - 150, total=300)
        going.finish()
        going.held.close()

    monkeypatch.setattr(attempts.time, "sleep", end)
    assert health(host, going, follow=True).value("complete") is True


def test_nothing_to_look_after_is_refused(host):
    with pytest.raises(Refusal, match="no job to look after"):
        health(host)
