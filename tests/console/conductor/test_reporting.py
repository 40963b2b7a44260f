"""The report over rounds, contingencies and days, and the plan's addendum after GO."""

import asyncio
import re
from pathlib import Path

import pytest

from console.conductor.errors import Refused
from console.conductor.rehearse import Rehearsal
from console.conductor.reporting import only_addendum, whole
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace

STUB = Path(__file__).parents[2] / "stub"


@pytest.fixture(scope="module")
def retested(tmp_path_factory):
    """NO-GO at 89 of 100 with 100 steps; a retest with 150 steps and 97 of 100 is GO."""
    home = tmp_path_factory.mktemp("retested") / "w"

    async def through() -> None:
        conductor = Conductor(Workspace.create(home, STUB / "plan", STUB / "site.toml", "Ada"), "Ada")
        try:
            await Rehearsal(conductor, {"grade": {"right": "89"}}, lambda _: None).through("G1")
            with pytest.raises(Refused, match="G1 is not GO"):
                only_addendum(conductor, "markdown")
            conductor.tick("mourn", "D-3")
            conductor.retest("G1r", "longer", {"grade": {"right": "97"}})
            ending = await Rehearsal(conductor, {}, lambda _: None).through("G1r")
            assert ending.kind == "through", ending
        finally:
            await conductor.close()

    asyncio.run(through())
    opened = Conductor(Workspace.open(home), "Ada")
    yield opened
    opened.workspace.close()


def section(text: str, head: str) -> str:
    """From a heading to the next of its level."""
    found = re.search(rf"^(#+) {head}.*?(?=^\1 |\Z)", text, re.M | re.S)
    assert found, f"no section {head}"
    return found[0]


def test_both_rounds_stand_side_by_side(retested):
    grade = section(whole(retested, "markdown"), "grade ")
    first, second = grade.split("Round 2, in force")
    assert "89 of 100" in first
    assert "Round 1, before the retest" in first
    assert "97 of 100" in second


def test_both_rounds_curves_are_drawn_together(retested):
    html = whole(retested, "html")
    figure = re.search(r"<figure>(?:(?!</figure>).)*count: loss.*?</figure>", html, re.S)
    assert figure, "the training's curve"
    assert "round 1" in figure[0]
    assert "round 2" in figure[0]
    assert len(re.findall(r"<poly|<path", figure[0])) >= 2
    steps = section(whole(retested, "markdown"), "count ")
    assert "round 1" in steps
    assert "round 2" in steps


def test_the_addendum_has_results_decision_and_the_phase_that_begins(retested):
    text = only_addendum(retested, "markdown").replace("\\", "")
    assert "97 of 100 = 97" in section(text, "Results")
    said = "G1r: GO (rehearsal); not proven here: G1 speed: the hosts share one machine. By rule, in a rehearsal"
    assert said in section(text, "Decision")
    assert "Go on" in section(text, "Two")
    assert "REHEARSAL" in text
    assert only_addendum(retested, "markdown").splitlines()[0] in whole(retested, "markdown").replace("\n## ", "\n# ")


def test_a_plan_without_an_addendum_says_so(tmp_path):
    from console.plan.loading import shipped

    made = Workspace.create(tmp_path / "w", shipped("data-release"), shipped("sites/this-machine.toml"), "Ada")
    with pytest.raises(Refused, match="asks for no addendum"):
        only_addendum(Conductor(made, "Ada"), "markdown")
    made.close()
