import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from console.app.glyphs import ASCII, UNICODE, for_terminal
from console.app.line import line, wrapped

text = st.text(max_size=60)


@settings(deadline=None)
@given(text, text, st.integers(5, 90))
def test_a_line_fills_exactly_its_width(left, right, width):
    shown = line(left, right=[right]).fitted(width, "…")
    assert sum(cell_len(part) for part, _ in shown) == width


def test_the_right_side_is_kept_and_the_left_one_cut():
    shown = "".join(t for t, _ in line("a long title of a task", right=["60 %"]).fitted(16, "…"))
    assert shown == "a long tit… 60 %"


@settings(deadline=None)
@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), max_size=200), st.integers(12, 60))
def test_wrapping_loses_no_word_and_keeps_the_width(given_text, width):
    shown = list(wrapped(given_text, width, "", "  "))
    assert all(cell_len(row.plain) <= width for row in shown)
    assert re.sub(r"\s", "", "".join(row.plain for row in shown)) == re.sub(r"\s", "", given_text)


def test_markup_stays_text():
    assert line("[red]boo[/red]", ("[b]", "dim")).plain == "[red]boo[/red][b]"


def test_signs_for_the_terminal():
    assert for_terminal({"LANG": "de_DE.UTF-8", "TERM": "xterm"}) is UNICODE
    assert for_terminal({"LC_ALL": "C.UTF-8", "LANG": "C"}) is UNICODE
    assert for_terminal({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}) is ASCII
    assert for_terminal({"LANG": "C", "LC_CTYPE": "C.UTF-8"}) is ASCII
    assert for_terminal({"LANG": "en_US.ISO-8859-1"}) is ASCII
    assert for_terminal({"LANG": "de_DE.UTF-8", "TERM": "linux"}) is ASCII
    assert for_terminal({"LANG": "xx.no-such-encoding"}) is ASCII


def test_every_sign_is_one_cell_and_tells_states_apart():
    for glyphs in (UNICODE, ASCII):
        assert len(set(glyphs.state.values())) == len(glyphs.state)
        signs = [*glyphs.state.values(), *glyphs.gate.values(), glyphs.open, glyphs.closed, glyphs.typed]
        assert all(cell_len(sign) == 1 for sign in [*signs, *glyphs.levels])
    shown = "".join([*ASCII.state.values(), *ASCII.gate.values(), ASCII.open, ASCII.levels, ASCII.ellipsis, ASCII.cut])
    assert shown.isascii()
    assert ASCII.plain("≥ 90 % · 12 °C … ✎").isascii()


@pytest.mark.parametrize(
    "unit", ["x" * 99 + "\n", "x" * 10_000, "word ", "e\N{COMBINING ACUTE ACCENT}", "\N{CJK UNIFIED IDEOGRAPH-6F22}"]
)
def test_ten_thousand_characters_are_wrapped_whole(unit):
    text = (unit * 10_000)[:10_000]
    drawn = list(wrapped(text, 60))
    assert "".join(row.plain for row in drawn).replace(" ", "") == "".join(text.split())
    assert all(cell_len(row.plain) <= 60 for row in drawn)


def test_a_paragraph_of_several_lines_is_one():
    assert [row.plain for row in wrapped("one\ntwo\nthree", 60)] == ["one two three"]
