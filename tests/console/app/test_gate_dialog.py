"""Deciding: the gate's evidence, GO and NO-GO with a reason, waivers, and what must not be decided."""

from msgspec.structs import replace

WIDE = (120, 40)


async def go(app, pilot, task: str) -> None:
    app.console_screen.go(task)
    await pilot.pause()


async def test_a_gate_shows_its_evidence(recorded, console, settled, shown):
    app = console(recorded("gate"))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("g")
        await pilot.pause()
        screen = "\n".join(shown(app))
        for said in (
            "93 of 100 = 93.0 %",
            "≥ 90 %",
            "95 %: 86.3 to 96.6, 96 of 100 would be sure",
            "95 %: 96.3 to 100.0, no count of 100 would be sure",
            "W0.3.3 job b7c0ffee on ALPHA, 12 min ago",
            "arthur also ran this work",
            "not proven here",
            "this rehearsal has no GPU",
            "REHEARSAL",
        ):
            assert said in screen
        above, below = screen.split("not proven here")
        assert "GPU in use" not in above.split("criterion")[1]
        assert "GPU in use" in below
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert "W0.3.3 measures accuracy: 93 of 100 = 93.0 %" in "\n".join(shown(app))


async def test_go_takes_a_reason_and_the_name_of_the_gate(recorded, console, settled, shown):
    service = recorded("gate")
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("g")
        await pilot.pause()
        go, no_go = app.screen.query_one("#go"), app.screen.query_one("#no-go")
        assert go.disabled
        assert no_go.disabled
        assert "GO and NO-GO are off: give a reason and type G1" in "\n".join(shown(app))
        await pilot.press(*"good enough", "enter", *"G1")
        assert not go.disabled
        await pilot.click("#go")
        await pilot.pause()
        assert service.asked == [("decide", "G1", "go", "good enough", (), False)]
        assert app.screen is app.console_screen


async def test_go_is_off_with_its_reason_while_a_criterion_is_not_met(recorded, console, settled, shown):
    service = recorded("no-go")
    held = service.current.gates["G1"]
    service.current = replace(service.current, gates={"G1": replace(held, state="ready", decision=None)})
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.4.2")
        await pilot.press("g")
        await pilot.press(*"not good", "enter", *"G1")
        await pilot.pause()
        assert app.screen.query_one("#go").disabled
        assert "GO is off: accuracy is not met: 85.0 % is below 90 %" in "\n".join(shown(app))
        await pilot.click("#go")
        assert service.asked == []
        await pilot.click("#no-go")
        await pilot.pause()
        assert service.asked == [("decide", "G1", "no-go", "not good", (), False)]


async def test_a_closed_gate_takes_a_no_go_and_a_nameless_operator_decides_nothing(recorded, console, settled, shown):
    service = recorded()
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("g", *"x", "enter", *"G1")
        await pilot.pause()
        assert app.screen.query_one("#go").disabled
        screen = " ".join("\n".join(shown(app)).replace("│", "").split())
        assert "GO is off: accuracy is not measured: W0.3.3 has not run. NO-GO is possible" in screen
        await pilot.click("#go")
        assert service.asked == []
        await pilot.click("#no-go")
        await pilot.pause()
        assert service.asked == [("decide", "G1", "no-go", "x", (), False)]
    service = recorded("gate")
    service.operator = ""
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert "read only" in shown(app)[0]
        await pilot.press("g", *"x", "enter", *"G1")
        await pilot.pause()
        assert app.screen.query_one("#go").disabled
        assert "no operator name" in "\n".join(shown(app))


async def test_a_waiver_opens_go_until_a_day(recorded, console, settled, shown):
    service = recorded("gate")
    held = service.current.gates["G1"]
    falls = replace(held.criteria[1], met=False, value=False, shown="no", reason="the loss rises")
    gate = replace(
        held,
        criteria=(held.criteria[0], falls, *held.criteria[2:]),
        may_go=False,
        why_not=("loss falls is not met: the loss rises",),
    )
    service.current = replace(service.current, gates={"G1": gate})
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("g")
        app.screen.query_one("#reason").value = "known glitch"
        app.screen.query_one("#name").value = "G1"
        await pilot.pause()
        assert app.screen.query_one("#go").disabled
        app.screen.query_one("#until-loss_falls").value = "2999-01-31"
        await pilot.pause()
        assert not app.screen.query_one("#go").disabled
        app.screen.query_one("#until-loss_falls").value = "soon"
        await pilot.pause()
        await pilot.click("#go")
        await pilot.pause()
        assert "'soon' is no day" in "\n".join(shown(app))
        assert service.asked == []
        app.screen.query_one("#until-loss_falls").value = "2999-01-31"
        while app.screen.query_one("#go").has_class("-active"):  # a button takes no second press while it shows one
            await pilot.pause(0.05)
        await pilot.click("#go")
        await pilot.pause()
        verb, gate_id, outcome, reason, waivers, _ = service.asked[0]
        assert (verb, gate_id, outcome, reason) == ("decide", "G1", "go", "known glitch")
        assert [(w.criterion, w.until.isoformat()) for w in waivers] == [("loss_falls", "2999-01-31")]


async def test_deciding_again_supersedes(recorded, console, settled):
    service = recorded("no-go")
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await go(app, pilot, "W0.4.2")
        await pilot.press("g", *"still bad", "enter", *"G1")
        await pilot.click("#no-go")
        await pilot.pause()
        assert service.asked == [("decide", "G1", "no-go", "still bad", (), True)]
