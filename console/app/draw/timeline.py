"""Planned and actual times of the tasks as rows."""

from __future__ import annotations

import datetime

from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.conductor import wording
from console.conductor.timeline import Reached, Timeline, Times


def lines(found: Timeline, zone: str, width: int, glyphs: Glyphs) -> list[Line]:
    """The end of the whole and what it hangs on, the milestones, then one row a task in the plan's order."""
    here = datetime.datetime.now().astimezone()
    local = f"; here it is {here:%Z}, UTC{here:%z}" if here.utcoffset() else ""
    local += "" if zone == "UTC" else f"; the site is in {zone}"
    first = max(6, *map(len, found.times)) + 2
    slip = wording.span(found.expected_end - found.planned_end)
    drawn = [line((f"times in UTC{local}", "dim"))]
    drawn += wrapped(f"planned end {_minute(found.planned_end)}, expected {_minute(found.expected_end)}: {slip}", width)
    hangs = f" {glyphs.arrow} ".join(found.critical) or "nothing"
    drawn += wrapped(f"the end hangs on {hangs}", width)
    if found.milestones:
        drawn += [Line(), line((f"{'':{first}}{'planned':12}{'reached, or ≈':14}{'slip':>11}  milestone", "head"))]
        drawn += [_milestone(reached, first) for reached in found.milestones]
    if found.adopted:
        drawn += [Line(), *(line(f"{_minute(adopted.at)}  {adopted.what}") for adopted in found.adopted)]
    drawn += [Line(), line((f"{'task':{first}}{'planned':12}{'ended, or ≈':14}{'slip':>11}  state", "head"))]
    return drawn + [_row(times, first, glyphs) for times in found.times.values()]


def _milestone(reached: Reached, first: int) -> Line:
    slip = reached.expected - reached.planned
    late = slip > datetime.timedelta()
    told = f"{'' if reached.done else '≈ '}{_minute(reached.expected)[5:]}"
    return line(
        (f"{reached.id:{first}}", "accent"),
        f"{_minute(reached.planned)[5:]:12}",
        (f"{told:14}", "" if reached.done else "dim"),
        (f"{wording.span(slip):>11}  ", "warn" if late else ""),
        reached.title,
    )


def _row(times: Times, first: int, glyphs: Glyphs) -> Line:
    end = times.ended or times.expected_end
    late = times.slip > datetime.timedelta() and end is not None
    told = f"{'' if times.ended else '≈ '}{_minute(end)[5:]}" if end else "-"
    marks: list[Span] = [("OVERDUE ", "bad")] if times.overdue else []
    marks += [("critical", "warn")] if times.critical else []
    return line(
        (f"{times.task:{first}}", "accent"),
        f"{_minute(times.planned_end)[5:]:12}",
        (f"{told:14}", "" if times.ended else "dim"),
        (f"{wording.span(times.slip) if end else '':>11}  ", "warn" if late else ""),
        (f"{glyphs.state[times.state]} {times.state}", times.state),
        right=marks,
        key=times.task,
    )


def _minute(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
