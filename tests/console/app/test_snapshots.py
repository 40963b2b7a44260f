"""How the screens look, to the cell: plan, training, gate, the branch of a NO-GO, in both sizes and in few colours.

Accept a wanted change with ``pytest tests/console/app/test_snapshots.py --snapshot-update`` and look at each picture.
"""

import pytest
from msgspec.structs import replace

from console.conductor.view import AlertView
from console.hosts.archive import PARTS, History, Point
from console.plan.types import Limit

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
SCREENS = {
    "plan": ("gate", []),
    "training": ("running", []),
    "task": ("running", ["i"]),
    "gate": ("gate", ["g"]),
    "no-go": ("no-go", []),
}


@pytest.fixture
def looks(recorded, console, settled, snap_compare, monkeypatch):
    """``looks("gate", ["g"], (80, 24))``: the screen at that moment, after those keys, is as it was accepted."""
    monkeypatch.delenv("NO_COLOR", raising=False)

    def compare(state: str, keys: list[str], size: tuple[int, int], **environ: str) -> bool:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

        async def before(pilot) -> None:
            await settled(pilot)
            await pilot.press(*keys)
            await pilot.pause()

        return snap_compare(console(recorded(state), **environ), terminal_size=size, run_before=before)

    return compare


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", SCREENS)
def test_screen(looks, screen, size):
    state, keys = SCREENS[screen]
    assert looks(state, keys, SIZES[size])


@pytest.mark.parametrize("pane", ["l", "p", "h"])
def test_pane_of_the_small_screen(looks, pane):
    assert looks("running", [pane], (80, 24))


@pytest.mark.parametrize(
    "environ",
    [{"NO_COLOR": "1"}, {"COLORTERM": "", "TERM": "xterm"}, {"COLORFGBG": "0;15"}, {"LC_ALL": "C"}],
    ids=["no-color", "ansi", "light", "ascii"],
)
def test_training_on_other_terminals(looks, environ):
    assert looks("running", [], (120, 40), **environ)


def test_gate_in_sixteen_colours(looks):
    assert looks("gate", ["g"], (80, 24), COLORTERM="", TERM="xterm")


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}], ids=["colour", "no-color"])
def test_hosts_with_an_alert_and_a_plot(alarmed, console, settled, snap_compare, monkeypatch, environ):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    async def before(pilot) -> None:
        await settled(pilot)
        await pilot.press("h")
        pilot.app.query_one("#hosts").seek(("ALPHA", "temperature_c"))
        await pilot.press("enter")
        await pilot.pause()

    assert snap_compare(console(alarmed, **environ), terminal_size=(120, 40), run_before=before)


@pytest.fixture
def alarmed(recorded, reading):
    """A machine that is too hot, with an hour of how it became so."""
    service = recorded()
    heat = [None if 30 < n < 40 else Point(v - 1, v, v + 1) for n, v in ((n, 55 + n / 3) for n in range(PARTS))]
    whole = {"temperature_c": Point(54.0, 74.8, 95.7)}
    end = 1_760_709_751.0
    service.past["ALPHA", "hour"] = History("hour", end - 3_600, end, whole, {"temperature_c": heat})
    service.told = [reading(180.0, temperature_c=94.6, gpu_percent=97.0)]
    limit = Limit(label="Temperature", reading="temperature_c", compare="<", threshold=85)
    said = "85 °C, limit < 85 °C"
    alert = AlertView("ALPHA", "hot", "Temperature", "temperature_c", "alert", "2025-10-17T13:50:00.000Z", said)
    service.current = replace(
        service.current,
        plan=replace(service.current.plan, limit={"hot": limit}),
        limits={("hot", "ALPHA"): ""},
        alerts=(alert,),
        attention=(("ALPHA", f"alert: Temperature {said}"), *service.current.attention),
    )
    return service
