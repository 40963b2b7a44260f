"""Intervals of proportions."""

from __future__ import annotations

import bisect
import math

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
