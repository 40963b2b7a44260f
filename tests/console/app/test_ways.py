"""Ways through the plan: find, what needs a person, timeline, journal, help and palette."""

import pytest
from msgspec.structs import replace

from console.journal.entries import RecordTyped, Row
from console.plan import types

WIDE, SMALL = (120, 40), (80, 24)


async def test_find_in_the_plan(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"valid", "enter")
        assert app.console_screen.chosen == "W0.2.4"
        assert "1 of 2" in app.query_one("#plan").border_subtitle
        await pilot.press("n")
        assert app.console_screen.chosen == "W0.3.3"
        await pilot.press("n")
        assert app.console_screen.chosen == "W0.2.4"
        await pilot.press("slash", *"zzz", "enter")
        assert "no task has zzz" in app.query_one("#plan").border_subtitle


async def test_needs_leads_to_the_task(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        app.query_one("#needs").focus()
        await pilot.press("enter")
        assert app.console_screen.chosen == "W0.2.2"
        assert app.focused.id == "task"


async def test_what_needs_a_person_is_counted_and_gone_through(recorded, console, settled, shown):
    service = recorded("gate")
    wanted = ["W0.1.1", "G1", "W0.2.2", "W0.2.4", "W0.2.5", "W0.3.3", "W0.4.3b", "W1.1"]
    service.current = replace(service.current, plan_differs=True, attention=tuple((id, "now") for id in wanted))
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        screen = "\n".join(shown(app))
        assert "+3 more" in screen
        assert "plan/ differs: gladiator-console adopt" in screen
        assert "W0.2.5  now" in screen
        seen = []
        for key in ("n", "n", "n", "N", "N", "N"):
            await pilot.press(key)
            seen.append(app.console_screen.chosen)
        assert seen == ["W0.1.1", "W0.4.2", "W0.2.2", "W0.4.2", "W0.1.1", "W1.1"]
        await pilot.press("slash", *"watch", "enter", "n")  # while something is looked for, n goes to its matches
        assert app.console_screen.chosen == "W0.2.2"
        await pilot.press("escape", "n")
        assert app.console_screen.chosen == "W0.1.1"


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_what_is_not_adopted_is_shown_whole_and_says_the_command(recorded, console, settled, shown, size):
    service = recorded()
    service.current = replace(service.current, plan_differs=True, site_differs=True)
    app = console(service)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        screen = "\n".join(shown(app))
        assert "plan/ differs: gladiator-console adopt" in screen
        assert "site differs: gladiator-console adopt" in screen
        await pilot.press("tab", "down", "enter")
        assert [told.message for told in app._notifications] == [f"gladiator-console adopt {service.current.workspace}"]


async def test_the_plan_shows_only_what_is_open_or_needs_you(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        plan = app.query_one("#plan")

        def listed() -> set[str]:
            return {line.key[1] for line in plan.lines if line.key and line.key[0] == "task"}

        await pilot.press("f")
        assert listed() == {"W0.2.1", "W0.2.2", "W0.2.4"}
        assert "only: open" in str(plan.border_subtitle)
        await pilot.press("f")
        assert listed() == {"W0.2.2"}
        assert app.console_screen.chosen == "W0.2.2"
        app.console_screen.go("W0.4.2")  # what is gone to is shown
        assert "W0.4.2" in listed()
        assert plan.key == ("task", "W0.4.2")


async def test_the_timeline_says_what_slips_and_leads_to_the_task(recorded, console, settled, shown):
    service = recorded()
    service.current = replace(service.current, site=replace(service.current.site, zone="Europe/Berlin"))
    app = console(service)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("t")
        await pilot.pause(0.1)
        rows = shown(app)
        assert any("times in UTC; the site is in Europe/Berlin" in row for row in rows)
        row = next(row for row in rows if "W0.2.1 " in row and "hangs on" not in row)
        for said in ("10-17 12:00", "≈ 10-18 13:00", "+1 d 1 h", "◐ running", "OVERDUE critical"):
            assert said in row
        assert "OVERDUE" not in next(row for row in rows if "W0.2.2 " in row)
        assert "the end hangs on W0.2.1 → W0.4.2" in app.screen.query_one("#times").plain
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.screen is app.console_screen
        assert app.console_screen.chosen == "W0.2.2"
        assert app.focused.id == "task"


async def test_a_long_title_is_there_in_full(recorded, console, settled):
    service = recorded()
    title = "Day 2  Configuration of the fine-tuning, baseline and launch"
    plan = replace(service.current.plan, day=service.current.plan.day | {"D2": types.Day(title=title, offset=1)})
    service.current = replace(service.current, plan=plan)
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        pane = app.query_one("#plan")
        place = next(y for y, row in enumerate(pane.lines) if row.key == ("day", "D2"))
        first, second = ("".join(text for text, _ in pane.lines[y].left) for y in (place, place + 1))
        assert f"{first.strip(' ▾')} {second.strip()}" == title
        assert pane.lines[place + 1].key is None
        await pilot.press("left")
        assert pane.key == ("day", "D2")


async def test_the_journal_on_a_narrow_terminal_hides_nothing(recorded, console, settled, shown):
    service = recorded()
    entry = RecordTyped(task="W0.2.1", round=1, record="note", value="a remark that is long enough")
    service.journal = [
        Row(sequence=n, previous="", time="2025-10-17T13:21:00.000Z", operator="arthur", entry=entry)
        for n in range(1, 51)
    ]
    app = console(service)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("j")
        await pilot.pause(0.1)
        rows = shown(app)
        last = next(y for y, row in enumerate(rows) if "    50  2025-10-17 13:21  arthur" in row)
        assert "task W0.2.1  round 1  record note  value a remark that is long enough" in rows[last + 1]
        await pilot.press("up", "enter")
        await pilot.pause(0.1)
        assert "Row 49" in "\n".join(shown(app))
        await pilot.press("escape")
        await pilot.resize_terminal(*WIDE)
        await pilot.pause(0.1)
        assert any("    50  2025" in row and "round 1  record note  value a remark" in row for row in shown(app))


async def test_help_lists_every_key(recorded, console, settled, shown):
    from console.app import keys

    app = console(recorded())
    async with app.run_test(size=(120, 70)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        screen = "\n".join(shown(app))
        for binding in keys.CONSOLE:
            assert (binding.tooltip or binding.description) in screen
        assert "✎" in screen


async def test_the_palette_goes_to_a_task(recorded, console, settled):
    app = console(recorded())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+p")
        await pilot.press(*"root cause")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert app.console_screen.chosen == "W0.4.3b"


async def test_the_journal_row_by_row(recorded, console, settled, shown):
    service = recorded()
    service.journal = [
        Row(
            sequence=n,
            previous="",
            time="2025-10-17T13:21:00.000Z",
            operator="arthur",
            entry=RecordTyped(task="W0.2.1", round=1, record="note", value=f"remark [red] {n}"),
        )
        for n in range(1, 101)
    ]
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("j")
        await pilot.pause(0.1)
        screen = "\n".join(shown(app))
        assert "record-typed" in screen
        assert "value remark [red] 100" in screen
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert '"value": "remark [red] 100"' in "\n".join(shown(app))
        await pilot.press("escape", "escape")
        assert app.screen is app.console_screen
