"""Keys that come at once, as over a slow line, do what they would do one by one."""

from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from textual import events

WIDE = (120, 40)
CHARACTERS = {"space": " ", "slash": "/"}


async def burst(pilot, *keys: str) -> None:
    """All keys into the app's queue before it sees the first; then until nothing is left to do."""
    for key in keys:
        pilot.app.post_message(events.Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))
    while True:
        await pilot.pause()
        if pilot.app.typing.idle:
            break
    await pilot.pause()


@pytest.fixture
def opened(recorded, console, settled):
    """``async with opened("gate") as (service, pilot)``"""

    @asynccontextmanager
    async def start(state="running", task="W0.2.4"):
        service = recorded(state)
        app = console(service)
        async with app.run_test(size=WIDE) as pilot:
            await settled(pilot)
            app.console_screen.go(task)
            await pilot.pause()
            yield service, pilot

    return start


async def test_the_field_below_gets_what_is_typed_after_down(opened):
    async with opened() as (service, pilot):
        await burst(pilot, "r", "down", "ctrl+u", *"500", "down", "ctrl+u", *"0.5", "ctrl+r")
        assert service.asked == [("start", "W0.2.4", {"batch": "500", "rate": "0.5"}, False, False)]


async def test_down_goes_to_the_next_field_also_of_a_form_that_scrolls(opened):
    async with opened() as (service, pilot):
        held = service.current.tasks["W0.2.4"]
        more = [replace(held.parameters[0], name=f"more{n}", value=n) for n in range(30)]
        tasks = service.current.tasks | {"W0.2.4": replace(held, parameters=(*held.parameters, *more))}
        service.current = replace(service.current, tasks=tasks)
        pilot.app.look()
        await burst(pilot, "r", *["down"] * 22, "ctrl+u", *"7", "ctrl+r")
        assert service.asked == [("start", "W0.2.4", {"more19": "7"}, False, False)]


async def test_a_gate_in_one_go_stops_at_its_button(opened):
    async with opened("gate", "W0.4.2") as (service, pilot):
        await burst(pilot, "g", *"good", "enter", *"G1", "enter")
        assert service.asked == []
        assert pilot.app.focused.id == "go"
        await burst(pilot, "enter")
        assert service.asked == [("decide", "G1", "go", "good", (), False)]


async def test_a_gate_in_one_go_to_the_second_button(opened):
    async with opened("gate", "W0.4.2") as (service, pilot):
        await burst(pilot, "g", *"bad", "enter", *"G1", "enter", "tab", "enter")
        assert service.asked == [("decide", "G1", "no-go", "bad", (), False)]


async def test_find_then_a_verb(opened):
    async with opened(task="W0.1.1") as (service, pilot):
        await burst(pilot, "slash", *"W0.2.4", "enter", "r", "ctrl+r", "e")
        assert service.asked[0][:2] == ("start", "W0.2.4")


async def test_a_dialog_that_closes_gives_the_keys_back(opened):
    async with opened(task="W0.2.1") as (service, pilot):
        await burst(pilot, "e", *"1.5", "enter", "down", "down", "r", "ctrl+r")
        assert service.asked == [
            ("record", "W0.2.1", "duration", "1.5"),
            ("start", "W0.2.4", {}, False, False),
        ]


async def test_enter_held_down_starts_once(opened):
    async with opened() as (service, pilot):
        await burst(pilot, "r", *["enter"] * 6)
        assert [asked[0] for asked in service.asked] == ["start"]
