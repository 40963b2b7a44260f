import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.text import LINE_LIMIT, REPLACEMENT, clean, clean_block

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
PIECES = ["\x1b", "[", "]", "P", "X", "^", "_", "\\", "\x07", "\x9b", "\x9c", "\x9d", "\x90", "0;1", "m", "2J",
          "\r", "\t", "\n", "\u202e", "\ud800", "text", "é", "表"]  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=40).map("".join)


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("step 59  loss 0.219", "step 59  loss 0.219"),
        ("line with its end\r\n", "line with its end"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b[?25l\x1b[2J\x1b[Hwiped", "wiped"),
        ("\x1b]52;c;cm0gLXJm\x07paste", "paste"),
        ("\x1b]0;title\x1b\\body", "body"),
        ("\x9d0;title\x9cbody", "body"),
        ("\x1bPq#0;2;0\x1b\\sixel", "sixel"),
        ("\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\rest", "rest"),
        ("\x90dcs\x9c\x9fapc\x9c\x9epm\x9c\x98sos\x9crest", "rest"),
        ("before\x1b]0;never ended", "before"),
        ("before\x1bPnever ended", "before"),
        ("before\x1b[12;", "before"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("10 %\r20 %\r", "20 %"),
        ("a\tb", "a       b"),
        ("bell\x07 nul\x00 del\x7f c1\x85", f"bell{REPLACEMENT} nul{REPLACEMENT} del{REPLACEMENT} c1{REPLACEMENT}"),
        ("user\u202egpj.exe", f"user{REPLACEMENT}gpj.exe"),
        ("two\nlines", f"two{REPLACEMENT}lines"),
        ("\x1b\x1b[0m[2J", f"{REPLACEMENT}[2J"),
        ("lone \ud83d half", f"lone {REPLACEMENT} half"),
        ("[red]markup[/red] stays text", "[red]markup[/red] stays text"),
        ("عربي 表 é 👩‍🔬", "عربي 表 é 👩‍🔬"),
    ],
)
def test_a_line_as_it_is_shown(given_text, shown):
    assert clean(given_text) == shown


def test_a_line_is_cut():
    assert clean("x" * 10_000) == "x" * LINE_LIMIT
    assert clean("\x1b[0m" * 5 + "abcdef", limit=4) == "abcd"
    assert len(clean("\t" * 10_000)) == LINE_LIMIT


def test_a_block_keeps_its_lines_and_a_sequence_ends_with_its_line():
    assert clean_block("one\r\n\x1b[1mtwo\x1b]0;open\nthree\n") == "one\ntwo\nthree\n"
    assert len(clean_block("a\n" * 100_000, limit=1_000)) == 1_000


@settings(deadline=None)
@given(hostile)
def test_nothing_that_a_terminal_obeys_is_left(text):
    assert not CONTROL.search(clean(text))
    assert not CONTROL.search(clean_block(text).replace("\n", ""))


@settings(deadline=None)
@given(hostile, st.integers(min_value=0, max_value=50))
def test_cleaning_twice_changes_nothing(text, limit):
    once = clean(text, limit)
    assert clean(once, limit) == once
    assert len(once) <= limit
    assert clean_block(clean_block(text)) == clean_block(text)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=100))
def test_plain_text_is_kept(text):
    assert clean(text) == text


def _lines_per_second(line: str) -> float:
    count, best = 100_000, 0.0
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(count):
            clean(line)
        best = max(best, count / (time.perf_counter() - start))
    return best


@pytest.mark.alone
def test_it_keeps_up():
    assert _lines_per_second("step 60 loss 0.214 1.4 it/s") > 1_200_000
    assert _lines_per_second("\x1b[32mstep 60\x1b[0m loss 0.214") > 60_000


@pytest.mark.alone
def test_a_hostile_line_costs_linear_time():
    start = time.perf_counter()
    clean("\x1b]" * 500_000)
    clean("\x1b[" + "1;" * 500_000)
    clean_block("\x1bP\x9b\n" * 200_000)
    assert time.perf_counter() - start < 2.0
