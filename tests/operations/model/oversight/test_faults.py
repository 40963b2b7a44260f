"""Which lines of a log tell of an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.model.oversight.faults import sign

ERRORS = (
    "loss NaN at step 3", "loss is nan", "loss=nan", "grad norm: -inf", "Killed", "[1]+  Killed   python3 train.py",
    "Traceback (most recent call last):", "RuntimeError: x", "error: no such file", "3 errors", "1,000 errors",
    "2 write errors", "errors: 3", "1 error", "3 errors 0 warnings", "error: code 28",
    "ERROR something broke", "[ERROR] x", "an error occurred",
    "out of memory", "Insufficient Memory", "Segmentation fault", "No space left on device", "fatal: bad object",
    "no errors so far, but then RuntimeError: bad", "the loss is not finite (nan) at step 5",
)  # fmt: skip
INNOCENT = (
    "0 errors", "no errors", "No error", "errors: 0", "errors: 0, warnings: 2", "error: none", "error rate 0.0",
    "error rate: 0.013", "step 100 error rate 0.0", "step 1 error 0.25", "warnings: 2, 0 errors",
    "validation error: 0.05", "0.0 errors", "zero errors", "without error", "no critical errors",
    "no NaN", "0 NaN, 0 errors", "not killed", "0 killed", "banana", "nanoseconds", "skilled", "error bars",
    "step 100/250000: loss 0.1000, 1.2 it/s, 300 tok/s", "checkpoint-1000 written", "train.error_rate=0",
)  # fmt: skip
NEUTRAL = st.lists(st.sampled_from(["step", "loss", "0.25", "it/s", "checkpoint-5", "written", "-"]), max_size=4)


@pytest.mark.parametrize("line", ERRORS)
def test_an_error_is_seen(line):
    assert sign(line)


@pytest.mark.parametrize("line", INNOCENT)
def test_what_only_looks_like_one_is_not(line):
    assert sign(line) == ""


@settings(deadline=None)
@given(st.sampled_from(ERRORS), NEUTRAL)
def test_an_error_is_seen_whatever_follows_it(line, after):
    assert sign(" ".join((f"{line};", *after)))


@settings(deadline=None)
@given(st.lists(st.sampled_from(INNOCENT), min_size=1, max_size=4), st.sampled_from(["; ", ", ", " | "]))
def test_innocent_parts_make_an_innocent_line(parts, between):
    assert sign(between.join(parts)) == ""


@settings(deadline=None)
@given(st.lists(st.sampled_from(INNOCENT), max_size=3), st.sampled_from(ERRORS))
def test_innocent_parts_hide_no_error(parts, line):
    assert sign("; ".join((*parts, line)))


@settings(deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["errors", "write errors", "NaN", "failures"]), st.booleans())
def test_a_count_is_an_error_unless_it_is_nought(count, noun, grouped):
    assert bool(sign(f"run ended with {count:,} {noun}" if grouped else f"{count} {noun}")) == (count > 0)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=200))
def test_any_line_has_an_answer(line):
    assert isinstance(sign(line), str)
