"""Acting: dialogs ask what is missing, the conductor decides, refusals are said and nothing is written."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from console.conductor.view import ParameterView, RecordView
from console.plan import types
from operations.contract import Relayed

WIDE = (120, 40)


async def go(app, pilot, task: str) -> None:
    app.console_screen.go(task)
    await pilot.pause()


async def test_run_starts_with_what_the_form_holds(recorded, console, settled, shown):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.4")
        await pilot.press("r")
        await pilot.pause()
        screen = "\n".join(shown(app))
        assert "Run W0.2.4" in screen
        assert "site (plan: 32)" in screen
        assert "train of W0.1.3" in screen
        await pilot.press("end", "backspace", "backspace", "backspace", "2", "5")
        await pilot.pause()
        assert "gladiator-console run /tmp/rehearsal W0.2.4 --set steps=25" in "\n".join(shown(app))
        await pilot.press("ctrl+r")
        await pilot.pause(0.1)
        assert service.asked == [("start", "W0.2.4", {"steps": "25"}, False, False)]
        assert "W0.2.4 started: job 0badcafe" in "\n".join(shown(app))


async def test_a_bad_value_is_said_at_its_field_and_starts_nothing(recorded, console, settled, shown):
    service = recorded()
    service.refuse = "W0.2.4.batch = 'many': Expected `int`, got `str`; W0.2.4.rate = '9': Expected `float` <= 1.0"
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.4")
        await pilot.press("r", "down", "x", "ctrl+r")
        await pilot.pause(0.2)
        rows = shown(app)
        place = next(n for n, row in enumerate(rows) if "site (plan: 32)" in row)
        assert "Expected `int`, got `str`" in "".join(rows[place + 1 : place + 3])
        assert any("Expected `float` <= 1.0" in row for row in rows)
        assert any("nothing was started" in row for row in rows)
        assert service.asked == []
        await pilot.press("escape")
        assert app.screen is app.console_screen


@pytest.mark.parametrize(
    ("ended", "offered"),
    [(None, False), ({"state": "done"}, False), ({"state": "failed"}, False), ({"state": "stopped"}, True),
     ({"state": "lost"}, True), ({"state": "failed", "signal": "SIGKILL"}, True)],
)  # fmt: skip
async def test_only_what_was_interrupted_is_offered_to_be_continued(recorded, console, settled, ended, offered):
    service = recorded()
    tasks = dict(service.current.tasks)
    jobs = tasks["W0.2.1"].jobs[-1:] if ended else ()
    tasks["W0.2.1"] = replace(tasks["W0.2.1"], state="ready", jobs=tuple(replace(job, **ended) for job in jobs))
    service.current = replace(service.current, tasks=tasks)
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.1")
        await pilot.press("r")
        await pilot.pause()
        assert bool(app.screen.query("#resume")) is offered


async def test_an_empty_field_says_what_that_means(recorded, console, settled, shown):
    service = recorded()
    tasks = dict(service.current.tasks)
    empty = ParameterView("batch", None, None, "operation", True, "rows a step", False, "value")
    artefact = ParameterView("configuration", "configuration of W0.1.5", None, "plan", False, "", False, "artefact")
    tasks["W0.2.4"] = replace(tasks["W0.2.4"], parameters=(empty, artefact))
    service.current = replace(service.current, tasks=tasks)
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.4")
        assert "batch          from configuration" in app.query_one("#task").plain
        await pilot.press("r")
        await pilot.pause()
        assert "from configuration" in "\n".join(shown(app))
        assert app.screen.query_one("#p0").placeholder == "from configuration"


async def test_the_form_says_that_the_console_is_to_relay(recorded, console, settled, shown):
    service = recorded()
    tasks = dict(service.current.tasks)
    via = ParameterView("via", "raw", "raw", "operation", True, "which way", False, "value")
    relay = ParameterView("relay", None, None, "operation", False, "", False, "relay")
    tasks["W0.2.4"] = replace(tasks["W0.2.4"], parameters=(via, relay))
    service.current = replace(service.current, tasks=tasks)
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.4")
        assert "relay" not in app.query_one("#task").plain
        await pilot.press("r")
        await pilot.pause()
        assert "through the console" not in "\n".join(shown(app))
        await pilot.press("end", "backspace", "backspace", "e", "l", "a", "y")
        await pilot.pause()
        assert "through the console: asked for (via)" in "\n".join(shown(app))
        await pilot.press("escape")
        tasks["W0.2.4"] = replace(tasks["W0.2.4"], parameters=(via, replace(relay, value=Relayed("no identity"))))
        service.current = replace(service.current, tasks=dict(tasks))
        app.look()
        await pilot.pause()
        assert "relay  through the console: no identity" in app.query_one("#task").plain


async def test_on_a_small_terminal_many_fields_leave_the_way_to_start_in_sight(recorded, console, settled, shown):
    service = recorded()
    tasks = dict(service.current.tasks)
    made = types.ArtefactFrom(task="W0.1.5", artefact="configuration")
    source = ParameterView("evidence_collector_results", made, None, "plan", False, "from where", True, "artefact")
    amounts = tuple(ParameterView(f"amount{n}", n, n, "plan", True, "how much", False, "value") for n in range(20))
    tasks["W0.2.4"] = replace(tasks["W0.2.4"], state="done", parameters=(source, *amounts))
    service.current = replace(service.current, tasks=tasks)
    app = console(service)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.4")
        await pilot.press("r")
        await pilot.pause()
        rows = shown(app)
        assert any("evidence_collector_results configuration of W0.1.5" in row for row in rows)
        assert any("gladiator-console run /tmp/rehearsal W0.2.4" in row for row in rows)
        assert any("Run (ctrl+r)" in row for row in rows)


async def test_a_yes_or_no_is_asked_in_words(recorded, console, settled, shown):
    service = recorded()
    tasks = dict(service.current.tasks)
    flag = RecordView("seen", "seen to fall", "", True, value=True, expected="= yes", met=True, source="arthur")
    tasks["W0.2.1"] = replace(tasks["W0.2.1"], records=(flag,))
    service.current = replace(service.current, tasks=tasks)
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert "seen to fall  yes  as expected" in app.query_one("#task").plain
        await pilot.press("e")
        await pilot.pause()
        assert "now yes, by arthur" in "\n".join(shown(app))


async def test_another_refusal_stands_below_the_form(recorded, console, settled, shown):
    service = recorded()
    service.refuse = "ALPHA's accelerator is used by W0.2.1 (job a3f19c02); wait or stop it"
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.4")
        await pilot.press("r", "ctrl+r")
        await pilot.pause(0.1)
        assert "ALPHA's accelerator is used by W0.2.1" in "\n".join(shown(app))


@pytest.mark.parametrize(
    ("task", "key", "said"),
    [
        ("W0.2.1", "r", "W0.2.1 is running"),
        ("W0.2.5", "r", "W0.2.5 has no operation"),
        ("W0.3.3", "r", "W0.3.3 is locked: G1 is not decided"),
        ("W0.2.2", "s", "nothing to stop"),
        ("W0.2.2", "e", "W0.2.2 has no record that a person types"),
        ("W0.1.1", "space", "W0.1.1 has no deliverables"),
        ("W0.2.2", "x", "W0.2.2 is not optional"),
    ],
)
async def test_what_can_not_be_done_is_said_at_once(recorded, console, settled, shown, task, key, said):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await go(app, pilot, task)
        await pilot.press(key)
        await pilot.pause(0.1)
        rows = shown(app)
        assert any(said in row for row in rows[:-2])
        assert rows[-2].startswith(" ALPHA")  # bars stay free
        assert service.asked == []


async def test_stopping_asks_first(recorded, console, settled, shown):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert "Ask W0.2.1 to checkpoint and end?" in "\n".join(shown(app))
        await pilot.press("enter")  # the harmless button has the focus
        assert service.asked == []
        await pilot.press("s", "y")
        await pilot.pause(0.1)
        assert service.asked == [("stop", "W0.2.1")]


async def test_a_job_that_goes_on_after_a_stop_can_be_killed(recorded, console, settled, shown):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("s", "y")
        await pilot.pause(0.1)
        await pilot.press("s")
        await pilot.pause()
        assert "was asked to end and goes on. Kill it?" in "\n".join(shown(app))
        await pilot.press("enter")  # the harmless button has the focus
        assert service.asked == [("stop", "W0.2.1")]
        await pilot.press("s", "y")
        await pilot.pause(0.1)
        assert service.asked == [("stop", "W0.2.1"), ("kill", "W0.2.1")]


async def test_ticking_and_taking_it_back(recorded, console, settled, shown):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("space")  # goes to the first that is not ticked
        assert app.query_one("#task").key == ("deliverable", "errors")
        await pilot.press("space")
        assert service.asked == [("tick", "W0.2.1", "errors", False)]
        await pilot.press("up", "space")
        assert service.asked[1:] == [("tick", "W0.2.1", "runs", True)]
        await pilot.press("down", "down", "space")
        await pilot.pause(0.1)
        assert "not yet: the job has not ended" in "\n".join(shown(app))
        assert len(service.asked) == 2


async def test_recording_shows_unit_and_refusal(recorded, console, settled, shown):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("e")
        await pilot.pause()
        assert "duration in h" in "\n".join(shown(app))
        service.refuse = "W0.2.1.duration: 'soon' is no number of h"
        await pilot.press(*"soon", "enter")
        await pilot.pause()
        assert "'soon' is no number of h" in "\n".join(shown(app))
        service.refuse = ""
        await pilot.press("home", "ctrl+k", *"1.5", "enter")
        await pilot.pause()
        assert service.asked == [("record", "W0.2.1", "duration", "1.5")]
        assert app.screen is app.console_screen


async def test_skipping_needs_a_reason(recorded, console, settled):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.2.4")
        await pilot.press("x", *"no time", "enter")
        assert service.asked == [("skip", "W0.2.4", "no time")]


async def test_a_note_and_a_file_are_laid_beside_a_task(recorded, console, settled):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("a", *"fan is loud", "enter")
        await pilot.press("A", *"~/photo.png", "enter")
        assert service.asked == [
            ("note", "W0.2.1", "fan is loud"),
            ("attach", "W0.2.1", Path.home() / "photo.png"),
        ]


async def test_a_retest_takes_an_option(recorded, console, settled, shown):
    service = recorded("no-go")
    held = service.current
    options = {
        "slower": types.Option(title="Lower rate", parameters={"W0.5.2": {"rate": 0.00005}}),
        "other": types.Option(title="Other data", about="which data"),
    }
    gates = {"G1": held.plan.gate["G1"], "G1r": types.Gate(title="Retest", retests="G1", option=options)}
    again = replace(held.gates["G1"], id="G1r", task="W0.5.2", state="closed", decision=None)
    service.current = replace(held, plan=replace(held.plan, gate=gates), gates=held.gates | {"G1r": again})
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("R")
        await pilot.pause()
        screen = "\n".join(shown(app))
        assert "slower  Lower rate" in screen
        assert "sets W0.5.2.rate=5e-05" in screen
        await pilot.press("down", "enter")
        await pilot.pause()
        assert "say what it sets: which data" in "\n".join(shown(app))
        assert service.asked == [], "an option that leaves open what it sets opens nothing by itself"
        await pilot.press(*"steps=3", "enter")
        await pilot.pause()
        assert "steps=3: write TASK.name=value" in "\n".join(shown(app))
        await pilot.press("home", "ctrl+k", *"W0.5.2.steps=3", "enter")
        assert service.asked == [("retest", "G1r", "other", {"W0.5.2": {"steps": "3"}})]


async def test_a_retest_with_an_option_that_says_all_is_two_keys(recorded, console, settled):
    service = recorded("no-go")
    held = service.current
    options = {"slower": types.Option(title="Lower rate", parameters={"W0.5.2": {"rate": 0.00005}})}
    gates = {"G1": held.plan.gate["G1"], "G1r": types.Gate(title="Retest", retests="G1", option=options)}
    service.current = replace(held, plan=replace(held.plan, gate=gates), gates=held.gates | {"G1r": held.gates["G1"]})
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("R", "enter")
        await pilot.pause()
        assert service.asked == [("retest", "G1r", "slower", {})]


async def test_without_a_no_go_there_is_nothing_to_retest(recorded, console, settled, shown):
    app = console(recorded())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("R")
        await pilot.pause(0.1)
        assert "nothing to retest" in "\n".join(shown(app))


async def test_the_command_can_be_copied(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("c")
        assert app.clipboard == "gladiator-console run /tmp/rehearsal W0.2.1"
