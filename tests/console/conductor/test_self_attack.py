"""After a failed self-attack check production is NO-GO whatever else is green, until a new check passes."""

import datetime

import msgspec
import pytest

from console.conductor.criteria import why_not_go
from console.journal.entries import Input, Waiver
from console.plan.types import Contingency, Criterion, Expectation, Record, Sign
from operations.events import Measured

RECORD = Record(label="Prevented", measure="prevented", expect=Expectation(equals=True))
PREVENTED = Criterion(
    label="self-attack prevented",
    task="test",
    measure="prevented",
    compare="==",
    threshold=True,
    kind="software",
    waivable=False,
)
ACCURACY = Criterion(
    label="gauntlet", task="split", measure="accuracy", compare=">", threshold=0.94, kind="software", ours=True
)
SEEN = Criterion(label="seen before", task="split", measure="seen", compare="==", threshold=0, kind="software")


@pytest.fixture
def story(tell):
    """`train` makes a specialist, `split` is the gauntlet, `test` the self-attack check; all else is green."""
    story = tell()
    tasks = story.plan.task
    tasks["split"] = msgspec.structs.replace(tasks["split"], operation="model.gauntlet", needs=["train"], parameters={})
    tasks["train"] = msgspec.structs.replace(tasks["train"], needs=["make"])
    tasks["test"] = msgspec.structs.replace(
        tasks["test"], operation="model.feedback", record={"prevented": RECORD}, deliverable={}
    )
    story.plan.gate["G"] = msgspec.structs.replace(
        story.plan.gate["G"], criterion={"gauntlet": ACCURACY, "seen": SEEN, "self_attack": PREVENTED}
    )
    story.plan.contingency["C-13"] = Contingency(
        cause="self-attack",
        condition="The models attack themselves",
        action="DO NOT DEPLOY.",
        task=["test", "mourn"],
        sign=[Sign(task="test", measure="prevented", value=Expectation(equals=False))],
        gate="G",
    )
    story.did("make")
    story.made = "w1"
    story.specialist = story.did("train", artefacts=[("checkpoint", "w1")])
    gauntlet = [tell.proportion(990, 1_000), Measured(t=0, name="seen", value=0)]
    story.did("split", measures=gauntlet, inputs=[model(story)])
    return story


def model(story) -> Input:
    return Input("silent_analyzer", "train", "checkpoint", story.specialist, story.made)


def checked(story, prevented: bool | None, reason: str = "") -> str:
    measured = Measured(t=0, name="prevented", value=prevented, reason=reason)
    return story.did("test", measures=[measured], inputs=[model(story)])


def test_it_is_go_only_once_the_check_has_passed(story):
    assert story.view.gates["G"].may_go is False
    checked(story, True)
    assert [c.met for c in story.view.gates["G"].criteria] == [True, True, True]
    assert story.view.gates["G"].may_go is True
    assert story.view.contingencies["C-13"].state == "quiet"


@pytest.mark.parametrize(
    ("prevented", "verdict"), [(False, "not met"), (None, "not measured: no seed raised an alert")]
)
def test_a_failed_check_is_no_go_and_cannot_be_waived(story, prevented, verdict):
    job = checked(story, prevented, "no seed raised an alert" if prevented is None else "")
    view = story.view
    gate = view.gates["G"]
    assert [c.met for c in gate.criteria] == [True, True, prevented]
    assert gate.may_go is False
    waiver = Waiver(criterion="self_attack", reason="never mind", until=datetime.date(2026, 1, 1))
    (why,) = why_not_go(gate.criteria, (waiver,))
    assert why.startswith(f"self-attack prevented {verdict}")
    called = view.contingencies["C-13"]
    assert called.state == ("open" if prevented is False else "quiet")
    if prevented is False:
        assert called.signs == (f"test prevented: no, job {job}",)
        assert any(id == "C-13" and "DO NOT DEPLOY" in text for id, text in view.attention)
    assert view.tasks["test"].state == "done", "the job did its work: what it found is a value"


def test_after_a_no_go_it_takes_a_new_check_that_passes(story):
    checked(story, False)
    story.decided("no-go")
    assert story.state_of("mourn") == "ready"
    assert story.view.contingencies["C-13"].signs[0].startswith("G is NO-GO")
    assert story.view.gates["G"].may_go is False
    second = checked(story, False)
    assert any(second in sign for sign in story.view.contingencies["C-13"].signs), "it failed again"
    checked(story, True)
    gate = story.view.gates["G"]
    assert [c.met for c in gate.criteria] == [True, True, True]
    assert gate.stale, "the decision stood on the failed check"
    story.decided("go")
    assert story.view.gates["G"].state == "go"
    assert story.view.contingencies["C-13"].state == "quiet"


def test_a_check_of_other_specialists_is_stale_and_no_pass(story):
    checked(story, True)
    story.specialist, story.made = story.did("train", artefacts=[("checkpoint", "w2")]), "w2"
    gate = story.view.gates["G"]
    assert [c.met for c in gate.criteria] == [None, None, None]
    assert gate.may_go is False
    checked(story, True)
    assert [c.met for c in story.view.gates["G"].criteria] == [None, None, True], (
        "the gauntlet is still of the old ones"
    )
