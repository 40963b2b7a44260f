"""Curves of a run as they are plotted: attempts folded by step, smoothed, thinned out. Imports numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

from console.app.follow import Series

Steps = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Values by ascending step; NaN and infinities stand where they were reported."""

    steps: Steps
    values: Values

    @property
    def last(self) -> tuple[int, float] | None:
        return (int(self.steps[-1]), float(self.values[-1])) if len(self.steps) else None


EMPTY = Curve(np.empty(0, np.int64), np.empty(0, np.float64))


def fold(attempts: Sequence[Series | None]) -> Curve:
    """Attempts, oldest first, as one curve: at a step that several reported, the later attempt's last word counts."""
    held = [a for a in attempts if a is not None and len(a.steps)]
    if not held:
        return EMPTY
    # copies: an array that is exported can't grow
    steps = np.concatenate([np.array(a.steps, dtype=np.int64) for a in held])
    values = np.concatenate([np.array(a.values, dtype=np.float64) for a in held])
    unique, place = np.unique(steps[::-1], return_index=True)
    return Curve(unique, values[::-1][place])


def smoothed(curve: Curve, window: int) -> Curve:
    """The mean over the last ``window`` finite values at each step; NaN stays NaN, so that the curve breaks there."""
    finite = np.isfinite(curve.values)
    sums = np.cumsum(np.where(finite, curve.values, 0.0))
    counts = np.cumsum(finite)
    if len(sums) > window:
        sums = np.concatenate([sums[:window], sums[window:] - sums[:-window]])
        counts = np.concatenate([counts[:window], counts[window:] - counts[:-window]])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / counts
    return Curve(curve.steps, np.where(finite, means, np.nan))


def thinned(curve: Curve, points: int) -> list[Curve]:
    """The curve's unbroken pieces, each with its extremes kept, of about ``points`` points in all."""
    finite = np.isfinite(curve.values)
    edges = np.flatnonzero(np.diff(finite.astype(np.int8))) + 1
    pieces = [
        Curve(steps, values)
        for steps, values in zip(np.split(curve.steps, edges), np.split(curve.values, edges), strict=True)
        if len(values) and np.isfinite(values[0])
    ]
    total = sum(len(piece.steps) for piece in pieces)
    return [_thin(piece, max(4, points * len(piece.steps) // total)) for piece in pieces] if total else []


def _thin(piece: Curve, points: int) -> Curve:
    if len(piece.steps) <= points:
        return piece
    kept = MinMaxLTTBDownsampler().downsample(piece.steps, piece.values, n_out=points)
    return Curve(piece.steps[kept], piece.values[kept])
