"""A training's checkpoints: the last ones and the best, nothing else, each as it was written."""

import shutil
import time

import pytest

from operations import events, job, registry
from operations.contract import Observed, Refusal
from operations.files import digest
from operations.model import configuration as configurations
from operations.model.oversight import retention

STEPS = range(10, 71, 10)


@pytest.fixture
def configuration(host):
    asked = configurations.Configuration(
        checkpointing=configurations.Checkpointing(save_every=10, keep_last_n=5),
        hyperparameters=configurations.Hyperparameters(num_epochs=1),
    )
    configurations.write_planned(host.root / "blue_team_training_config.json", asked)
    return host.artefact(host.root / "blue_team_training_config.json", "configuration")


@pytest.fixture
def look(host, configuration):
    def look(*jobs, **more):
        named = Observed(jobs=tuple(j.name for j in jobs))
        return host.run("model.checkpoints", training=named, configuration=configuration, **more)

    return look


@pytest.fixture
def trained(recorded):
    """Seven checkpoints written, the last five kept; the best was that of step 30."""
    start = time.time() - 700
    recorded.steps(range(1, 71), start, seconds=10, total=70)
    for step in STEPS:
        path = recorded.checkpoint(step, t=start + 10 * step)
        if step <= 20:
            shutil.rmtree(path)
    shutil.rmtree(recorded.checkpoint(10, "best"))
    recorded.checkpoint(30, "best")
    recorded.finish(t=start + 800)
    return recorded


def kept(recorded, name):
    return recorded.directory / "artefacts" / name


def test_exactly_the_last_five_and_the_best(host, look, trained):
    told = look(trained)
    expected = {
        "count": 5, "asked": 5, "latest": 70, "best": 30, "missing": 0, "left_over": 0, "wrong": 0, "retained": True,
        "digests": True, "overdue": False, "status": "ON TRACK", "reasons": "none",
    }  # fmt: skip
    assert {name: told.value(name) for name in expected} == expected
    assert told.value("age") == pytest.approx(100, abs=0.1), "from its writing to the training's end"
    assert told.value("sizes").keys() == {*(f"checkpoint-{step}" for step in STEPS[2:]), "best-30"}
    assert set(told.measures) == {m.name for m in registry.find("model.checkpoints").measures}
    latest = host.made(told, "latest")[None]
    assert (latest.path, latest.sha256) == (
        "jobs/first/artefacts/checkpoint-70",
        digest(kept(trained, "checkpoint-70"))[0],
    )


def test_what_the_trainings_job_was_given_stands_above_the_configuration(look, trained):
    given = job.JobFile(id="first", task="T", operation="model.train", parameters={"keep": 3})
    (trained.directory / job.JOB).write_bytes(job.encode(given))
    told = look(trained)
    assert (told.value("asked"), told.value("left_over"), told.value("retained")) == (3, 2, False)


@pytest.mark.parametrize("name", ["checkpoint-50", "checkpoint-70", "best-30"])
def test_one_that_is_missing_is_an_issue(host, look, trained, name):
    shutil.rmtree(kept(trained, name))
    told = look(trained)
    assert (told.value("retained"), told.value("digests"), told.value("missing")) == (False, False, 1)
    assert told.value("status") == "ISSUES"
    assert f"{name} is missing" in told.value("reasons")
    latest = host.made(told, "latest")[None]
    assert latest.path.endswith("checkpoint-60" if name == "checkpoint-70" else "checkpoint-70")


@pytest.mark.parametrize("name", ["checkpoint-20", "best-10"])
def test_one_too_many_is_an_issue(look, trained, name):
    kept(trained, name).mkdir()
    told = look(trained)
    assert (told.value("retained"), told.value("left_over")) == (False, 1)
    assert f"{name} should be gone" in told.value("reasons")


def test_one_that_was_changed_is_an_issue_and_not_backed_up(host, look, trained):
    (kept(trained, "checkpoint-70") / "model.safetensors").write_bytes(b"other weights")
    told = look(trained)
    assert (told.value("digests"), told.value("wrong"), told.value("status")) == (False, 1, "ISSUES")
    assert "checkpoint-70 is not what was written" in told.value("reasons")
    assert host.made(told, "latest")[None].path.endswith("checkpoint-60")


def test_a_checkpoint_that_should_have_been_written_is_overdue(look, trained, record):
    second = record("second")
    second.steps(range(71, 96), time.time() - 25, total=200)
    second.alive()
    told = look(trained, second)
    assert told.value("overdue") is True
    assert "the latest checkpoint is of step 70, step 95 is done" in told.value("reasons")


def test_checkpoints_of_two_attempts_are_one_row(look, trained, record):
    second = record("second")
    second.steps(range(71, 91), time.time() - 20, total=90)
    for step in (80, 90):
        second.checkpoint(step)
    for name in ("checkpoint-30", "checkpoint-40"):
        shutil.rmtree(kept(trained, name))
    second.finish()
    told = look(trained, second)
    assert (told.value("retained"), told.value("count"), told.value("latest")) == (True, 5, 90)


def test_what_a_running_training_was_about_to_delete_is_no_issue(look, record, monkeypatch):
    going = record("going")
    going.steps(range(1, 61), time.time() - 60, total=100)
    paths = [going.checkpoint(step) for step in range(10, 61, 10)]
    going.alive()
    monkeypatch.setattr(retention.time, "sleep", lambda _seconds: shutil.rmtree(paths[0]))
    assert look(going).value("retained") is True


def test_none_yet_is_null_with_a_reason(host, look, recorded):
    recorded.steps(range(1, 6), time.time() - 5, total=100)
    recorded.alive()
    told = look(recorded)
    assert (told.value("count"), told.value("status"), told.measures["age"].value) == (0, "ON TRACK", None)
    assert told.measures["age"].reason == "no checkpoint was written"
    assert not host.made(told, "latest")
    recorded.tell(events.Metric(t=time.time(), name="loss", step=15, value=1.0))
    assert look(recorded).value("status") == "ISSUES"


def test_nothing_to_look_after_is_refused(look):
    with pytest.raises(Refusal, match="no job to look after"):
        look()
