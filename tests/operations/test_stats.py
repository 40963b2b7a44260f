import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.stats import binomial_upper, enough, paired, poisson_upper, wilson


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (90, 100, 0.826, 0.945),  # 90 of 100 has a 95 % interval of 82.6-94.5 %
        (93, 100, 0.863, 0.966),
        (0, 10, 0.0, 0.278),  # z^2 / (n + z^2) with z = 1.96
        (10, 10, 0.722, 1.0),
        (1, 2, 0.095, 0.905),
    ],
)
def test_known_intervals(count, n, low, high):
    assert wilson(count, n) == pytest.approx((low, high), abs=0.0005)


def test_it_is_the_interval_scipy_computes():
    stats = pytest.importorskip("scipy.stats")
    for count, n in ((0, 1), (1, 1), (3, 7), (90, 100), (189, 200), (999_999, 1_000_000)):
        expected = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
        assert wilson(count, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize(("count", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_no_proportion_is_an_error(count, n):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(count, n)


@pytest.mark.parametrize(
    ("n", "threshold", "count"), [(100, 0.90, 96), (200, 0.90, 189), (10, 0.90, None), (0, 0.5, None), (5, 0.0, 0)]
)
def test_known_counts(n, threshold, count):
    assert enough(n, threshold) == count


def test_strict_asks_for_more_only_where_the_bound_is_the_threshold():
    bound = wilson(96, 100)[0]
    assert enough(100, bound) == 96
    assert enough(100, bound, strict=True) == 97
    assert enough(5, 0.0, strict=True) == 1


@given(st.integers(1, 3000), st.floats(0, 1))
def test_enough_is_the_smallest(n, threshold):
    count = enough(n, threshold)
    if count is None:
        assert wilson(n, n)[0] < threshold
    else:
        assert wilson(count, n)[0] >= threshold
        assert count == 0 or wilson(count - 1, n)[0] < threshold


@given(st.integers(1, 5000), st.data())
def test_an_interval_holds_its_point(n, data):
    count = data.draw(st.integers(0, n))
    low, high = wilson(count, n)
    assert 0 <= low <= count / n + 1e-12
    assert count / n - 1e-12 <= high <= 1


@pytest.mark.parametrize(
    ("table", "difference", "low", "high"),
    [
        # As published for this method: both, first alone, second alone, neither.
        ((36, 12, 2, 0), 0.2, 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.2, 0.0562, 0.3290),
        ((1, 1, 7, 12), -0.2857, -0.507, -0.026),
    ],
)
def test_paired_interval_is_newcombes(table, difference, low, high):
    found = paired(*table)
    assert found == pytest.approx((difference, low, high), abs=5e-4)


COUNTS = [(0, 1), (0, 300), (0, 100_000), (1, 1), (1, 2), (3, 7), (300, 300), (41, 58_700), (93_999, 100_000)]


@pytest.mark.parametrize(("count", "n"), COUNTS)
def test_upper_bounds_are_those_that_scipy_computes(count, n):
    stats = pytest.importorskip("scipy.stats")
    exact = stats.binomtest(count, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert binomial_upper(count, n) == pytest.approx(exact, rel=1e-9)
    assert poisson_upper(count) == pytest.approx(stats.chi2.ppf(0.95, 2 * (count + 1)) / 2, rel=1e-9)


@given(st.integers(1, 100_000))
def test_none_of_many_is_never_nothing(n):
    assert binomial_upper(0, n) == pytest.approx(1 - 0.05 ** (1 / n), rel=1e-6)
    assert 2 / n < binomial_upper(0, n) <= 3 / n or n < 10
    assert poisson_upper(0) / n > binomial_upper(0, n) > 0


@given(st.integers(1, 400), st.data())
def test_a_poisson_bound_lies_above_that_of_trials(n, data):
    count = data.draw(st.integers(0, n))
    assert poisson_upper(count) / n >= binomial_upper(count, n) > count / n or count == n


def test_no_count_has_no_bound():
    for count, n in ((0, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no proportion"):
            binomial_upper(count, n)
    with pytest.raises(ValueError, match="no count"):
        poisson_upper(-1)
