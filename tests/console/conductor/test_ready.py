"""Which tasks may start and what holds the others."""

import pytest


def test_a_fresh_plan_has_one_task_ready_and_says_what_holds_the_rest(tell):
    view = tell().view
    assert {id for id, t in view.tasks.items() if t.state == "ready"} == {"make", "early"}
    assert view.tasks["split"].why == ("needs make, which is ready",)
    assert view.tasks["watch"].why == ("train has not started",)
    assert view.tasks["next"].why == ("G is not decided",)
    assert view.done == 0


def test_the_way_of_a_run(tell):
    story = tell()
    job = story.start("make")
    assert story.state_of("make") == "running"
    assert story.state_of("split") == "locked"
    story.end(job)
    assert story.state_of("make") == "done"
    assert story.state_of("split") == "ready"


@pytest.mark.parametrize(
    ("outcome", "state"), [("failed", "failed"), ("lost", "lost"), ("stopped", "ready"), ("done", "done")]
)
def test_the_latest_attempt_is_the_state_and_its_reason_is_told(tell, outcome, state):
    story = tell()
    story.did("make")
    story.did("make", outcome, reason="the disk is full")
    assert story.state_of("make") == state
    if outcome != "done":
        assert "the disk is full" in story.view.tasks["make"].why[0]
    assert len(story.view.tasks["make"].jobs) == 2


def test_an_alternative_done_stands_for_the_other(tell):
    story = tell()
    story.did("make")
    story.did("split")
    story.did("early")
    assert story.state_of("train") == "skipped"
    assert story.view.tasks["train"].why == ("early was done instead",)
    assert story.state_of("watch") == "ready"
    assert story.state_of("test") == "ready"


def test_two_roles_are_done_when_both_are(tell):
    story = tell()
    sink, source = story.start("make", "sink"), story.start("make", "source")
    story.end(source)
    assert story.state_of("make") == "running"
    story.end(sink, "failed", reason="wrong token")
    assert story.state_of("make") == "failed"


def test_a_persons_task_is_done_when_everything_was_given_and_undone_when_a_tick_is_taken_back(tell):
    story = tell()
    story.chain(tell.proportion(95, 100))
    assert story.state_of("talk") == "ready"
    story.ticked("talk", "D-2")
    assert story.state_of("talk") == "ready"
    story.typed("talk", "who", "Bob")
    assert story.state_of("talk") == "done"
    story.ticked("talk", "D-2", undo=True)
    assert story.state_of("talk") == "ready"


def test_nothing_can_be_ticked_before_it_was_done(tell):
    story = tell()
    assert "locked" in story.view.tasks["test"].deliverables[0].why_not
    story.did("make")
    story.did("split")
    story.did("train")
    assert "has not run" in story.view.tasks["test"].deliverables[0].why_not
    story.did("test")
    assert story.view.tasks["test"].deliverables[0].may_tick


def test_no_go_opens_its_branch_and_what_is_behind_says_why(tell):
    story = tell()
    story.chain(tell.proportion(80, 100))
    assert story.state_of("mourn") == "locked"
    story.decided("no-go")
    assert story.state_of("mourn") == "ready"
    assert story.state_of("decide") == "done"
    assert story.view.tasks["next"].state == "locked"
    assert story.view.tasks["next"].why == ("G is no-go",)


def test_go_opens_what_is_behind_and_locks_the_other_branch(tell):
    story = tell()
    story.chain(tell.proportion(95, 100), tell.proportion(100, 100, "coherent"))
    story.decided("go")
    assert story.state_of("next") == "ready"
    assert story.view.tasks["mourn"].why == ("G is go",)


def test_a_go_on_evidence_that_changed_since_opens_nothing(tell):
    story = tell()
    story.chain(tell.proportion(95, 100), tell.proportion(100, 100, "coherent"))
    story.decided("go")
    story.did("test", measures=[tell.proportion(99, 100), tell.proportion(100, 100, "coherent")])
    assert story.view.gates["G"].stale
    assert "decide again" in story.view.tasks["next"].why[0]


def test_a_skipped_task_satisfies_needs(tell):
    story = tell()
    story.skipped("make")
    assert story.state_of("make") == "skipped"
    assert story.state_of("split") == "ready"


def test_what_waits_for_a_person_is_told_after_what_presses(tell):
    story = tell()
    assert story.view.attention == ()
    story.chain(tell.proportion(95, 100))
    assert story.view.attention == (
        ("G", "ready to be decided"),
        ("talk", "a person's task: 0 of 2 given"),
        ("test", "1 box to tick"),
    )
    story.ticked("test", "D-1")
    story.typed("talk", "who", "Bob")
    story.did("test", "failed", reason="no memory")
    assert story.view.attention[0] == ("test", "failed: no memory (holds talk and 1 more)")
