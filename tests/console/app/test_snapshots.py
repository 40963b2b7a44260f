"""How the screens look, to the cell: plan, training, gate, the branch of a NO-GO, in both sizes and in few colours.

Accept a wanted change with ``pytest tests/console/app/test_snapshots.py --snapshot-update`` and look at each picture.
"""

import pytest

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
