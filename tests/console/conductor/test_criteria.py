"""What a gate says of its evidence: met, not met, not measured; never open by default."""

import datetime

import msgspec
import pytest

from console.journal.entries import Input, Waiver


def criterion(story, name="accuracy"):
    return next(c for c in story.view.gates["G"].criteria if c.name == name)


def test_nothing_measured_is_not_met_and_go_is_off(tell):
    gate = tell().view.gates["G"]
    assert [c.met for c in gate.criteria] == [None, None]
    assert [c.shown for c in gate.criteria] == ["n/a", "n/a"]
    assert not gate.may_go
    assert gate.state == "closed"


@pytest.mark.parametrize(("count", "met"), [(89, False), (90, True), (93, True)])
def test_the_threshold_is_compared_as_written_at_its_edge(tell, count, met):
    story = tell()
    story.chain(tell.proportion(count, 100))
    found = criterion(story)
    assert found.met is met
    assert found.shown == f"{count} of 100 = {count}.0 %"
    assert found.asks == "≥ 90 %"


def test_greater_is_not_greater_or_equal(tell):
    story = tell()
    story.chain(tell.proportion(95, 100), tell.proportion(98, 100, "coherent"))
    assert criterion(story, "errors").met is False
    assert criterion(story, "errors").asks == "> 98 %"


def test_interval_and_what_would_be_enough_stand_beside(tell):
    story = tell()
    story.chain(tell.proportion(93, 100))
    found = criterion(story)
    assert [round(b * 100, 1) for b in found.interval] == [86.3, 96.6]
    assert found.enough == 96


def test_too_small_a_sample_measures_nothing(tell):
    story = tell()
    story.chain(tell.proportion(50, 50))
    assert criterion(story).met is None
    assert "at least 100" in criterion(story).reason


def test_a_value_that_could_not_be_had_is_not_met_and_says_why(tell):
    from operations.events import Measured

    story = tell()
    story.chain(Measured(t=0, name="accuracy", value=None, reason="no model"))
    assert (criterion(story).met, criterion(story).reason) == (None, "no model")
    story.did("test", measures=[Measured(t=0, name="accuracy", value=None, nonfinite="nan")])
    assert "nan" in criterion(story).reason


def test_only_the_latest_attempt_counts_so_that_a_failed_one_can_not_hide_behind_an_older(tell):
    story = tell()
    story.chain(tell.proportion(95, 100))
    assert criterion(story).met is True
    story.did("test", "failed", reason="out of memory")
    assert criterion(story).met is None
    assert "out of memory" in criterion(story).reason


def test_stale_is_not_met(tell):
    story = tell()
    story.chain(tell.proportion(95, 100), tell.proportion(100, 100, "coherent"))
    assert story.view.gates["G"].may_go
    make = story.did("make", artefacts=[("dataset", "d2")])
    assert story.view.tasks["split"].stale == ("make has made another dataset since",)
    assert criterion(story).met is None
    assert criterion(story).stale
    assert not story.view.gates["G"].may_go
    story.did("split", artefacts=[("train", "t1")], inputs=[Input("source", "make", "dataset", make, "d2")])
    assert not criterion(story).stale, "the same bytes came out again: nothing that hangs on them is stale"


def test_a_facility_criterion_stands_aside_only_where_the_first_row_says_so(tell):
    aside = {"G.errors": "no such place"}
    story = tell(rehearsal=True, not_here=aside)
    story.chain(tell.proportion(95, 100), tell.proportion(10, 100, "coherent"))
    found = criterion(story, "errors")
    assert (found.gates, found.met) == (False, False), "its true verdict stays, red if red"
    assert "not proven here" in found.reason
    assert story.view.gates["G"].may_go
    assert story.view.gates["G"].not_proven == ("errors: no such place",)
    real = tell(rehearsal=False, not_here=aside)
    real.chain(tell.proportion(95, 100), tell.proportion(10, 100, "coherent"))
    assert not real.view.gates["G"].may_go


def test_a_gate_where_nothing_gates_is_passed_over_and_never_go(tell):
    story = tell(rehearsal=True, not_here={"G.errors": "a", "G.accuracy": "b"})
    story.chain(None)
    gate = story.view.gates["G"]
    assert gate.state == "passed-over"
    assert not gate.may_go
    assert story.state_of("next") == "ready"
    assert story.state_of("mourn") == "locked"


def test_a_waiver_excuses_until_it_expires_and_never_what_can_not_be_waived(tell):
    story = tell()
    story.chain(tell.proportion(80, 100), tell.proportion(50, 100, "coherent"))
    until = tell.now.date()
    story.decided("go", [Waiver("errors", "known", until), Waiver("accuracy", "please", until)])
    reasons = story.view.gates["G"].why_not
    assert len(reasons) == 1
    assert reasons[0].startswith("accuracy not met")
    assert criterion(story, "errors").waived == f"known (until {until.isoformat()})"
    story.decided("go", [Waiver("errors", "known", until - datetime.timedelta(days=1))])
    assert len(story.view.gates["G"].why_not) == 2


def test_who_ran_the_work_is_found_through_the_lineage(tell):
    story = tell()
    make = story.start("make", operator="Bob")
    story.end(make, artefacts=[("dataset", "d1")])
    story.did("split", inputs=[Input("source", "make", "dataset", make, "d1")])
    split = story.state.runs["split", 1][0].started.job
    story.did("test", measures=[tell.proportion(95, 100)], inputs=[Input("x", "split", "train", split, "")])
    assert story.view.gates["G"].also_ran == ("Ada", "Bob")


def test_records_show_what_a_job_measured_apart_from_what_a_person_typed(tell):
    story = tell()
    story.chain(tell.proportion(93, 100))
    story.typed("test", "note", "fine")
    accuracy, note, hours = story.view.tasks["test"].records
    assert (accuracy.value, accuracy.met, accuracy.source, accuracy.typed) == (0.93, True, "job4", False)
    assert (note.value, note.source, note.typed) == ("fine", "Ada", True)
    assert (hours.value, hours.source) == (None, "")
    assert accuracy.expected == "≥ 0.9"


def test_the_sites_amount_stands_beside_the_plans(tell):
    found = next(p for p in tell().view.tasks["make"].parameters if p.name == "samples")
    assert (found.value, found.plan, found.source) == (200, 1000, "site")


def test_a_criterion_on_a_typed_record_names_who_typed_it(tell):
    story = tell()
    gate = story.plan.gate["G"]
    hours = msgspec.structs.replace(
        gate.criterion["accuracy"], measure="", record="hours", threshold=3, smallest_sample=0
    )
    story.plan.gate["G"] = msgspec.structs.replace(gate, criterion={"hours": hours})
    assert criterion(story, "hours").reason == "nobody has typed hours of test"
    story.typed("test", "hours", 2.5)
    assert criterion(story, "hours").met is False
    story.typed("test", "hours", 3)
    found = criterion(story, "hours")
    assert (found.met, found.shown, found.typed.split(",")[0], found.job) == (True, "3 h", "Ada", "")
    story.typed("test", "hours", "many")
    assert criterion(story, "hours").met is None
    story.typed("test", "hours", True)
    assert criterion(story, "hours").met is None, "yes is no number"
