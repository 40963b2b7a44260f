"""What an operator sees and does on the console's screen."""

import datetime
import json

import pytest
from msgspec.structs import replace

WIDE, SMALL = (120, 40), (80, 24)


async def test_one_glance_says_where_we_are(recorded, console, settled, shown):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        top = shown(app)[0]
        assert "GLADIATOR v2.3" in top
        assert "REHEARSAL" in top
        assert "Day 2 of 56 · 6 of 19 done · next gate G1 ≥ 90 %" in top
        assert "14:02 UTC" in top
        screen = "\n".join(shown(app))
        for said in (
            "◐ W0.2.1 Fine-tune",
            "60 %",
            "○ W0.2.2 Watch the training",
            "▪ W0.2.5 Evening check",
            "behind G1",
            "behind G3",
            "◐ running 41 min  W0.2.1  Fine-tune",
            "16:00  two-hourly check",
            "13:59:40 step 58  loss",
            "step 60 · loss 0.2514 · end ≈ 14:27 UTC",
            "ram 6.0/24 GB",
            "BETA  same machine",
            "leave (jobs go on)",
        ):
            assert said in screen


async def test_every_record_says_where_it_comes_from(recorded, console, settled, shown):
    app = console(recorded())
    async with app.run_test(size=(150, 70)) as pilot:
        await settled(pilot)
        pane = app.query_one("#task").plain
        assert "final loss         not measured yet" in pane
        assert "93 of 100 = 93.0 %  [86.3, 96.6]  meets ≥ 90 %  job a3f1" in pane
        assert "GPU                n/a  no GPU is read on this host  job a3f1" in pane
        assert "fan is loud  ✎ arthur" in pane
        assert "duration           to be typed (e)" in pane
        assert "[x] training runs  ✎ arthur 13:30" in pane
        assert "[ ] progress documented  not yet" in pane
        assert "batch  8  (plan: 32)  site" in pane
        assert "steps  100  plan" in pane
        assert "gladiator-console run /tmp/rehearsal W0.2.1" in pane
        assert "halve the learning rate" in pane
        assert "attempt 2" in pane
        assert "asked to end at step 20" in pane
        assert " 0 " not in pane.split("GPU")[1].splitlines()[0]


async def test_the_small_screen_shows_one_pane_and_keeps_step_and_loss(recorded, console, settled, shown):
    app = console(recorded())
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        seen = []
        for _ in range(6):
            lines = shown(app)
            assert "REHEARSAL" in lines[0]
            assert "W0.2.1 step 60/100 loss 0.251" in lines[0]
            assert lines[22].startswith(" ALPHA")
            seen.append(lines[1])
            await pilot.press("tab")
            await pilot.pause()
        for line, pane in zip(seen, ("Plan", "Plan", "running", "Log", "Loss", "Hosts"), strict=True):
            assert pane in line
        assert "Plan" in shown(app)[1]
        await pilot.press("l")
        assert "Log" in shown(app)[1]
        await pilot.press("escape")
        assert "Plan" in shown(app)[1]


async def test_the_cursor_chooses_the_task_that_the_panes_show(recorded, console, settled, shown):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("down", "down")
        await pilot.pause(0.2)
        assert "○ ready  W0.2.4  Validation dry run" in "\n".join(shown(app))
        assert not app.query_one("#log").display
        await pilot.press("up")
        await pilot.pause(0.2)
        # a task that goes on during a training shows that training
        assert "Log  W0.2.1 job a3f19c02 on ALPHA" in "\n".join(shown(app))


async def test_folding_with_left_and_right(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        plan = app.query_one("#plan")
        await pilot.press("left")
        assert plan.key == ("day", "D2")
        await pilot.press("left")
        assert "W0.2.1" not in plan.plain
        await pilot.press("right")
        assert "W0.2.1" in plan.plain
        await pilot.press("home", "enter")
        assert "Day 1" not in plan.plain


async def test_the_branch_of_a_no_go_is_open_and_says_why(recorded, console, settled, shown):
    app = console(recorded("no-go"))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        plan = app.query_one("#plan").plain
        assert "● W0.4.2 GO or NO-GO  G1 NO-GO" in plan
        assert "○ W0.4.3b Root cause analysis  ↳ G1 NO-GO" in plan
        assert "○ W0.5.2 Retest  ↳ G1 NO-GO" in plan
        assert "▪ W0.4.3a Week 1 preparation" in plan
        assert "Week 1  Data and network  behind G1" in plan
        app.console_screen.go("W0.4.2")
        await pilot.pause()
        task = " ".join(app.query_one("#task").plain.split())
        assert "NO-GO by arthur at 2025-10-17 13:58, unsigned: SQL injection is missed too often" in task


async def test_what_another_console_wrote_appears(recorded, console, settled):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        tasks = dict(service.current.tasks)
        tasks["W0.2.5"] = replace(tasks["W0.2.5"], state="ready", why=())
        service.current = replace(service.current, tasks=tasks, attention=(("W0.2.5", "evening check"),))
        app.look()
        await pilot.pause()
        assert "○ W0.2.5 Evening check" in app.query_one("#plan").plain
        assert "evening check" in app.query_one("#needs").plain
        assert app.query_one("#plan").key == ("task", "W0.2.1")


async def test_nothing_is_repainted_when_nothing_changed(recorded, console, settled, monkeypatch):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        app.console_screen.show_minute()
        await pilot.pause(0.3)
        painted = []
        for widget in app.screen.query("*"):
            monkeypatch.setattr(widget, "_set_dirty", lambda *regions, w=widget: painted.append((w, regions)))
        for _ in range(3):
            app.look()
            app.feed()
            app.console_screen.show_hosts()
            app.console_screen.show_minute()
            app.console_screen.show(app.view)
        await pilot.pause(0.1)
        assert painted == []
        moved = app.now() + datetime.timedelta(minutes=1)  # the control: a minute later one row differs
        monkeypatch.setattr(app, "now", lambda: moved)
        app.console_screen.show_minute()
        assert any(widget.id == "header" for widget, _ in painted)


async def test_new_events_reach_header_log_and_curve(recorded, console, settled, tmp_path):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        with (tmp_path / "a3f19c02" / "events.jsonl").open("ab") as stream:
            for event in (
                {"type": "metric", "t": 1760709700.0, "name": "loss", "step": 61, "value": None, "nonfinite": "nan"},
                {"type": "progress", "t": 1760709700.0, "done": 61, "total": 100, "unit": "step"},
                {"type": "log", "t": 1760709700.0, "text": "the loss is not finite", "level": "error"},
            ):
                stream.write(json.dumps(event).encode() + b"\n")
        app.feed()
        await pilot.pause()
        assert "61 %" in app.query_one("#plan").plain
        assert "the loss is not finite" in app.query_one("#log").plain
        assert "step 61 · loss not finite · 1 not finite" in app.query_one("#loss").plain


async def test_the_loss_has_a_log_scale_and_two_markers(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("p")
        linear = app.query_one("#loss").plain
        await pilot.press("y")
        assert app.query_one("#loss").plain != linear
        await pilot.press("y", "m")
        assert any("\u2800" < sign <= "\u28ff" for sign in app.query_one("#loss").plain)


async def test_a_terminal_without_unicode(recorded, console, settled, shown):
    app = console(recorded(), LC_ALL="C")
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        screen = "\n".join(shown(app))
        assert screen.isascii(), [sign for sign in screen if not sign.isascii()]
        assert "* W0.2.1 Fine-tune" in screen
        assert "# W0.2.5 Evening check" in screen


async def test_leaving_says_what_goes_on(recorded, console, settled, capsys):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("q")
    assert "W0.2.1 goes on: job a3f19c02 on ALPHA" in capsys.readouterr().err


async def test_leaving_says_what_ends_with_the_console(recorded, console, settled, shown, capsys):
    service = recorded()
    tasks = dict(service.current.tasks)
    (job,) = [job for job in tasks["W0.2.1"].jobs if job.state == "running"]
    for relay, said, footer in (
        ({"why": "asked for (via)"}, "goes through the console and ends with it; run again", "W0.2.1 ends"),
        ({"why": "asked for (via)", "here": True}, "goes on: job", "jobs go on"),
    ):
        tasks["W0.2.1"] = replace(tasks["W0.2.1"], jobs=(replace(job, parameters={"relay": relay}),))
        service.current = replace(service.current, tasks=dict(tasks))
        app = console(service)
        async with app.run_test(size=WIDE) as pilot:
            await settled(pilot)
            assert f"q leave ({footer})" in shown(app)[-1]
            await pilot.press("q")
        assert f"W0.2.1 {said}" in capsys.readouterr().err


async def test_a_fault_behind_the_scenes_is_said_and_ends_nothing(recorded, console, settled, shown):
    service = recorded()

    async def broken():
        raise OSError("the link [b]dropped")

    service.reconcile = broken
    app = console(service)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pilot.pause(0.2)
        assert "the link [b]dropped" in "\n".join(shown(app))
        await pilot.press("down")
        assert app.console_screen.chosen == "W0.2.2"


async def test_hosts_say_why_a_reading_is_missing(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("h")
        pane = app.query_one("#hosts").plain
        assert "gpu         n/a  no GPU is read on this host" in pane
        assert "memory      6.0 of 24.0 GB" not in pane.split("BETA")[1]
        assert "same machine as ALPHA: figures between them are n/a" in pane
        assert "0 %" not in pane.replace("10 %", "")


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (20, 5)])
async def test_any_size_can_be_drawn_and_changed(recorded, console, settled, size):
    app = console(recorded())
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for other in ((120, 40), (30, 8), (81, 25), (100, 30)):
            await pilot.resize_terminal(*other)
            await pilot.pause()
            await pilot.press("tab", "g", "escape")
