"""Plans that are deep, and text that is long or runs the other way, in the plan's pane."""

import datetime

import pytest
from msgspec.structs import replace

from console.app.draw import plan
from console.app.glyphs import UNICODE
from console.conductor.view import Occurrence
from console.plan import types

ALEF = "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} e\N{COMBINING ACUTE ACCENT} \N{CJK UNIFIED IDEOGRAPH-6F22}"


@pytest.fixture
def deep(recorded):
    """The recorded week with W0.2.1 ten levels down."""
    view = recorded().current
    days = {"L1": types.Day(title="Level 1", offset=0)}
    days |= {f"L{n}": types.Day(title=f"Level {n}", offset=0, within=f"L{n - 1}") for n in range(2, 10)}
    moved = replace(view.tasks["W0.2.1"], day="L9", title=f"Deep {ALEF}")
    return replace(view, plan=replace(view.plan, day=view.plan.day | days), tasks=view.tasks | {"W0.2.1": moved})


def rows(view, opened, width=44):
    return [row.plain.rstrip() for row in plan.lines(view, opened, {}, width, UNICODE)]


def test_ten_levels_are_seen_and_still_leave_room_for_a_title(deep):
    found = rows(deep, plan.opening(deep))
    levels = [row for row in found if "Level" in row]
    assert [row.split("Level ")[1][0] for row in levels] == [str(n) for n in range(1, 10)]
    indents = [len(row) - len(row.lstrip()) for row in levels]
    assert indents == sorted(set(indents)), "each deeper than the one before"
    (task,) = (row for row in found if "W0.2.1" in row)
    assert "Deep \N{HEBREW LETTER ALEF}" in task


def test_a_folded_level_hides_what_is_below_it_and_counts_it(deep):
    found = rows(deep, plan.opening(deep) - {("day", "L5")})
    (folded,) = (row for row in found if "Level 5" in row)
    assert folded.lstrip().startswith(UNICODE.closed)
    assert folded.endswith("0/1")
    assert not any("Level 6" in row or "W0.2.1" in row for row in found)


def test_what_must_be_unfolded_for_a_task_is_every_level_above_it(deep):
    assert plan.parents(deep, "W0.2.1") == {("phase", "week-0"), *(("day", f"L{n}") for n in range(1, 10))}


@pytest.mark.parametrize(
    ("states", "said"),
    [(("done", "coming"), "next 10-17"), (("done", "open"), "due"), (("missed", "due"), "1 missed due")],
)
def test_a_repeated_task_says_how_it_stands_with_its_days(recorded, states, said):
    view = recorded().current
    noon = datetime.datetime(2025, 10, 17, 12, tzinfo=datetime.UTC)
    days = tuple(Occurrence(f"2025-10-{16 + n}", noon, noon, state) for n, state in enumerate(states))
    held = replace(view.tasks["W0.2.2"], occurrences=days)
    view = replace(view, tasks=view.tasks | {"W0.2.2": held})
    (row,) = (row for row in rows(view, plan.opening(view)) if "W0.2.2" in row)
    assert row.endswith(said)


@pytest.mark.parametrize("state", ["running", "done", "locked"])
def test_a_filter_keeps_the_tasks_of_one_state(recorded, state):
    view = recorded().current
    kept = plan.chosen(view, state)
    assert kept
    assert kept == {id for id, task in view.tasks.items() if task.state == state}


def test_lost_tasks_are_kept_with_the_failed_ones_and_all_means_all(recorded):
    view = recorded().current
    tasks = view.tasks | {"W0.2.2": replace(view.tasks["W0.2.2"], state="lost")}
    assert plan.chosen(replace(view, tasks=tasks), "failed") == {"W0.2.2"}
    assert plan.chosen(view, "all") is None
