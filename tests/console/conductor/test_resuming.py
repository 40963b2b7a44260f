"""Which attempts of a task with two roles the next one takes up."""

import msgspec
import pytest

from console.conductor.bind import Wish, bind
from console.conductor.compose import task_view
from tests.console.conductor.conftest import PHASES, PLAN, Story

BRING = {"title": "Bring", "host": ["A", "B"], "operation": "network.transfer", "parameters": {"make": 100}}


@pytest.fixture
def story():
    told = Story({**PLAN, "task": {**PLAN["task"], "bring": BRING}})
    told.plan = msgspec.structs.replace(told.plan, task_phase={**PHASES, "bring": "P"})
    return told


def attempt(story, number, sink, source, artefacts=(), **wish):
    bound = bind(story.scene, "bring", Wish({}, **wish), [f"in{number}", f"out{number}"])
    for job in bound:
        story.say(job.row)
    story.end(f"in{number}", sink, artefacts=artefacts)
    story.end(f"out{number}", source)
    return bound


def test_a_cut_transfer_is_taken_up_by_the_role_that_has_the_part(story):
    attempt(story, 1, "failed", "failed", [("partial", "p1")])
    assert task_view(story.scene, "bring").interrupted
    sink, source = attempt(story, 2, "failed", "failed", [("partial", "p1")])
    assert (sink.row.continues, source.row.continues) == ("in1", "")
    assert [(a.name, a.job) for a in sink.file.resume] == [("partial", "in1")]
    assert source.file.resume == ()
    sink, _ = attempt(story, 3, "done", "done", [("copy", "c1")])
    assert [a.job for a in sink.file.resume] == ["in1", "in2"]


@pytest.mark.parametrize(
    "sets", [{"via": "rsync"}, {"via": "relay"}, {"patience": "9"}, {"identity": "/k"}, {"port": "9"}]
)
def test_by_another_way_it_is_taken_up_too(story, sets):
    attempt(story, 1, "failed", "failed", [("partial", "p1")])
    sink, _ = bind(story.scene, "bring", Wish(sets), ["in2", "out2"])
    assert (sink.row.continues, [a.job for a in sink.file.resume]) == ("in1", ["in1"])


def test_what_is_another_thing_begins_anew(story):
    attempt(story, 1, "failed", "failed", [("partial", "p1")])
    sink, _ = bind(story.scene, "bring", Wish({"make": "101"}), ["in2", "out2"])
    assert (sink.row.continues, sink.file.resume) == ("", ())


def test_a_transfer_that_failed_and_left_nothing_begins_anew(story):
    attempt(story, 1, "failed", "failed")
    assert not task_view(story.scene, "bring").interrupted
    sink, _ = attempt(story, 2, "failed", "failed")
    assert (sink.row.continues, sink.file.resume) == ("", ())


def test_a_fresh_start_takes_nothing_up(story):
    attempt(story, 1, "lost", "failed", [("partial", "p1")])
    sink, _ = attempt(story, 2, "done", "done", fresh=True)
    assert (sink.row.continues, sink.file.resume) == ("", ())
