"""Watching a run through the files its jobs leave."""

import time

import pytest

from operations import job
from operations.contract import Observed, Refusal


def observe(host, *jobs, **more):
    return host.run("model.observe", training=Observed(jobs=tuple(j.name for j in jobs)), **more)


def test_finished_run_has_rows_readings_and_figures(host, recorded):
    start = time.time() - 1_000
    for second in range(110):
        recorded.reading(start + second, gpu=float(second), ram=second * 1e9)
    recorded.steps(range(1, 101), start)
    recorded.checkpoint(50)
    recorded.checkpoint(100)
    recorded.finish()
    told = observe(host, recorded)
    assert list(told.series("loss")) == list(range(10, 101, 10))
    assert told.series("loss")[40] == 2 / 40
    assert told.series("step")[40] == 40
    assert told.series("gpu")[40] == 39.0
    assert told.series("ram")[40] == 39.0
    assert told.series("elapsed")[100] == pytest.approx(100 / 60, rel=1e-3)
    expected = {
        "state": "done", "steps_done": 100, "steps_planned": 100, "stalled": False, "diverging": False, "errors": 0,
        "checkpoints": 2, "last_checkpoint": 100, "final_checkpoint": True, "complete": True, "trend": "falling",
        "loss_falls": True, "remaining": 0.0,
    }  # fmt: skip
    assert {name: told.value(name) for name in expected} == expected
    assert told.value("duration") == pytest.approx(100 / 3_600, rel=1e-3)
    assert told.value("gpu_mean") == pytest.approx(54.0)
    curve = [2 / step for step in range(1, 101)]
    assert told.value("initial_loss") == pytest.approx(sum(curve[:10]) / 10)
    assert told.value("loss_reduction") == pytest.approx((sum(curve[:10]) - sum(curve[-10:])) / 10)


def test_no_device_is_null_with_its_reason_never_a_processors_figure(host, recorded):
    start = time.time() - 1_000
    recorded.reading(start)
    recorded.steps(range(1, 21), start)
    recorded.finish()
    told = observe(host, recorded)
    assert set(told.series("gpu").values()) == {None}
    assert told.measures["gpu_mean"].value is None
    assert "no GPU" in told.measures["gpu_mean"].reason
    assert any("GPU none (no GPU is read on this host)" in text for text in told.logs)


def test_what_was_given_up_for_a_fresh_start_is_no_part_of_the_run(host, recorded, record):
    start = time.time() - 10_000
    recorded.steps(range(1, 81), start, loss=lambda step: 9.0)
    recorded.finish()
    second = record("second", fresh=True)
    second.steps(range(1, 31), start + 5_000, total=30)
    second.finish()
    told = observe(host, recorded, second)
    assert (told.value("steps_done"), told.value("steps_planned")) == (30, 30)
    assert told.value("initial_loss") < 2


def test_later_attempt_wins_and_pauses_do_not_count(host, recorded, record):
    start = time.time() - 10_000
    recorded.steps(range(1, 28), start, loss=lambda step: 1.0)
    second = record("second")
    second.steps(range(21, 101), start + 5_000, loss=lambda step: 0.5)
    second.checkpoint(100)
    second.finish()
    told = observe(host, recorded, second)
    assert told.series("loss") == {**dict.fromkeys((10, 20), 1.0), **dict.fromkeys(range(30, 101, 10), 0.5)}
    assert told.series("elapsed")[100] == pytest.approx(100 / 60, rel=1e-3)
    assert told.value("complete") is True
    assert told.value("errors") == 1  # the first attempt was lost


@pytest.mark.parametrize(("ago", "stalled"), [(60.0, True), (2.0, False)])
def test_stalled_is_no_step_for_five_times_the_median(host, recorded, ago, stalled):
    recorded.alive()
    recorded.steps(range(1, 31), time.time() - 29 - ago)
    told = observe(host, recorded)
    assert told.value("state") == "running"
    assert told.value("stalled") is stalled
    assert told.value("remaining") == pytest.approx(70 / 60, rel=1e-3)
    assert told.value("estimated_end").startswith("20")
    assert told.value("complete") is False


def test_run_without_steps_has_no_figures_and_says_why(host, recorded):
    recorded.alive()
    told = observe(host, recorded)
    for name in ("stalled", "remaining", "trend", "initial_loss", "duration", "last_checkpoint", "steps_planned"):
        assert told.measures[name].value is None
        assert told.measures[name].reason
    assert told.value("steps_done") == 0


def test_a_loss_that_is_no_number_is_divergence_and_an_error(host, recorded):
    recorded.steps(range(1, 41), time.time() - 100, loss=lambda step: float("nan") if step == 40 else 1.0)
    recorded.finish("failed")
    told = observe(host, recorded)
    assert (told.value("diverging"), told.value("state"), told.value("errors")) == (True, "failed", 2)
    (row,) = [e for e in told.events if getattr(e, "name", "") == "loss" and getattr(e, "step", 0) == 40]
    assert (row.value, row.nonfinite) == (None, "nan")
    assert told.value("loss_falls") is False
    assert told.measures["remaining"].value is None


def test_final_checkpoint_is_told_by_its_digest(host, recorded):
    recorded.steps(range(1, 101), time.time() - 1_000)
    path = recorded.checkpoint(100)
    recorded.finish()
    assert observe(host, recorded).value("final_checkpoint") is True
    (path / "model.safetensors").write_bytes(b"weightS")
    told = observe(host, recorded)
    assert (told.value("final_checkpoint"), told.value("complete")) == (False, False)


def test_following_tells_rows_as_they_come_and_ends_with_the_run(host, recorded):
    recorded.alive()
    recorded.steps(range(1, 6), time.time(), seconds=0.01, total=20)
    directory, process = host.start("model.observe", training=Observed(jobs=(recorded.name,)), follow=True, every=5)
    host.wait(lambda: (directory / job.EVENTS).exists() and 5 in host.told(directory).series("loss"))
    assert process.poll() is None
    recorded.steps(range(6, 21), time.time(), seconds=0.01, total=20)
    recorded.finish()
    assert process.wait(60) == 0
    told = host.told(directory)
    assert list(told.series("loss")) == [5, 10, 15, 20]
    assert told.value("state") == "done"


def test_following_a_dead_run_ends(host, recorded):
    recorded.steps(range(1, 6), time.time() - 10)
    told = observe(host, recorded, follow=True)
    assert told.value("state") == "lost"


def test_half_a_line_and_a_line_that_is_none_are_borne(host, recorded):
    recorded.steps(range(1, 11), time.time() - 10)
    recorded.reading(time.time() - 10)
    for name in (job.EVENTS, job.READINGS):
        with (recorded.directory / name).open("ab") as stream:
            stream.write(b'\xff\xfe nonsense\n{"type":"metric","t":1,"na')
    told = observe(host, recorded)
    assert told.value("steps_done") == 10
    assert told.value("errors") >= 1


def test_no_job_and_an_unknown_job_are_refused(host):
    with pytest.raises(Refusal, match="no job to observe"):
        host.run("model.observe", training=Observed(jobs=()))
    with pytest.raises(Refusal, match="not on this host"):
        host.run("model.observe", training=Observed(jobs=("nobody",)))
