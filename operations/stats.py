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
