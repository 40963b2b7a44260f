"""A long training looked after in a rehearsal: checked beside it and at its end, its latest checkpoint backed up."""

import asyncio
from pathlib import Path

import pytest

from console.conductor.rehearse import Rehearsal
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from operations.files import digest

SITE = Path(__file__).parents[2] / "stub" / "site.toml"
PLAN = """
schema = 1
id = "long"
title = "Long"
version = "1"
start = 2025-10-16
days = 5
[phase.L]
title = "Long"
file = "l.toml"
days = 5
"""
TASKS = """
[task.train]
title = "Train"
host = "ALPHA"
operation = "stub.train"
[task.check]
title = "Check it"
host = "ALPHA"
during = "train"
repeats = "daily"
operation = "model.health"
[task.check.parameters]
training = { jobs_of = "train" }
[task.check.record]
status = { label = "Status", measure = "status", expect = { equals = "ON TRACK" } }
step = { label = "Step", measure = "step" }
[task.shelf]
title = "Look after the checkpoints"
host = "ALPHA"
needs = ["train"]
during = "train"
repeats = "daily"
operation = "model.checkpoints"
[task.shelf.parameters]
training = { jobs_of = "train" }
configuration = { task = "train", artefact = "configuration" }
[task.shelf.record]
retained = { label = "Retained", measure = "retained" }
whole = { label = "Whole", measure = "digests" }
[task.backup]
title = "Back up"
host = ["BETA", "ALPHA"]
needs = ["shelf"]
during = "train"
repeats = "weekly"
weekday = "sunday"
operation = "network.transfer"
[task.backup.parameters]
artefact = { task = "shelf", artefact = "latest" }
[task.backup.record]
equal = { label = "Equal", measure = "match" }
[contingency.C-1]
cause = "error"
condition = "Errors"
action = "Investigate."
task = ["check"]
sign = [{ task = "check", measure = "status", value = { equals = "ISSUES" } }]
"""
FOLLOW = "[parameters.check]\nfollow = true\n[parameters.shelf]\nfollow = true\n"


@pytest.fixture
async def conductor(tmp_path):
    plan = tmp_path / "plan"
    plan.mkdir()
    (plan / "plan.toml").write_text(PLAN)
    (plan / "l.toml").write_text(TASKS)
    kept = SITE.read_text().split("[not_here]")[0]
    (tmp_path / "site.toml").write_text(kept + FOLLOW)
    made = Conductor(Workspace.create(tmp_path / "w", plan, tmp_path / "site.toml", "Ada"), "Ada")
    yield made
    await made.close()


async def rehearse(conductor, **sets):
    return await asyncio.wait_for(Rehearsal(conductor, sets, lambda _: None).through(""), 60)


def records(conductor):
    return {(t.id, r.slug): r.value for t in conductor.workspace.view().tasks.values() for r in t.records}


async def test_it_is_checked_looked_after_and_backed_up_once(conductor):
    ending = await rehearse(conductor)
    assert ending.kind == "through", ending
    view = conductor.workspace.view()
    assert {id: len(task.jobs) for id, task in view.tasks.items()} == {"train": 1, "check": 1, "shelf": 1, "backup": 2}
    found = records(conductor)
    assert (found["check", "status"], found["check", "step"]) == ("ON TRACK", 60)
    assert (found["shelf", "retained"], found["backup", "equal"]) == (True, True)
    (there,) = (conductor.workspace.path / "hosts/ALPHA").rglob("checkpoint-60")
    (copy,) = (conductor.workspace.path / "hosts/BETA").rglob("checkpoint-60")
    assert digest(copy) == digest(there)
    assert view.contingencies["C-1"].state == "quiet"
    # A second look is a row more; what was backed up was right at its time.
    (there / "weights").write_bytes(b"changed")
    for task in ("check", "shelf"):
        for job in await conductor.start(task, {}):
            await asyncio.wait_for(conductor.runs.see_to_end(job), 30)
    view = conductor.workspace.view()
    rows = {r.slug: r.rows for r in view.tasks["check"].records}
    assert [row.value for row in rows["step"]] == [60, 60]
    assert [row.value for row in rows["status"]] == ["ON TRACK", "ON TRACK"]
    assert records(conductor)["shelf", "retained"] is True
    assert records(conductor)["shelf", "whole"] is False
    assert view.tasks["backup"].stale == ()


async def test_an_error_in_the_training_calls_for_the_contingency(conductor):
    await rehearse(conductor, train={"say": "RuntimeError: out of memory"})
    view = conductor.workspace.view()
    assert records(conductor)["check", "status"] == "ISSUES"
    assert view.contingencies["C-1"].state == "open"
