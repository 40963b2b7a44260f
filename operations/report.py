"""Reports as blocks of evidence, written as Markdown or as one self-contained HTML file.

Every text is foreign until shown otherwise: it is cleaned of control characters and escaped for where it goes, so that
a payload is read and never rendered. The HTML loads nothing, holds no script, and forbids both by its own policy.
"""

from __future__ import annotations

import html as markup
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from operations.stats import wilson

POINTS = 800
"""Points of a drawn series at most; a one-point spike survives."""
TABLE_POINTS = 20
"""Rows of a chart where it can only be a table."""
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 300, 64, 40, 12


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 2 or deeper; the title is level 1."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text; ``strong`` sets it off, as a verdict is."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Items in no order."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. A cell that is None was not measured and is shown as a dash."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) in the order of x; the line breaks at a y that is not finite."""

    name: str
    points: tuple[tuple[float, float], ...]
    style: Literal["faint", "line", "dots"] = "line"


@dataclass(frozen=True, slots=True)
class Chart:
    """Series over one x axis."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]


Block: TypeAlias = Heading | Paragraph | Listing | Table | Chart
_Place: TypeAlias = Callable[[float, float], tuple[float, float]]


def proportion(count: int, n: int) -> str:
    """A proportion as people should read it: value, 95 % Wilson interval, and what it was counted from."""
    low, high = wilson(count, n)
    return f"{count / n:.1%} [{low:.1%}, {high:.1%}], {count:,} of {n:,}"


def number(value: float | None, digits: int = 4) -> str | None:
    """A number in few digits; None stays None."""
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}g}" if math.isfinite(value) else str(value)


def smoothed(points: Sequence[tuple[float, float]], window: int) -> tuple[tuple[float, float], ...]:
    """The mean of each point's last ``window`` values; not finite as long as one of those is not."""
    found = []
    for index, (x, _) in enumerate(points):
        values = [y for _, y in points[max(0, index - window + 1) : index + 1]]
        found.append((x, math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan))
    return tuple(found)


def clean(text: str) -> str:
    """The text on one line, with every control, direction and surrogate character made visible as U+FFFD."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", " ".join(_BREAKS.split(text)))


_BREAKS = re.compile("[\t\n\r\x0b\x0c\u2028\u2029]+")
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
# What Markdown reads anywhere, what it reads at the start of a block, and what GitHub's turns into a link by itself.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~>@]|^[#+=-]|:(?=//)|(?<=www)\.)", re.I)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")


def markdown(title: str, blocks: Sequence[Block], notice: str = "") -> str:
    """The report as Markdown. ``notice`` stands under the title, such as that it is a rehearsal."""
    parts = [f"# {_md(title)}"]
    if notice:
        parts.append(f"**{_md(notice)}**")
    parts += [_markdown(block) for block in blocks]
    return "\n\n".join(parts) + "\n"


def _md(text: str) -> str:
    numbered = _NUMBERED.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", clean(text)))
    return numbered.replace("&", "&amp;").replace("<", "&lt;")


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_md(block.text)}"
    if isinstance(block, Paragraph):
        return f"**{_md(block.text)}**" if block.strong else _md(block.text)
    if isinstance(block, Listing):
        return "\n".join(f"- {_md(item)}" for item in block.items)
    if isinstance(block, Chart):
        return f"{_md(block.title)}\n\n{_markdown(_as_table(block))}"
    lines = [_md_row(block.columns), "|" + " --- |" * len(block.columns)]
    return "\n".join([*lines, *map(_md_row, block.rows)])


def _md_row(cells: Sequence[str | None]) -> str:
    return "| " + " | ".join("–" if cell is None else _md(cell) for cell in cells) + " |"


def _as_table(chart: Chart) -> Table:
    """The chart's values at up to twenty places."""
    at = sorted({x for series in chart.series for x, _ in series.points})
    step = max(1, math.ceil(len(at) / TABLE_POINTS))
    shown = {*at[step - 1 :: step], *at[-1:], *(x for s in chart.series if s.style == "dots" for x, _ in s.points)}
    lines = [dict(series.points) for series in chart.series]
    rows = tuple((number(x, 8), *(number(line.get(x)) for line in lines)) for x in sorted(shown))
    return Table((chart.x, *(series.name for series in chart.series)), rows)


STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1,h2,h3{line-height:1.2}table{border-collapse:collapse;margin:1rem 0}
td,th{border:1px solid #c8ccd1;padding:.25rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f3f4f6}.strong,.notice{font-weight:600;border-left:.3rem solid #57606a;padding:.4rem .8rem}
.notice{background:#fff3cd}figure{margin:1rem 0}svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th{background:#161b22}td,th{border-color:#3d444d}
.notice{background:#4d3b00}svg text{fill:#e6edf3}}
""".strip()
COLOURS = ("#0969da", "#bf3989", "#1a7f37", "#9a6700")


def html(title: str, blocks: Sequence[Block], notice: str = "") -> str:
    """The report as one HTML file that needs nothing else. ``notice`` stands under the title."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{_html(title)}</title><style>{STYLE}</style>"
    )
    parts = [f"<h1>{_html(title)}</h1>"]
    if notice:
        parts.append(f'<p class="notice">{_html(notice)}</p>')
    parts += [_markup(block) for block in blocks]
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _html(text: str) -> str:
    return markup.escape(clean(text))


def _markup(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_html(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p{' class=strong' if block.strong else ''}>{_html(block.text)}</p>"
    if isinstance(block, Listing):
        return "<ul>" + "".join(f"<li>{_html(item)}</li>" for item in block.items) + "</ul>"
    if isinstance(block, Chart):
        return f"<figure>{_svg(block)}<figcaption>{_html(block.title)}</figcaption></figure>"
    head = "".join(f"<th>{_html(column)}</th>" for column in block.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{'–' if cell is None else _html(cell)}</td>" for cell in row) + "</tr>"
        for row in block.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def thinned(points: Sequence[tuple[float, float]], most: int = POINTS) -> list[tuple[float, float]]:
    """At most about ``most`` points: of each stretch its least, its greatest and one that is not finite, in order."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most / 3))
    found: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        fine = [p for p in part if math.isfinite(p[1])]
        kept = {p for p in part if not math.isfinite(p[1])}
        chosen = list(kept)[:1] + ([min(fine, key=lambda p: p[1]), max(fine, key=lambda p: p[1])] if fine else [])
        found += sorted(set(chosen), key=lambda p: p[0])
    return found


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from ``low`` to ``high``, about so many."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [(first + i) * step for i in range(math.floor(high / step + 1e-9) - first + 1)]


def _svg(chart: Chart) -> str:
    fine = [(x, y) for s in chart.series for x, y in s.points if math.isfinite(y)]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
    if not fine:
        return f'<svg {size}><text x="20" y="40">no points</text></svg>'
    x_low, x_high = min(x for x, _ in fine), max(x for x, _ in fine)
    y_low, y_high = min(0.0, *(y for _, y in fine)), max(y for _, y in fine)
    x_span, y_span = (x_high - x_low) or 1.0, (y_high - y_low) or 1.0
    bottom = HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - x_low) / x_span * (WIDTH - LEFT - 16),
            bottom - (y - y_low) / y_span * (bottom - TOP - 18),
        )

    parts = [f'<svg {size} aria-label="{_html(chart.title)}">']
    for tick in ticks(y_low, y_high):
        _, y = place(x_low, tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 16}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8886" stroke-width="1"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in ticks(x_low, x_high, 8):
        x, _ = place(tick, y_low)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{WIDTH - 16}" y="{HEIGHT - 6}" text-anchor="end">{_html(chart.x)}</text>')
    parts.append(f'<text x="4" y="{TOP + 4}">{_html(chart.y)}</text>')
    for index, series in enumerate(chart.series):
        colour = COLOURS[index % len(COLOURS)]
        parts += _drawn(series, colour, place)
        x = WIDTH - 16 - 150 * (len(chart.series) - index)
        parts.append(f'<rect x="{x}" y="{TOP - 6}" width="14" height="4" fill="{colour}" {_opacity(series)}/>')
        parts.append(f'<text x="{x + 20}" y="{TOP + 1}">{_html(series.name)}</text>')
    return "".join([*parts, "</svg>"])


def _opacity(series: Series) -> str:
    return 'opacity="0.35"' if series.style == "faint" else ""


def _drawn(series: Series, colour: str, place: _Place) -> list[str]:
    if series.style == "dots":
        spots = [place(x, y) for x, y in series.points if math.isfinite(y)]
        return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in spots]
    lines: list[list[str]] = [[]]
    for x, y in thinned(series.points):
        if math.isfinite(y):
            left, top = place(x, y)
            lines[-1].append(f"{left:.1f},{top:.1f}")
        elif lines[-1]:
            lines.append([])
    return [
        f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="2" {_opacity(series)}/>'
        for line in lines
        if line
    ]
