"""The shipped plan in a real workspace, day by day with a set clock: due, overdue, slipped, and the forecast."""

import datetime
from dataclasses import dataclass

import msgspec
import pytest

from console import clock
from console.conductor.timeline import timeline
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.journal.entries import JobFinished, JobStarted
from console.plan.loading import shipped
from operations.events import Measured

START = datetime.date(2025, 10, 16)


@dataclass
class Days:
    """The workspace, and the day of the programme with a time of it."""

    conductor: Conductor
    moment: datetime.datetime = datetime.datetime(2025, 10, 16, 8, tzinfo=datetime.UTC)
    jobs: int = 0

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

    def _append(self, *rows) -> None:
        self.conductor.workspace.journal.append("Ada", lambda _: [(None, row) for row in rows])

    def began(self, task: str) -> str:
        """The task's job is journalled as started."""
        self.jobs += 1
        row = JobStarted(
            job=f"job-{self.jobs}", task=task, round=1, occurrence="", role="", host="ALPHA", attempt=1,
            operation=self.conductor.workspace.plan.task[task].operation, parameters={}, inputs=[],
        )  # fmt: skip
        self._append(row)
        return row.job

    def ended(self, task: str, **measures) -> None:
        """Its job ends well, with these measures."""
        job = self.conductor.workspace.scene().attempts(task)[-1].started.job
        told = [Measured(t=0.0, name=name, value=value) for name, value in measures.items()]
        self._append(
            JobFinished(
                job=job,
                outcome="done",
                reason="",
                signal="",
                measures=told,
                artefacts=[],
                events_bytes=0,
                events_sha256="",
            )
        )

    def did(self, *tasks: str, **measures) -> None:
        """The tasks' jobs as journalled at this moment: what a host said of them is not what is tested here."""
        for task in tasks:
            self.began(task)
            self.ended(task, **measures)

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
    days.began("W2.1")


def test_daily_checks_and_sunday_backups_fall_due_while_the_training_runs(days):
    launched(days)
    days.turn(15, "08:30")
    assert days.needs["W2.2"] == "next at 09:00 UTC: every day"
    days.did("W2.2", step=1_000)
    assert days.needs["W2.2"] == "next at 2025-10-31 09:00 UTC: every day"
    days.turn(16, "10:00")
    assert days.needs["W2.2"] == "due since 09:00 UTC: every day"
    assert "W2.3b" not in days.needs, "there is no checkpoint that was looked at"
    days.did("W2.3")
    days.turn(18, "10:00")
    assert days.needs["W2.3b"] == "due since 00:00 UTC: every Sunday"
    days.did("W2.2", step=40_000)
    rows = next(r for r in days.conductor.workspace.view().tasks["W2.2"].records if r.slug == "step").rows
    assert [(row.label, row.value) for row in rows] == [("2025-10-30", 1_000), ("2025-11-02", 40_000)]


def test_issues_in_the_daily_check_call_for_c_09(days):
    launched(days)
    days.turn(15, "08:30")
    days.did("W2.2", status="ISSUES", any_errors=True)
    assert days.needs["C-09"] == "Errors in the daily check: Investigate at once."
    held = days.conductor.workspace.view().contingencies["C-09"]
    assert len(held.signs) == 2
    days.turn(16, "08:30")
    days.did("W2.2", status="ON TRACK", any_errors=False)
    assert days.conductor.workspace.view().contingencies["C-09"].state == "quiet"


def test_the_looks_end_with_the_training(days):
    launched(days)
    days.did("W2.2", "W2.3")
    days.turn(20, "10:00")
    assert days.needs["W2.3"].startswith("due since 2025-10-31")
    days.ended("W2.1")
    assert not {"W2.2", "W2.3", "W2.3b"} & {id for id, text in days.needs.items() if "due" in text}


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
