"""What needs a person, as a clock goes on and things go wrong; contingencies that are called for and answered."""

import datetime

import msgspec
import pytest

from console.conductor import given
from console.conductor.errors import BadInput, Refused
from console.plan.types import Contingency, Day, Expectation, Record, Sign, Task
from operations.events import Measured


def at(day: int, clock: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(f"2025-10-{day:02}T{clock}:00+00:00")


@pytest.fixture
def story(tell):
    story = tell()
    plan = story.plan
    plan.day["one"], plan.day["two"] = Day(title="one", offset=0), Day(title="two", offset=1)
    for id, day, due in (("make", "one", "11:00"), ("split", "one", "12:00"), ("test", "two", "")):
        plan.task[id] = msgspec.structs.replace(plan.task[id], day=day, due=due)
    stalled = Sign(task="watch", measure="stalled", value=Expectation(equals=True))
    plan.contingency["C-1"] = Contingency(
        cause="stalled", condition="It has stalled", action="Start it anew.", task=["train"],
        sign=[stalled, Sign(task="train", state="failed")],
    )  # fmt: skip
    plan.contingency["C-2"] = Contingency(cause="gate", condition="Not good enough", action="Stop.", gate="G")
    plan.contingency["C-3"] = Contingency(
        cause="schedule", condition="Later than planned", action="Use the buffer.",
        sign=[Sign(task="test", schedule="late")]
    )  # fmt: skip
    story.now = at(16, "08:00")
    return story


def needs(story, now=None) -> dict[str, str]:
    story.now = now or story.now
    return dict(story.view.attention)


def test_in_time_nothing_is_late(story):
    assert not any("overdue" in text or "should have" in text for text in needs(story, at(16, "10:59")).values())


def test_what_is_past_its_time_and_what_it_holds_is_one_row_each(story):
    found = needs(story, at(17, "13:00"))
    assert found["make"] == "overdue since 2025-10-16 11:00 UTC"
    assert found["split"] == "should have begun, but needs make, which is ready"


def test_a_failed_task_says_what_it_holds(story):
    story.did("make", "failed", reason="no disk")
    assert needs(story)["make"] == "failed: no disk (holds split and 4 more)"


def test_a_look_that_a_job_takes_every_two_hours_falls_due_while_the_run_goes_on(story):
    story.did("make")
    story.did("split")
    run = story.start("train")
    story.state.jobs[run].at = at(16, "08:00").isoformat()
    assert needs(story, at(16, "09:00"))["watch"] == "next at 10:00 UTC: every 2 h"
    assert needs(story, at(16, "10:00"))["watch"] == "due since 10:00 UTC: every 2 h"
    look = story.did("watch")
    story.state.jobs[look].at = at(16, "10:05").isoformat()
    assert needs(story, at(16, "10:06"))["watch"] == "next at 12:05 UTC: every 2 h"
    story.end(run)
    assert "watch" not in needs(story, at(16, "12:06")), "nothing is left to look after"


def test_a_look_that_a_job_takes_daily_is_that_of_its_day_at_whatever_time(story):
    story.plan.task["watch"] = msgspec.structs.replace(story.plan.task["watch"], repeats="daily", due="09:00")
    story.did("make")
    story.did("split")
    run = story.start("train")
    story.state.jobs[run].at = at(16, "08:00").isoformat()
    assert needs(story, at(16, "08:30"))["watch"] == "next at 09:00 UTC: every day"
    look = story.did("watch")
    story.state.jobs[look].at = at(16, "08:35").isoformat()
    assert needs(story, at(16, "09:30"))["watch"] == "next at 2025-10-17 09:00 UTC: every day"
    assert needs(story, at(18, "07:00"))["watch"] == "due since 2025-10-17 09:00 UTC: every day"
    story.end(run)
    assert "watch" not in needs(story, at(18, "07:01"))


def test_a_look_that_a_job_takes_weekly_falls_on_its_weekday(story):
    story.plan.task["watch"] = msgspec.structs.replace(story.plan.task["watch"], repeats="weekly", weekday="sunday")
    story.did("make")
    story.did("split")
    run = story.start("train")
    story.state.jobs[run].at = at(16, "08:00").isoformat()
    assert needs(story, at(18, "23:00"))["watch"] == "next at 2025-10-19 00:00 UTC: every Sunday"
    assert needs(story, at(19, "08:00"))["watch"] == "due since 00:00 UTC: every Sunday"
    look = story.did("watch")
    story.state.jobs[look].at = at(19, "08:05").isoformat()
    assert needs(story, at(19, "09:00"))["watch"] == "next at 2025-10-26 00:00 UTC: every Sunday"


def test_an_open_day_presses_before_a_persons_other_tasks(story):
    story.plan.task["talk"] = Task(
        title="Check",
        needs=["test"],
        repeats="daily",
        due="09:00",
        until="mourn",
        record={"loss": Record(label="loss")},
    )
    story.chain(None)
    assert needs(story, at(17, "08:30"))["talk"] == "due until 09:00 UTC on 2025-10-17"
    assert needs(story, at(17, "09:30"))["talk"] == "due since 09:00 UTC on 2025-10-17"
    rows = [text for id, text in story.view.attention if id == "talk"]
    assert rows == ["missed on 2025-10-16", "due since 09:00 UTC on 2025-10-17"]


def test_a_contingency_is_quiet_until_something_calls_for_it(story):
    assert {c.state for c in story.view.contingencies.values()} == {"quiet"}
    with pytest.raises(Refused, match="nothing calls for it"):
        given.answer(story.scene, "C-1", "restarted")
    with pytest.raises(BadInput, match="no contingency C-9"):
        given.answer(story.scene, "C-9", "restarted")


@pytest.fixture
def stalled(story):
    story.did("make")
    story.did("split")
    story.start("train")
    story.did("watch", measures=[Measured(t=0, name="stalled", value=True)])
    return story


def test_a_measure_opens_it_and_an_answer_stands_until_something_new_calls(stalled):
    view = stalled.view.contingencies["C-1"]
    assert (view.state, view.signs) == ("open", ("watch stalled: yes, job job4",))
    assert needs(stalled)["C-1"] == "It has stalled: Start it anew."
    stalled.say(given.answer(stalled.scene, "C-1", "restarted it"))
    view = stalled.view.contingencies["C-1"]
    assert (view.state, view.answers[0].text, view.answers[0].operator) == ("answered", "restarted it", "Ada")
    assert "C-1" not in needs(stalled)
    stalled.did("watch", measures=[Measured(t=0, name="stalled", value=True)])
    assert stalled.view.contingencies["C-1"].state == "open", "it stalled again"
    stalled.did("watch", measures=[Measured(t=0, name="stalled", value=False)])
    assert stalled.view.contingencies["C-1"].state == "quiet"


def test_a_measure_that_could_not_be_had_opens_nothing(story):
    story.did("make")
    story.did("split")
    story.start("train")
    story.did("watch", measures=[Measured(t=0, name="stalled", value=None, reason="no step yet")])
    assert story.view.contingencies["C-1"].state == "quiet"


def test_an_answer_of_nothing_is_none(stalled):
    with pytest.raises(BadInput, match="say what was done"):
        given.answer(stalled.scene, "C-1", " \n ")


def test_a_no_go_opens_its_contingency(story, tell):
    story.chain(tell.proportion(50, 100))
    story.decided("no-go")
    assert story.view.contingencies["C-2"].state == "open"
    assert needs(story)["C-2"] == "Not good enough: Stop."


def test_a_day_that_comes_before_its_time_is_done_opens_the_buffers_contingency(story):
    assert story.view.contingencies["C-3"].state == "quiet"
    needs(story, at(17, "00:00"))
    assert story.view.contingencies["C-3"].signs == ("the day of test has come: all before it is not done",)
    story.did("make")
    story.did("split")
    assert story.view.contingencies["C-3"].state == "quiet"


def test_once_its_task_is_done_nothing_calls_for_it(stalled):
    stalled.plan.contingency["C-1"] = msgspec.structs.replace(stalled.plan.contingency["C-1"], until="early")
    assert stalled.view.contingencies["C-1"].state == "open"
    stalled.plan.contingency["C-1"] = msgspec.structs.replace(stalled.plan.contingency["C-1"], until="make")
    assert stalled.view.contingencies["C-1"].state == "quiet"
