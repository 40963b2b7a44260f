"""The shipped plan in a real workspace, day by day with a set clock: due, overdue, slipped, and the forecast."""

import datetime
from dataclasses import dataclass

import msgspec
import pytest

from console import clock
from console.conductor.errors import Refused
from console.conductor.timeline import timeline
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.journal.entries import JobFinished, JobStarted
from console.plan.loading import shipped

START = datetime.date(2025, 10, 16)


@dataclass
class Days:
    """The workspace, and the day of the programme with a time of it."""

    conductor: Conductor
    moment: datetime.datetime = datetime.datetime(2025, 10, 16, 8, tzinfo=datetime.UTC)

    def turn(self, day: int, time: str = "08:00") -> "Days":
        date = START + datetime.timedelta(days=day - 1)
        self.moment = datetime.datetime.combine(date, datetime.time.fromisoformat(time), datetime.UTC)
        return self

    @property
    def needs(self) -> dict[str, str]:
        return dict(self.conductor.workspace.view().attention)

    @property
    def times(self):
        return timeline(self.conductor.workspace.scene())

    def did(self, *tasks: str) -> None:
        """The tasks' jobs as journalled at this moment: what a host said of them is not what is tested here."""
        for task in tasks:
            asked = self.conductor.workspace.plan.task[task]
            job = f"job-{task}"
            started = JobStarted(
                job=job, task=task, round=1, occurrence="", role="", host="ALPHA", attempt=1,
                operation=asked.operation, parameters={}, inputs=[],
            )  # fmt: skip
            ended = JobFinished(
                job=job,
                outcome="done",
                reason="",
                signal="",
                measures=[],
                artefacts=[],
                events_bytes=0,
                events_sha256="",
            )
            self.conductor.workspace.journal.append("Ada", lambda _, rows=(started, ended): [(None, r) for r in rows])

    def give(self, task: str, **values: str) -> None:
        """Every typed record and deliverable of a person's task."""
        asked = self.conductor.workspace.plan.task[task]
        for slug, record in asked.record.items():
            text = values.get(slug, {"flag": "yes", "number": "1", "text": "seen"}[record.typed_as])
            self.conductor.record(task, slug, text)
        for deliverable in asked.deliverable:
            self.conductor.tick(task, deliverable)


@pytest.fixture
def days(tmp_path, monkeypatch):
    moment = Days.moment
    monkeypatch.setattr(clock, "now", lambda: moment)
    made = Workspace.create(tmp_path / "w", shipped("gladiator"), shipped("sites/rehearsal.toml"), "Ada", START)
    days = Days(Conductor(made, "Ada"))
    monkeypatch.setattr(clock, "now", lambda: days.moment)
    yield days
    made.close()


def test_a_week_that_slips(days):
    assert days.needs == {}
    assert days.times.expected_end == days.times.planned_end
    assert not any(t.overdue for t in days.times.times.values())

    days.did("P-01")
    days.turn(1, "12:00")
    assert days.needs["W0.1.1"] == "overdue since 2025-10-16 11:00 UTC"
    assert days.times.times["W0.1.1"].overdue
    assert days.times.times["W0.1.1"].slip >= datetime.timedelta(hours=4)

    days.turn(3)
    late = days.times
    assert late.times["W0.1.1"].slip >= datetime.timedelta(days=1, hours=23)
    assert days.needs["W0.1.2"].startswith("should have begun, but needs W0.1.1, which is ready, and ")

    days.did("W0.1.1", "W0.1.2", "W0.1.3", "P-03", "W0.1.4", "W0.1.5")
    assert days.times.times["W0.1.1"].ended == days.moment
    caught_up = days.times.times["W0.2.1"].expected_end
    days.turn(9)
    assert days.times.times["W0.2.1"].expected_end - caught_up >= datetime.timedelta(days=5)
    assert days.times.expected_end == late.expected_end, "the weeks have room for five days"
    days.turn(70)
    assert days.times.expected_end - late.expected_end > datetime.timedelta(days=13)
    assert any(m.expected > m.planned for m in days.times.milestones if m.id == "T-0")


def test_the_buffer_day_calls_for_its_contingency_and_is_answered(days):
    assert days.conductor.workspace.view().contingencies["C-07"].state == "quiet"
    days.turn(5)
    assert days.needs["C-07"].startswith("Training, analysis, review or documents take longer")
    days.conductor.answer("C-07", "day 5 goes to the training")
    assert "C-07" not in days.needs
    assert days.conductor.workspace.view().contingencies["C-07"].answers[0].text == "day 5 goes to the training"


def launched(days) -> None:
    """The blue team's training is under way on day 15, as if all before it were done."""
    plan = days.conductor.workspace.plan
    for phase in ("W1", "W2-3"):
        msgspec.structs.force_setattr(plan.phase[phase], "when", "")
    days.turn(15, "07:30")
    days.give("W2.1")


def test_daily_checks_and_sunday_backups_fall_due_and_remind(days):
    launched(days)
    days.turn(15, "08:30")
    assert days.needs["W2.2"] == "due until 09:00 UTC on 2025-10-30"
    days.give("W2.2", status="ON TRACK", errors="no", step="1000")
    assert "W2.2" not in days.needs
    days.turn(16, "10:00")
    assert days.needs["W2.2"] == "due since 09:00 UTC on 2025-10-31"
    assert "W2.3b" not in days.needs, "Friday"
    days.turn(18, "10:00")
    assert days.needs["W2.3b"] == "due on 2025-11-02", "Sunday"
    task = days.conductor.workspace.view().tasks["W2.2"]
    assert [(d.id, d.state) for d in task.occurrences] == [
        ("2025-10-30", "done"), ("2025-10-31", "missed"), ("2025-11-01", "missed"), ("2025-11-02", "due"),
        ("2025-11-03", "coming"),
    ]  # fmt: skip
    days.conductor.skip("W2.2", "nobody was there", occurrence="2025-10-31")
    days.conductor.record("W2.2", "step", "40000", occurrence="2025-11-01")
    rows = days.conductor.workspace.view().tasks["W2.2"].records[0].rows
    assert [(row.label, row.value) for row in rows] == [("2025-10-30", 1000), ("2025-11-01", 40000)]


def test_issues_in_the_daily_check_call_for_c_09(days):
    launched(days)
    days.turn(15, "08:30")
    days.give("W2.2", status="ISSUES", errors="yes")
    assert days.needs["C-09"] == "Errors in the daily check: Investigate at once."
    held = days.conductor.workspace.view().contingencies["C-09"]
    assert len(held.signs) == 2
    days.turn(16, "08:30")
    days.give("W2.2", status="ON TRACK", errors="no")
    assert days.conductor.workspace.view().contingencies["C-09"].state == "quiet"


def test_the_days_end_with_the_training(days):
    launched(days)
    days.turn(15, "08:30")
    for task in ("W2.2", "W2.3"):
        days.give(task)
    days.turn(15, "20:00")
    days.give("W2.4")
    days.turn(20)
    assert [d.state for d in days.conductor.workspace.view().tasks["W2.3"].occurrences] == ["done"]
    assert days.conductor.workspace.view().tasks["W2.3"].state == "done"
    with pytest.raises(Refused, match="no day 2025-11-04"):
        days.conductor.record("W2.3", "count", "5", occurrence="2025-11-04")


def test_a_clock_that_jumps_back_keeps_the_order_and_says_so(days):
    days.turn(2)
    days.conductor.note("P-02", "later")
    days.turn(1)
    days.conductor.note("P-02", "earlier, says the clock")
    state = days.conductor.workspace.journal.state
    assert state.clock_back == [3]
    assert [remark.entry.text for remark in state.notes["P-02"]] == ["later", "earlier, says the clock"]
    from console.conductor.reporting import whole

    assert "A clock went back before row 3" in whole(days.conductor, "markdown")
