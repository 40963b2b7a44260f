"""Stub operations through job, journal, checklist and gate, with real processes."""

import asyncio
from pathlib import Path

import pytest

from console.conductor.errors import BadInput, Refused, Unusable
from console.conductor.rehearse import Rehearsal
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace

STUB = Path(__file__).parents[2] / "stub"


@pytest.fixture
async def conductor(tmp_path):
    made = Conductor(Workspace.create(tmp_path / "w", STUB / "plan", STUB / "site.toml", "Ada"), "Ada")
    yield made
    await made.close()


async def run(conductor, task, **sets):
    for job in await conductor.start(task, sets):
        await asyncio.wait_for(conductor.runs.see_to_end(job), 30)
    return conductor.workspace.view().tasks[task]


async def rehearse(conductor, **sets):
    told = []
    ending = await asyncio.wait_for(Rehearsal(conductor, sets, told.append).through("G1"), 60)
    return ending, conductor.workspace.view(), told


async def test_a_rehearsal_goes_through_and_every_value_names_its_job(conductor):
    ending, view, _ = await rehearse(conductor)
    assert ending.kind == "through", ending
    assert view.gates["G1"].state == "go"
    assert view.gates["G1"].decision.actor == "rule"
    assert view.gates["G1"].not_proven == ("speed: the hosts share one machine",)
    assert view.next_gate == "", "a retest is no gate to come while there is no NO-GO"
    states = {id: task.state for id, task in view.tasks.items()}
    assert states == {
        "make": "done",
        "bring": "done",
        "count": "done",
        "watch": "done",
        "grade": "done",
        "talk": "skipped",
        "decide": "done",
        "mourn": "locked",
        "decide_again": "locked",
        "go_on": "ready",
    }
    records = {(t.id, r.slug): r for t in view.tasks.values() for r in t.records}
    assert records["make", "lines"].value == 1000
    assert records["make", "lines"].source == view.tasks["make"].job.id
    assert records["count", "steps"].value == 100, "the site's amount"
    assert records["count", "temper"].source == "", "a rehearsal types no record"
    assert [row.step for row in records["watch", "seen"].rows] == list(range(10, 101, 10))
    assert not any(d.ticked_by for t in view.tasks.values() for d in t.deliverables)
    data = (conductor.workspace.path / "hosts/BETA").rglob("data.txt")
    assert next(data).read_text() == "hello\n" * 1000


async def test_to_the_plans_end_what_only_a_no_go_would_have_opened_holds_nothing_up(conductor):
    ending = await asyncio.wait_for(Rehearsal(conductor, {}, lambda _: None).through(""), 60)
    assert (ending.kind, ending.at) == ("through", ""), ending
    view = conductor.workspace.view()
    assert view.tasks["mourn"].state == "locked"
    assert view.tasks["go_on"].state in ("done", "skipped")


async def test_a_measure_below_the_threshold_ends_no_go_with_its_branch_open(conductor):
    ending, view, _ = await rehearse(conductor, grade={"right": "89"})
    assert (ending.kind, ending.at) == ("no-go", "G1")
    assert view.gates["G1"].state == "no-go"
    assert view.tasks["mourn"].state == "ready"
    assert view.tasks["go_on"].state == "locked"
    assert view.next_gate == "G1r"
    assert view.gates["G1"].opens == ("mourn", "decide_again")


async def test_a_retest_is_a_new_round_and_the_old_one_stays(conductor):
    await rehearse(conductor, grade={"right": "89"})
    with pytest.raises(Refused, match="needs mourn first"):
        conductor.retest("G1r", "better")
    conductor.tick("mourn", "D-3")
    assert conductor.workspace.view().gates["G1r"].state == "closed"
    with pytest.raises(BadInput, match="no option"):
        conductor.retest("G1r", "luck")
    opened = conductor.retest("G1r", "longer", {"grade": {"right": "88"}})
    assert (opened.round, opened.tasks) == (2, ["count", "watch", "grade"])
    view = conductor.workspace.view()
    assert {t.id: t.state for t in view.tasks.values() if t.round == 2} == {
        "count": "ready",
        "watch": "locked",
        "grade": "locked",
    }
    assert view.gates["G1"].state == "no-go"
    assert not view.gates["G1"].stale, "its evidence is the first round's"
    assert ("G1", "NO-GO: what is behind it stays locked") in view.attention
    assert view.gates["G1"].criteria[0].shown == "89 of 100 = 89.0 %"
    assert not view.gates["G1r"].may_go
    ending = await Rehearsal(conductor, {}, lambda _: None).through("G1r")
    assert (ending.kind, ending.at) == ("no-go", "G1r")
    again = conductor.retest("G1r", "better")
    assert (again.round, again.tasks) == (3, ["grade"])
    assert conductor.workspace.view().gates["G1r"].state == "ready", "a new round asks for a new decision"
    ending = await Rehearsal(conductor, {}, lambda _: None).through("G1r")
    assert ending.kind == "through"
    view = conductor.workspace.view()
    assert [(j.round, j.state) for j in view.tasks["grade"].jobs] == [(1, "done"), (2, "done"), (3, "done")]
    assert view.tasks["count"].round == 2
    assert view.tasks["count"].records[0].value == 150
    assert view.gates["G1r"].criteria[0].shown == "97 of 100 = 97.0 %"
    assert not any(id == "G1" for id, _ in view.attention), "its NO-GO was taken up again: nothing stays locked by it"
    assert view.tasks["go_on"].state == "ready"
    assert view.gates["G1"].criteria[0].shown == "89 of 100 = 89.0 %"


async def test_bad_parameters_are_all_named_before_anything_starts(conductor):
    with pytest.raises(Unusable) as raised:
        Rehearsal(conductor, {"grade": {"right": "-1", "colour": "red"}, "nowhere": {"x": "1"}}, print)
    assert len(raised.value.lines) == 3
    assert conductor.workspace.view().sequence == 1


async def test_what_can_not_start_is_refused_and_leaves_no_row(conductor):
    for task, says in (("count", "locked"), ("talk", "no operation"), ("nothing", "no task"), ("make", "colour")):
        with pytest.raises(Refused, match=says):
            await conductor.start(task, {"colour": "red"} if task == "make" else {})
    assert conductor.workspace.view().sequence == 1


async def test_two_consoles_can_not_start_one_task_twice(conductor):
    other = Conductor(Workspace.open(conductor.workspace.path), "Bob")
    await run(conductor, "make")
    await run(conductor, "bring")
    jobs = await conductor.start("count", {"steps": "2000"})
    with pytest.raises(Refused, match="running"):
        await other.start("count")
    await other.stop("count")
    await asyncio.gather(*(c.runs.see_to_end(job) for c in (conductor, other) for job in jobs))
    rows = [row.entry for row in other.rows()]
    assert sum(type(entry).__name__ == "JobFinished" and entry.job == jobs[0] for entry in rows) == 1
    assert other.workspace.view().tasks["count"].state == "ready"
    await other.close()


async def test_equal_uses_of_one_host_wait_for_each_other(conductor):
    await run(conductor, "make")
    await run(conductor, "bring")
    jobs = await conductor.start("count", {"steps": "5000"})
    with pytest.raises(Refused, match="running"):
        await conductor.start("count", again=True)
    await conductor.start("watch")
    await conductor.stop("count")
    await conductor.runs.see_to_end(jobs[0])


async def test_a_stopped_job_goes_on_where_it_was_and_ends_like_one_left_alone(conductor):
    await run(conductor, "make")
    await run(conductor, "bring")
    first = (await conductor.start("count"))[0]
    async for lines in conductor.hosts.follow("ALPHA", first):
        if b'"step":30' in lines:
            await conductor.stop("count")
            break
    await conductor.runs.see_to_end(first)
    view = conductor.workspace.view().tasks["count"]
    assert (view.state, view.job.state) == ("ready", "stopped")
    again = await run(conductor, "count")
    assert (again.state, again.job.continues) == ("done", first)
    link = next(
        m.value for m in conductor.workspace.journal.state.jobs[again.job.id].finished.measures if m.name == "link"
    )
    alone = await _again(conductor, "count")
    assert link == alone


async def _again(conductor, task):
    job = (await conductor.start(task, again=True, fresh=True))[0]
    await conductor.runs.see_to_end(job)
    return next(m.value for m in conductor.workspace.journal.state.jobs[job].finished.measures if m.name == "link")


async def test_running_anew_makes_what_hangs_on_it_stale_only_if_other_bytes_come_out(conductor):
    await rehearse(conductor)
    job = (await conductor.start("make", again=True))[0]
    await conductor.runs.see_to_end(job)
    assert not conductor.workspace.view().tasks["bring"].stale
    job = (await conductor.start("make", {"text": "other"}, again=True))[0]
    await conductor.runs.see_to_end(job)
    view = conductor.workspace.view()
    assert view.tasks["bring"].stale == ("make has made another data since",)
    assert view.tasks["grade"].stale
    assert view.gates["G1"].stale
    assert view.tasks["go_on"].state == "locked"


async def test_a_person_records_ticks_and_decides_under_a_name(conductor):
    await run(conductor, "make")
    await run(conductor, "bring")
    await run(conductor, "count")
    await run(conductor, "grade")
    assert conductor.record("count", "temper", "calm\x1b[31m") == "calm"
    with pytest.raises(Refused, match="measured by"):
        conductor.record("count", "steps", "7")
    conductor.tick("make", "D-1")
    with pytest.raises(Refused, match="already"):
        conductor.tick("make", "D-1")
    with pytest.raises(Refused, match="closed"):
        conductor.decide("G1", "go", "looks good")
    conductor.tick("talk", "D-2")
    file = conductor.decide("G1", "go", "93 is enough")
    view = conductor.workspace.view()
    assert view.gates["G1"].decision.also_ran
    text = (conductor.workspace.path / "decisions" / file).read_text()
    for expected in ('outcome = "GO (rehearsal)"', 'operator = "Ada"', "also_ran = true", "not_proven_here"):
        assert expected in text
    with pytest.raises(Refused, match="supersedes"):
        conductor.decide("G1", "no-go", "changed my mind")
    conductor.decide("G1", "no-go", "changed my mind", again=True)
    assert conductor.workspace.view().gates["G1"].state == "no-go"
    assert len(list((conductor.workspace.path / "decisions").glob("*.toml"))) == 2


async def test_no_name_no_write(conductor):
    conductor.operator = ""
    for act in (
        lambda: conductor.tick("make", "D-1"),
        lambda: conductor.record("count", "temper", "x"),
        lambda: conductor.decide("G1", "no-go", "x"),
    ):
        with pytest.raises(Refused, match="no name"):
            act()
    with pytest.raises(Refused, match="no name"):
        await conductor.start("make")
    assert conductor.workspace.view().sequence == 1


async def test_a_refusing_operation_fails_with_its_one_line(conductor):
    task = await run(conductor, "make", fail="the shelf is empty")
    assert (task.state, task.why) == ("failed", ("the shelf is empty",))
    assert (await run(conductor, "make")).state == "done"
    assert [job.attempt for job in conductor.workspace.view().tasks["make"].jobs] == [1, 2]


async def test_what_is_typed_is_read_as_the_record_asks(conductor):
    from console.conductor.given import parsed
    from console.plan.types import Expectation, Record

    hours, felt = Record(label="hours", unit="h"), Record(label="felt")
    up = Record(label="up", expect=Expectation(equals=True))
    assert parsed("t.h", hours, "1,200.5") == 1200.5
    assert parsed("t.h", hours, "12") == 12
    assert parsed("t.f", felt, "12") == "12"
    assert (parsed("t.u", up, "Yes"), parsed("t.u", up, "no")) == (True, False)
    for record, text in ((hours, "many"), (hours, "nan"), (hours, " "), (up, "perhaps"), (felt, "")):
        with pytest.raises(BadInput):
            parsed("t.x", record, text)


def change(conductor, old, new, file="one.toml"):
    path = conductor.workspace.path / "plan" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


async def test_a_changed_plan_is_shown_as_different_and_in_force_only_once_adopted(conductor):
    await rehearse(conductor)
    other = Conductor(Workspace.open(conductor.workspace.path), "Bob")
    change(conductor, 'compare = ">="\nthreshold = 0.9\nkind', 'compare = ">="\nthreshold = 0.99\nkind')
    opened = Workspace.open(conductor.workspace.path)
    assert opened.view().plan_differs
    assert opened.view().gates["G1"].criteria[0].asks == "≥ 90 %"
    assert opened.view().gates["G1"].state == "go"
    conductor.adopt()
    for console in (conductor, other):
        view = console.workspace.view()
        assert not view.plan_differs
        assert view.gates["G1"].criteria[0].asks == "≥ 99 %"
        assert view.gates["G1"].stale, "it was decided by other rules"
        assert view.tasks["go_on"].state == "locked"
    with pytest.raises(Refused, match="already"):
        conductor.adopt()
    change(conductor, 'title = "Count"', 'title = "Count on"')
    change(conductor, 'operation = "stub.grade"', 'operation = "stub.guess"')
    with pytest.raises(Unusable, match=r"stub.guess"):
        conductor.adopt()
    assert other.workspace.view().tasks["count"].title == "Count"
    await other.close()


async def test_notes_and_attachments_carry_their_author(conductor, tmp_path):
    conductor.note("talk", "we met\x1b]52;c;eA==\x07 at noon\nand agreed")
    (tmp_path / "minutes.md").write_text("# Minutes")
    where = conductor.attach("talk", tmp_path / "minutes.md")
    note, attachment = conductor.workspace.view().tasks["talk"].notes
    assert (note.text, note.operator) == ("we met at noon\nand agreed", "Ada")
    assert (attachment.text, attachment.file, attachment.size) == ("minutes.md", where, 9)
    assert (conductor.workspace.path / where).read_text() == "# Minutes"
    for bad in (tmp_path / "nothing", tmp_path):
        with pytest.raises(BadInput):
            conductor.attach("talk", bad)
    with pytest.raises(BadInput, match="empty"):
        conductor.note("talk", "  ")
