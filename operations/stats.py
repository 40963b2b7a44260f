"""Intervals of proportions and rates."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

Z95 = 1.959964
"""Of the normal distribution, two-sided 95 %."""


def wilson(count: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The score interval (low, high) of ``count`` in ``n``, both in 0..1.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Raises
    ValueError unless 0 <= count <= n and n > 0.
    """
    if n <= 0 or not 0 <= count <= n:
        raise ValueError(f"no proportion: {count} of {n}")
    p, square = count / n, z * z
    centre = (p + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * math.sqrt(p * (1 - p) / n + square / (4 * n * n))
    # At the ends the bound is exactly 0 or 1; rounding must not miss it.
    return (0.0 if count == 0 else centre - half), (1.0 if count == n else centre + half)


def binomial_upper(count: int, n: int, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a proportion of which ``count`` in ``n`` were seen, in 0..1.

    C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934); 0 of n gives
    1 - (1 - confidence)^(1/n), about 3/n. Raises ValueError unless 0 <= count <= n and n > 0.
    """
    if n <= 0 or not 0 <= count <= n:
        raise ValueError(f"no proportion: {count} of {n}")
    if count == n:
        return 1.0
    ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)

    def at_most(p: float) -> float:
        if p in (0.0, 1.0):
            return 1.0 - p
        last = math.exp(ways + count * math.log(p) + (n - count) * math.log1p(-p))
        return _tail(last, count, lambda i: i * (1 - p) / ((n - i + 1) * p))

    return _where(at_most, 1 - confidence, count / n, 1.0)


def poisson_upper(count: int, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a Poisson mean of which ``count`` events were seen.

    F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936). For a sum of independent yes-or-no
    trials it lies above their own bound (W. Hoeffding, Ann. Math. Stat. 27, 1956). Raises ValueError below 0.
    """
    if count < 0:
        raise ValueError(f"no count: {count}")

    def at_most(mean: float) -> float:
        if mean == 0.0:
            return 1.0
        last = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
        return _tail(last, count, lambda i: i / mean)

    return _where(at_most, 1 - confidence, float(count), count + 20 + 10 * math.sqrt(count + 1))


def _tail(last: float, count: int, ratio: Callable[[int], float]) -> float:
    """Probabilities of ``count`` down to 0, summed from the largest on; ``ratio(i)`` is that of i - 1 to that of i."""
    total = term = last
    for i in range(count, 0, -1):
        term *= ratio(i)
        total += term
        if term <= total * 1e-17:
            break
    return total


def _where(falling: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Where a falling function takes a value, by bisection."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return high


def enough(n: int, threshold: float, *, strict: bool = False, z: float = Z95) -> int | None:
    """The smallest count of ``n`` whose interval lies at or above ``threshold``; above it if ``strict``.

    None if even n of n is not enough, or if n is 0.
    """
    if n <= 0:
        return None
    search = bisect.bisect_right if strict else bisect.bisect_left
    found = search(range(n + 1), threshold, key=lambda count: wilson(count, n, z)[0])
    return found if found <= n else None


def paired(both: int, first: int, second: int, neither: int, z: float = Z95) -> tuple[float, float, float]:
    """The difference of two proportions on the same samples, and its interval: (difference, low, high), each in -1..1.

    ``both`` samples are successes of both, ``first`` and ``second`` of one alone. R. G. Newcombe, "Improved confidence
    intervals for the difference between binomial proportions based on paired data", Statistics in Medicine 17 (1998),
    method 10: two score intervals, their correlation corrected for continuity. Raises ValueError for no samples.
    """
    n = both + first + second + neither
    p, q = (both + first) / n if n else 0.0, (both + second) / n if n else 0.0
    (p_low, p_high), (q_low, q_high) = wilson(both + first, n, z), wilson(both + second, n, z)
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    product = both * neither - first * second
    corrected = max(product - n / 2, 0.0) if product > 0 else product
    phi = corrected / math.sqrt(margins) if margins else 0.0

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    difference = p - q
    return difference, difference - distance(p - p_low, q_high - q), difference + distance(p_high - p, q - q_low)
