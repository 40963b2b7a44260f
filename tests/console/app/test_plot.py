import math
import random
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.app import curve, plot
from console.app.follow import Series

NAN = float("nan")


def series(*points: tuple[int, float]) -> Series:
    return Series(array("q", [s for s, _ in points]), array("d", [v for _, v in points]))


def of(values: list[float]) -> curve.Curve:
    return curve.fold([series(*enumerate(values))])


def test_attempts_fold_by_step_and_the_later_job_wins():
    first = series((1, 2.0), (2, 1.9), (3, 9.9), (4, 9.8))
    second = series((3, 1.8), (4, 1.7), (5, 1.6))
    folded = curve.fold([first, None, second])
    assert list(folded.steps) == [1, 2, 3, 4, 5]
    assert list(folded.values) == [2.0, 1.9, 1.8, 1.7, 1.6]
    assert folded.last == (5, 1.6)


def test_within_one_attempt_the_last_word_counts():
    assert list(curve.fold([series((1, 5.0), (1, 4.0))]).values) == [4.0]
    assert curve.fold([]).last is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(-10, 10)), max_size=60), st.integers(0, 60))
def test_folding_is_what_a_dictionary_would_do(points, cut):
    expected = dict(points[:cut]) | dict(points[cut:])
    folded = curve.fold([series(*points[:cut]), series(*points[cut:])])
    assert dict(zip(folded.steps.tolist(), folded.values.tolist(), strict=True)) == expected


def test_the_mean_breaks_where_the_values_do():
    mean = curve.smoothed(of([2.0, 4.0, NAN, 6.0, 8.0]), 2)
    assert mean.values[1] == 3.0
    assert math.isnan(mean.values[2])
    assert mean.values[4] == 7.0


def test_thinning_breaks_at_what_is_not_finite():
    pieces = curve.thinned(of([1.0, 2.0, NAN, 3.0, math.inf, 4.0]), 100)
    assert [piece.values.tolist() for piece in pieces] == [[1.0, 2.0], [3.0], [4.0]]
    assert curve.thinned(of([NAN, NAN]), 100) == []


def test_thinning_keeps_a_single_spike():
    values = np.ones(250_000)
    values[123_456] = 50.0
    thin = curve.thinned(curve.Curve(np.arange(250_000), values), 300)
    assert sum(len(piece.steps) for piece in thin) <= 310
    assert max(piece.values.max() for piece in thin) == 50.0


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_round_and_inside(low, span, most):
    ticks = plot.round_ticks(low, low + span, most)
    assert len(ticks) <= most + 1
    for position, label in ticks:
        assert low - span * 1e-6 <= position <= low + span * (1 + 1e-6)
        assert float(label.replace(",", "")) == pytest.approx(position, abs=span * 1e-3)


def falling(count: int = 100) -> list[float]:
    noise = random.Random(1)
    return [2 * 0.97**n + noise.uniform(0, 0.1) for n in range(count)]


def shown(lines) -> str:
    return "\n".join(row.plain for row in lines)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("marker", "plain"), [("hd", False), ("braille", False), (".", True)])
def test_a_curve_has_its_size_axes_and_all_three_parts(log, marker, plain):
    look = plot.Look(log, marker, "o" if plain else "◆", plain)
    lines = plot.draw(of(falling()), of([1.5]), 200, 60, 12, look)
    assert len(lines) == 12
    assert all(len(row.plain) == 60 for row in lines)
    assert {style for row in lines for _, style in row.left} == {"dim", "accent", "good"}
    assert "200" in shown(lines)
    assert shown(lines).isascii() is plain


def test_log_scale_says_the_values_themselves():
    lines = shown(plot.draw(of([10.0 ** -(n / 25) for n in range(100)]), curve.EMPTY, 0, 60, 14, plot.Look(log=True)))
    assert "0.1" in lines
    assert "0.01" in lines


@pytest.mark.parametrize(
    "values", [[], [NAN], [math.inf, NAN], [1.0], [1.0, 1.0, 1.0], [0.0, 0.0], [-1.0, -2.0], [1e-12, 1e12], [NAN, 2.0]]
)
@pytest.mark.parametrize("log", [False, True])
def test_no_curve_is_too_odd_to_draw(values, log):
    lines = plot.draw(of(values), curve.EMPTY, 10, 40, 8, plot.Look(log=log))
    drawable = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    assert bool(lines) is bool(drawable)


def test_a_place_too_small_is_left_empty():
    assert plot.draw(of(falling()), curve.EMPTY, 0, 10, 2, plot.Look()) == []


def test_the_round_before_is_drawn_faint_and_widens_the_axis():
    alone = plot.draw(of(falling()), curve.EMPTY, 0, 60, 12, plot.Look())
    both = plot.draw(of(falling()), curve.EMPTY, 0, 60, 12, plot.Look(), of([9.0] * 30))
    assert shown(alone) != shown(both)
    assert "8┤" in shown(both), "what it had lies on the axis"
    assert "8┤" not in shown(alone)
