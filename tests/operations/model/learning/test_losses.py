"""What a row of losses says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.model.learning import losses

finite = st.floats(0, 1e6)


@given(st.lists(finite, min_size=5, max_size=200))
def test_fifths_are_medians_of_the_ends(values):
    size = len(values) // 5
    first, last = losses.fifths(values)
    assert min(values[:size]) <= first <= max(values[:size])
    assert min(values[-size:]) <= last <= max(values[-size:])


def test_fewer_than_five_have_none():
    assert losses.fifths([1.0] * 4) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_finite_is_a_fault_at_once(value):
    watch = losses.Watch()
    assert not watch.fault(1, 2.0, 1.0)
    assert "loss is not finite" in watch.fault(2, value, 1.0)
    assert "gradient is not finite" in losses.Watch().fault(1, 1.0, value)


def test_rising_far_above_start_and_best_diverges_and_says_the_rule():
    watch = losses.Watch()
    faults = [watch.fault(step, 2.0 if step < 40 else 2.0 * 1.2 ** (step - 40)) for step in range(1, 80)]
    first = next(i for i, fault in enumerate(faults) if fault)
    assert first > 40
    assert losses.DIVERGES in faults[first]


def test_a_spike_or_a_noisy_descent_does_not_diverge():
    watch = losses.Watch()
    for step in range(1, 500):
        noisy = 3 / (1 + step / 20) * (1 + 0.5 * math.sin(step * 12.9898))
        assert not watch.fault(step, 50.0 if step % 97 == 0 else noisy)


def test_earlier_attempts_count():
    fresh, resumed = losses.Watch(), losses.Watch()
    early = [2.0] * 10 + [0.1] * 30
    late = [2.0 * 1.3**i for i in range(30)]
    for loss in early:
        fresh.fault(1, loss)
    resumed.catch_up(early)
    assert [fresh.fault(1, v) for v in late] == [resumed.fault(1, v) for v in late]
    assert resumed.fault(1, late[-1])
