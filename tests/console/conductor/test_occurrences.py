"""A person's repeated task, day by day with a set clock: what is open, due, missed, made good, and when it is over."""

import datetime

import msgspec
import pytest

from console.conductor import given
from console.conductor.errors import BadInput, Refused
from console.conductor.occurrences import current, occurrences
from console.plan.types import Record, Task

UTC = datetime.UTC


def at(day: int, clock: str = "12:00") -> datetime.datetime:
    """A day of October 2025."""
    return datetime.datetime.fromisoformat(f"2025-10-{day:02}T{clock}:00+00:00")


@pytest.fixture
def story(tell):
    """`talk` is checked each morning by nine from the end of `test` until `next` is done."""
    story = tell()
    values = {"loss": Record(label="loss", unit="nats"), "errors": Record(label="errors")}
    story.plan.task["talk"] = Task(
        title="Check", needs=["test"], repeats="daily", due="09:00", until="mourn", record=values
    )
    return story


def ended(story, day: int, clock: str = "08:00") -> None:
    """The needed task ends well at that time."""
    story.did("make")
    story.did("split")
    story.did("train")
    job = story.did("test")
    story.state.jobs[job].ended_at = at(day, clock).isoformat()


def days(story, now):
    story.now = now
    return [(o.id[-2:], o.state) for o in occurrences(story.scene, "talk")]


def give(story, occurrence="", **values):
    for slug, text in values.items():
        story.say(given.record(story.scene, "talk", slug, text, occurrence))


def test_no_day_before_the_task_may_begin(story):
    story.now = at(20)
    assert occurrences(story.scene, "talk") == ()
    assert story.state_of("talk") == "locked"
    with pytest.raises(Refused, match="locked"):
        give(story, loss="1")


def test_a_day_opens_falls_due_and_is_missed(story):
    ended(story, 20, "08:00")
    assert days(story, at(20, "08:30")) == [("20", "open"), ("21", "coming")]
    assert days(story, at(20, "09:00")) == [("20", "due"), ("21", "coming")]
    assert days(story, at(20, "23:59"))[0] == ("20", "due")
    assert days(story, at(21, "00:00"))[:2] == [("20", "missed"), ("21", "open")]
    assert story.view.tasks["talk"].why == ("missed: 2025-10-20",)


def test_the_first_day_is_the_next_one_if_its_time_has_passed(story):
    ended(story, 20, "09:30")
    assert days(story, at(20, "10:00")) == [("21", "coming")]
    story.now = at(20, "10:00")
    with pytest.raises(Refused, match="has not come"):
        give(story, loss="1")


def test_each_day_has_values_of_its_own_and_a_missed_one_can_be_made_good(story):
    ended(story, 20)
    story.now = at(22, "08:30")
    give(story, loss="0.5", errors="none")
    give(story, "2025-10-20", loss="0.9", errors="none")
    assert days(story, at(22, "08:30")) == [("20", "done"), ("21", "missed"), ("22", "done"), ("23", "coming")]
    record = story.view.tasks["talk"].records[0]
    assert (record.value, [(row.label, row.value) for row in record.rows]) == (
        0.5,
        [("2025-10-20", 0.9), ("2025-10-22", 0.5)],
    )
    story.say(given.skip(story.scene, "talk", "power cut", "2025-10-21"))
    assert days(story, at(22, "08:30"))[1] == ("21", "skipped")


@pytest.mark.parametrize("occurrence", ["2025-10-19", "2025-10-23", "tomorrow"])
def test_a_day_that_is_none_is_named_and_nothing_is_written(story, occurrence):
    ended(story, 20)
    story.now = at(22, "08:30")
    before = story.state.sequence
    with pytest.raises(BadInput, match=f"no day {occurrence}; it has 2025-10-20, 2025-10-21, 2025-10-22"):
        give(story, occurrence, loss="1")
    with pytest.raises(BadInput, match="does not repeat"):
        given.record(story.scene, "test", "note", "x", "2025-10-20")
    assert story.state.sequence == before


def test_a_day_that_is_done_can_not_be_left_out(story):
    ended(story, 20)
    story.now = at(20, "08:30")
    give(story, loss="1", errors="none")
    with pytest.raises(Refused, match="on 2025-10-20 is done"):
        given.skip(story.scene, "talk", "no", "")


def test_it_is_over_when_the_task_that_ends_it_is_done_but_not_while_a_day_is_missing(story):
    ended(story, 20)
    story.plan.task["mourn"] = msgspec.structs.replace(story.plan.task["mourn"], when="")
    story.now = at(21, "08:30")
    give(story, "2025-10-20", loss="1", errors="none")
    story.ticked("mourn", "D-3")
    story.state.ticks["mourn", 1, "D-3", ""] = msgspec.structs.replace(
        story.state.ticks["mourn", 1, "D-3", ""], at=at(21, "10:00").isoformat()
    )
    assert days(story, at(25)) == [("20", "done"), ("21", "missed")]
    assert story.state_of("talk") == "ready"
    give(story, "2025-10-21", loss="1", errors="none")
    assert story.state_of("talk") == "done"


def test_days_are_the_sites_and_survive_the_change_of_summer_time(story):
    story.site = msgspec.structs.replace(story.site, zone="Europe/Berlin")
    ended(story, 25, "05:00")
    found = {o.id: o for o in occurrences(moved(story, at(27)), "talk")}
    assert found["2025-10-25"].due == at(25, "07:00")
    assert found["2025-10-26"].due == at(26, "08:00"), "clocks went back in the night"
    assert found["2025-10-27"].opens == at(26, "23:00")


def moved(story, now):
    story.now = now
    return story.scene


def test_a_weekly_task_falls_on_its_weekday(story):
    weekly = msgspec.structs.replace(story.plan.task["talk"], repeats="weekly", weekday="sunday", due="")
    story.plan.task["talk"] = weekly
    ended(story, 20)
    assert days(story, at(27)) == [("26", "missed"), ("02", "coming")]


def test_a_clock_that_jumps_back_loses_nothing_that_was_given(story):
    ended(story, 20)
    story.now = at(22, "08:30")
    give(story, loss="0.5", errors="none")
    assert days(story, at(20, "08:30")) == [("20", "open"), ("21", "coming")]
    assert days(story, at(22, "08:31"))[2] == ("22", "done")


def test_what_is_current_follows_the_clock(story):
    ended(story, 20)
    assert [current(moved(story, at(day, "08:30")), "talk") for day in (20, 21, 24)] == [
        "2025-10-20",
        "2025-10-21",
        "2025-10-24",
    ]
