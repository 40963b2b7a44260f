"""Planned and actual times with a set clock: what is overdue, what slips, and that the forecast moves with it."""

import datetime

import msgspec
import pytest

from console.conductor.timeline import timeline
from console.plan.types import Day

MINUTES = {"make": 120, "split": 30, "train": 600, "test": 60, "decide": 30}
DUE = {"make": "11:00", "split": "12:00", "train": "23:00", "test": "22:00"}
DAYS = {"make": "one", "split": "one", "train": "one", "test": "two", "decide": "two", "next": "three"}


def at(day: int, clock: str) -> datetime.datetime:
    return datetime.datetime.combine(
        datetime.date(2025, 10, 15 + day), datetime.time.fromisoformat(clock), datetime.UTC
    )


@pytest.fixture
def story(tell):
    story = tell()
    plan = story.plan
    for id, task in plan.task.items():
        minutes = [MINUTES[id], MINUTES[id]] if id in MINUTES else None
        plan.task[id] = msgspec.structs.replace(task, day=DAYS.get(id, ""), due=DUE.get(id, ""), minutes=minutes)
    for offset, id in enumerate(("one", "two", "three")):
        plan.day[id] = Day(title=id, offset=offset)
    return story


def times(story, now):
    story.now = now
    return timeline(story.scene)


def test_planned_times_come_from_day_due_and_duration(story):
    make = times(story, at(1, "08:00")).times["make"]
    assert (make.planned_start, make.planned_end, make.due) == (at(1, "09:00"), at(1, "11:00"), at(1, "11:00"))
    assert times(story, at(1, "08:00")).times["decide"].planned_end == at(3, "00:00")


def test_on_time_nothing_slips_and_the_end_is_the_planned_one(story):
    found = times(story, at(1, "08:00"))
    assert found.expected_end == found.planned_end
    assert not any(t.overdue for t in found.times.values())
    assert all(found.times[id].slip <= datetime.timedelta() for id in DAYS)


def test_a_task_past_its_time_is_overdue_and_the_forecast_moves_hour_by_hour(story):
    late = times(story, at(1, "15:00"))
    assert late.times["make"].overdue
    assert not late.times["split"].overdue, "it is locked: what is late is what holds it"
    assert late.times["make"].expected_end == at(1, "17:00")
    assert late.times["make"].slip == datetime.timedelta(hours=6)
    assert late.times["train"].expected_end == at(2, "03:30")
    days_later = times(story, at(8, "15:00"))
    assert days_later.expected_end - late.expected_end > datetime.timedelta(days=4)
    assert days_later.critical[:3] == ("make", "split", "train")


def test_a_done_task_keeps_its_actual_times(story):
    story.did("make")
    found = times(story, at(1, "08:30")).times["make"]
    assert found.started == datetime.datetime(2025, 10, 16, 8, 0, 2, tzinfo=datetime.UTC)
    assert found.ended == datetime.datetime(2025, 10, 16, 8, 0, 3, tzinfo=datetime.UTC)
    assert found.slip == -datetime.timedelta(hours=2, minutes=59, seconds=57)


def test_branches_that_are_not_taken_and_optional_tasks_do_not_count(story):
    found = times(story, at(1, "08:00"))
    assert found.times["mourn"].expected_end is None
    assert found.times["early"].expected_end is None
    assert found.times["next"].expected_end is not None
    story.chain(None)
    story.decided("no-go")
    found = times(story, at(2, "08:00"))
    assert found.times["mourn"].expected_end is not None
    assert found.times["next"].expected_end is None


def test_due_times_are_the_sites_and_shown_in_utc(story):
    story.site = msgspec.structs.replace(story.site, zone="Europe/Berlin")
    assert times(story, at(1, "08:00")).times["make"].due == at(1, "09:00")
