"""What a row of losses says: where it began and ended, whether it falls, and when it is beyond hope."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence

from operations.contract import Context

ENDS = 10
"""Steps whose mean is the initial or the final loss."""
WINDOW = 20
FAR_FROM_START = 2.0
FAR_FROM_BEST = 3.0
DIVERGES = (
    f"the median of the last {WINDOW} losses is over {FAR_FROM_START:g} times the mean of the first {ENDS} "
    f"and over {FAR_FROM_BEST:g} times the lowest such median"
)
"""The rule by which a training is taken to diverge."""
TOO_FEW = "fewer than five steps have no fifths"


def initial(losses: Sequence[float]) -> float:
    """Mean of the first ten losses, or of all if there are fewer. Raises StatisticsError for none."""
    return statistics.fmean(losses[:ENDS])


def final(losses: Sequence[float], last: int = ENDS) -> float:
    """Mean of the last losses, or of all if there are fewer. Raises StatisticsError for none."""
    return statistics.fmean(losses[-last:])


def fifths(losses: Sequence[float]) -> tuple[float, float] | None:
    """Medians of the first and of the last fifth; None below five losses."""
    size = len(losses) // 5
    return (statistics.median(losses[:size]), statistics.median(losses[-size:])) if size else None


class Watch:
    """Looks at losses as they come, for what can't get well again."""

    def __init__(self) -> None:
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._best = math.inf

    def catch_up(self, losses: Sequence[float]) -> None:
        """Takes in the losses of earlier attempts."""
        for loss in losses:
            self._diverges(loss)

    def fault(self, step: int, loss: float, norm: float = 0.0) -> str:
        """Why the training must end after this step, in words; "" while it may go on."""
        for what, value in (("loss", loss), ("gradient", norm)):
            if not math.isfinite(value):
                return f"the {what} is not finite ({value}) at step {step}"
        return f"diverged at step {step}: {DIVERGES}" if self._diverges(loss) else ""

    def _diverges(self, loss: float) -> bool:
        if len(self._first) < ENDS:
            self._first.append(loss)
        self._recent.append(loss)
        if len(self._recent) < WINDOW:
            return False
        median = statistics.median(self._recent)
        self._best = min(self._best, median)
        return median > FAR_FROM_START * statistics.fmean(self._first) and median > FAR_FROM_BEST * self._best


def report(context: Context, losses: Sequence[float], last: int = ENDS) -> None:
    """Reports initial_loss, final_loss (of the ``last`` steps), loss_reduction, loss_falls and what it rests on."""
    names = ("initial_loss", "final_loss", "loss_reduction")
    if losses:
        first, end = initial(losses), final(losses, last)
        for name, value in zip(names, (first, end, first - end), strict=True):
            context.measure(name, value)
    else:
        for name in names:
            context.measure(name, None, reason="no step was taken")
    medians = fifths(losses)
    names = ("loss_first_fifth", "loss_last_fifth", "loss_falls")
    values = (
        (None, None, None)
        if medians is None
        else (*medians, all(map(math.isfinite, losses)) and medians[1] < medians[0])
    )
    for name, found in zip(names, values, strict=True):
        context.measure(name, found, reason="" if found is not None else TOO_FEW)
