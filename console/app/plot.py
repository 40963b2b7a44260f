"""Draws a loss curve with plotext as spans of text. Imports plotext and numpy: load it after the first frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import plotext
from rich.text import Text

from console.app.curve import EMPTY, Curve, smoothed, thinned
from console.app.line import Line

RAW, MEAN, CHECK = 1, 2, 3
"""Colour numbers that tell plotext's cells apart; the stylesheet says what they look like."""
STYLE = {RAW: "dim", MEAN: "accent", CHECK: "good"}


@dataclass(frozen=True, slots=True)
class Look:
    """How to draw: log scale, and the marks that the terminal has."""

    log: bool = False
    marker: str = "hd"
    check: str = "◆"
    ascii: bool = False


def draw(
    train: Curve, checks: Curve, end: int, width: int, height: int, look: Look, before: Curve = EMPTY
) -> list[Line]:
    """Lines of exactly that size. ``end`` is the last step planned, 0 if unknown. Empty if nothing finite is there.

    ``before`` is the mean of an earlier round, drawn faint below the rest.
    """
    raw = [_scaled(piece, look.log) for piece in thinned(train, 4 * width)]
    window = max(1, len(train.steps) // 25)
    mean = [_scaled(piece, look.log) for piece in thinned(smoothed(train, window), 4 * width)] if window > 1 else []
    marks = [_scaled(piece, look.log) for piece in thinned(checks, width)]
    window = max(1, len(before.steps) // 25)
    earlier = [_scaled(piece, look.log) for piece in thinned(smoothed(before, window), 4 * width)]
    points = [v for xs, ys in (*raw, *marks, *earlier) for v in ys]
    steps = [x for xs, _ in (*raw, *marks, *earlier) for x in xs]
    if not points or width < 16 or height < 4:
        return []
    low, high = min(points), max(points)
    margin = (high - low) * 0.04 or abs(high) * 0.05 or 0.5
    figure = plotext.figure
    figure.clear()
    figure.plot_size(width, height)
    figure.canvas("default")
    figure.axes(False)
    figure.axes(True, axis="x", side="lower")
    figure.axes(True, axis="y", side="left")
    figure.legend(False)
    for pieces, colour in ((earlier, RAW), (raw, RAW if mean else MEAN), (mean, MEAN)):
        for xs, ys in pieces:
            signal = figure.signal(xs, ys, marker=plotext.marker(look.marker, colour))
            figure.draw(signal.lines())
    for xs, ys in marks:
        figure.draw(figure.signal(xs, ys, marker=plotext.marker(look.check, CHECK)))
    _rule(figure.ruler("x", "lower"), min(steps), max(end, *steps, min(steps) + 1), width // 12, log=False)
    _rule(figure.ruler("y", "left"), low - margin, high + margin, max(2, height // 2), log=look.log)
    return [_line(row, look.ascii) for row in Text.from_ansi(figure.build().string()).split("\n")][:height]


def _scaled(piece: Curve, log: bool) -> tuple[list[float], list[float]]:
    """What is not above zero has no place on a log scale and is left out."""
    pairs = [(float(x), float(y)) for x, y in zip(piece.steps, piece.values, strict=True) if not log or y > 0]
    return [x for x, _ in pairs], [math.log10(y) if log else y for _, y in pairs]


def _rule(ruler: plotext.Ruler, low: float, high: float, most: int, *, log: bool) -> None:
    ticks = _log_ticks(low, high, most) if log else round_ticks(low, high, most)
    ruler.lim(low, high)
    ruler.ticks([position for position, _ in ticks], [label for _, label in ticks])
    ruler.pixel("default")


def round_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """At most ``most`` ticks between the bounds at multiples of 1, 2 or 5 times a power of ten, with equal decimals."""
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first = math.ceil(low / step - 1e-9)
    found = []
    while first * step <= high + step * 1e-9:
        found.append((first * step, f"{first * step:,.{decimals}f}"))
        first += 1
    return found


def _log_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Ticks at 1, 2 and 5 times powers of ten; where that is too close, at powers; where too few, linear ones."""
    for factors in ((1, 2, 5), (1,)):
        found = [
            (math.log10(factor * 10.0**power), f"{factor * 10.0**power:g}")
            for power in range(math.floor(low) - 1, math.ceil(high) + 1)
            for factor in factors
            if low <= math.log10(factor * 10.0**power) <= high
        ]
        if 2 <= len(found) <= most + 1:
            return found
    linear = round_ticks(10.0**low, 10.0**high, most)
    return [(math.log10(value), label) for value, label in linear if value > 0]


_PLAIN = str.maketrans({"│": "|", "┤": "|", "└": "+", "─": "-", "┬": "+"})


def _line(row: Text, plain: bool) -> Line:
    """A row's runs of equal colour as spans; what plotext's axes draw is dim."""
    styles = ["dim"] * len(row.plain)
    for found in row.spans:
        colour = getattr(found.style, "color", None)
        if colour is not None and colour.number in STYLE:
            styles[found.start : found.end] = [STYLE[colour.number]] * (found.end - found.start)
    text = row.plain.translate(_PLAIN) if plain else row.plain
    spans: list[tuple[str, str]] = []
    for sign, style in zip(text, styles, strict=True):
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + sign, style)
        else:
            spans.append((sign, style))
    return Line(tuple(spans))
