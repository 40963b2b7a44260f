"""A host's readings as rows: now, least, mean and most of a span, a sparkline, and one of them as a plot over time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from console.app.draw import times
from console.app.draw.bars import sparkline
from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.app.service import Reading
from console.conductor import wording
from console.conductor.alerts import asks, holds
from console.conductor.view import View
from console.plan import limits

if TYPE_CHECKING:  # a history is read after the first frame
    from console.hosts.archive import History, Point
    from console.hosts.archive import Span as Period

SILENT = 15.0
"""Seconds without a reading after which the last one is no longer shown as if it were now."""
STYLES = {"alert": "bad", "warning": "warn"}
PRESSURES = ("nominal", "moderate", "heavy", "trapping", "sleeping")
"""macOS's words for its thermal pressure."""
SPANS: dict[Period, str] = {"hour": "last hour", "day": "last day", "programme": "programme"}
HIGH = 6
"""Rows of a plot."""
NARROW = 62
"""Columns below which least, mean and most are left to the plot."""
_NAME, _NOW, _COLUMN, _AXIS = 12, 15, 8, 9


class _Row(NamedTuple):
    """One reading: its label, where its reason stands, and what its plot reaches up to at least."""

    name: str
    label: str
    reason: str = ""
    top: float | None = None


ROWS = (
    _Row("gpu_percent", "gpu", "gpu_reason", 100.0),
    _Row("gpu_memory_used", "gpu memory", "gpu_memory_reason"),
    _Row("cpu_percent", "processors", "cpu_reason", 100.0),
    _Row("ram_used", "memory"),
    _Row("temperature_c", "temperature", "temperature_reason"),
    _Row("thermal_pressure", "pressure", "thermal_reason", 4.0),
    _Row("watts", "power", "watts_reason"),
    _Row("disk_free", "disk free"),
    _Row("disk_written", "written", "disk_reason"),
    _Row("net_sent", "sent", "net_reason"),
    _Row("net_received", "received", "net_reason"),
    _Row("load1", "load"),
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a host: how it stands, its recent readings, and how old the last one is in seconds."""

    state: str
    readings: Sequence[Reading] = ()
    age: float | None = None

    @property
    def silent(self) -> bool:
        return self.age is not None and self.age > SILENT

    @property
    def word(self) -> str:
        """The state alone."""
        return self.state.partition(": ")[0]

    @property
    def reason(self) -> str:
        """What is wrong, and what to do; empty where nothing is."""
        return self.state.partition(": ")[2]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pane shows of the past: the span, where a host's history is had, and the reading that is plotted."""

    span: Period = "hour"
    history: Callable[[str], History | None] = lambda _: None
    plotted: Hashable = None


def machine(view: View, id: str) -> set[str]:
    """The host and those that share its machine."""
    shared = limits.shared(view.site)
    first = shared.get(id, id)
    return {first, *(host for host, other in shared.items() if other == first)}


def judged(view: View, id: str, name: str, value: float | None) -> str:
    """The style of a host's reading: that of the limit of the plan that it does not hold now, or ""."""
    hosts = machine(view, id)
    styles = {
        STYLES[limit.level]
        for key, limit in view.plan.limit.items()
        if limit.reading == name
        and value is not None
        and any(view.limits.get((key, host)) == "" for host in hosts)
        and not holds(limit, value)
    }
    return "bad" if "bad" in styles else "warn" if styles else ""


def told(name: str, value: float | None) -> str:
    """A reading as a person reads it; thermal pressure in macOS's words."""
    if name == "thermal_pressure" and value is not None:
        return PRESSURES[int(value)] if 0 <= value < len(PRESSURES) else f"{value:g}"
    return wording.reading(name, value)


def table(
    view: View, id: str, known: Heard, history: History | None, shown: Shown, width: int, glyphs: Glyphs
) -> Iterator[Line]:
    """One row a reading; what can't be had says why, and what a limit asks stands below what does not hold it."""
    columns = width >= NARROW
    past = history if history is not None and history.whole else None
    heads = "".join(f"{head:>{_COLUMN}}" for head in ("least", "mean", "most")) if columns and past else ""
    yield line((f"  {'':{_NAME}}{'now':{_NOW}}{heads} {_span(shown, past)}", "dim"))
    last = known.readings[-1] if known.readings and not known.silent else None
    for row in ROWS:
        key = id, row.name
        value = getattr(last, row.name, None)
        told_once = past is not None and row.name in past.whole
        style = judged(view, id, row.name, value)
        label: Span = (f"  {row.label:{_NAME}}", "dim")
        if value is None:
            yield line(label, "n/a  ", (_reason(row, known, last), "dim"), key=key)
        if value is not None or told_once:
            now: Span = (_now(row.name, last) + ("!" if style else ""), style) if value is not None else ("", "")
            yield _row(row, (label, (f"{now[0]:{_NOW}}", now[1])), known, past, columns, width, glyphs, key)
        yield from _limits(view, id, row.name, style, width)
        if key == shown.plotted:
            yield from _plot(row, past, width, glyphs)
            yield from _asked(view, id, row.name, width)


def _span(shown: Shown, past: History | None) -> str:
    if past is None:
        return "last minutes"
    length = f", {times.span(past.end - past.start)}" if shown.span == "programme" else ""
    return f"{SPANS[shown.span]}{length}"


def _reason(row: _Row, known: Heard, last: Reading | None) -> str:
    if last is None:
        return f"not heard for {times.span(known.age)}" if known.age is not None else known.state
    return str(getattr(last, row.reason, "")) or "not told"


def _now(name: str, last: Reading | None) -> str:
    whole = {"ram_used": "ram_total", "gpu_memory_used": "gpu_memory_total"}.get(name)
    value, total = getattr(last, name), getattr(last, whole) if whole else None
    if total is None:
        return told(name, value)
    return f"{_short(value / 1e9)} of {_short(total / 1e9)} GB"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _row(
    row: _Row,
    begin: tuple[Span, Span],
    known: Heard,
    past: History | None,
    columns: bool,
    width: int,
    glyphs: Glyphs,
    key: Hashable,
) -> Line:
    label, now = begin
    if now[0].strip() == "":
        label = (f"  {'':{_NAME}}", "dim")  # the reason stands in the line above
    figures, values = "", [getattr(reading, row.name) for reading in known.readings]
    point = past.whole.get(row.name) if past else None
    taken = 2 + _NAME + _NOW + (3 * _COLUMN if columns and past else 0) + 1
    room = max(8, min(60, width - taken))
    if past is not None:
        if columns and point is not None:
            figures = "".join(f"{_figure(row.name, v):>{_COLUMN}}" for v in point)
        elif columns:
            figures = " " * 3 * _COLUMN
        values = means(past.parts.get(row.name, ()), room)
    sparks = sparkline(values, glyphs, room, _top(row, known, point))
    return line(label, now, (figures, ""), (f" {sparks}", "accent"), key=key)


def _top(row: _Row, known: Heard, point: Point | None) -> float | None:
    if row.name == "ram_used" and known.readings:
        return float(known.readings[-1].ram_total)
    if row.top is None:
        return point.high if point else None
    return max(row.top, point.high) if point else row.top


def means(parts: Sequence[Point | None], count: int) -> list[float | None]:
    """The parts of a span as so many columns; None where nothing was had."""
    found: list[float | None] = []
    for column in range(count):
        begin = column * len(parts) // count
        held = [p.mean for p in parts[begin : max(begin + 1, (column + 1) * len(parts) // count)] if p is not None]
        found.append(sum(held) / len(held) if held else None)
    return found


def _limits(view: View, id: str, name: str, style: str, width: int) -> Iterator[Line]:
    """What the plan asks of a reading that does not hold it, or whose alert has not ended."""
    hosts = machine(view, id)
    since = {alert.limit: alert.since for alert in view.alerts if alert.host in hosts}
    for key, limit in view.plan.limit.items():
        if limit.reading == name and (key in since or style):
            began = f", {limit.level} since {times.stamp(since[key])}" if key in since else ""
            yield from wrapped(f"! {limit.label}: {asks(limit)}{began}", width, STYLES[limit.level], "    ", "    ")


def _plot(row: _Row, past: History | None, width: int, glyphs: Glyphs) -> Iterator[Line]:
    point = past.whole.get(row.name) if past else None
    if past is None or point is None:
        yield line((f"    {row.label}: no history yet", "dim"))
        return
    room = max(8, min(120, width - _AXIS - 5))
    low = 0.0 if row.top is not None else point.low
    high = max(point.high, row.top or 0.0)
    if not high > low:  # what never changed is a line in the middle
        low, high = (low * 0.99, low * 1.01) if low > 0 else (low, low + 1.0)
    labels = {0: _figure(row.name, high), HIGH - 1: _figure(row.name, low)}
    for place, text in enumerate(blocks(means(past.parts[row.name], room), low, high, HIGH, glyphs)):
        yield line((f"    {labels.get(place, ''):>{_AXIS}}{glyphs.cut}", "dim"), (text, "accent"))
    begin, end = (f"{times.at(t):%d %b %H:%M}" for t in (past.start, past.end))
    yield line((f"    {'':{_AXIS}} {begin}{f'{end} UTC':>{room - len(begin)}}", "dim"))
    figures = (
        f"{word} {wording.reading(row.name, v)}" for word, v in zip(("least", "mean", "most"), point, strict=True)
    )
    yield line((f"    {'':{_AXIS}} {', '.join(figures)}", "dim"))


def _asked(view: View, id: str, name: str, width: int) -> Iterator[Line]:
    """The plan's limits of a reading, and why one does not hold here now."""
    hosts = machine(view, id)
    for key, limit in view.plan.limit.items():
        why_not = [why for (asked, host), why in view.limits.items() if asked == key and host in hosts]
        if limit.reading == name and why_not:
            aside = f", not watched now: {why_not[0]}" if why_not[0] else f", {limit.level} after {limit.seconds} s"
            indent = " " * (_AXIS + 5)
            yield from wrapped(f"{limit.label}: {asks(limit)}{aside}", width, "dim", indent, indent)


def _figure(name: str, value: float) -> str:
    """As short as a column is: the row says of what it is a rate."""
    return wording.reading(name, value).removesuffix("/s")


def blocks(values: Sequence[float | None], low: float, high: float, height: int, glyphs: Glyphs) -> list[str]:
    """Columns of blocks between two values, top row first; a gap is a column of spaces."""
    levels = glyphs.levels
    steps = height * len(levels)
    filled = [0 if v is None else 1 + min(steps - 1, max(0, int((v - low) / (high - low) * steps))) for v in values]
    rows = []
    for row in range(height - 1, -1, -1):
        base = row * len(levels)
        rows.append("".join(" " if n <= base else levels[min(len(levels), n - base) - 1] for n in filled))
    return rows
