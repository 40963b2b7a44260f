"""Planned and actual times of the tasks as rows."""

from __future__ import annotations

import datetime

from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.conductor import wording
from console.conductor.timeline import Timeline, Times


def lines(found: Timeline, zone: str, width: int, glyphs: Glyphs) -> list[Line]:
    """One row a task, in the plan's order; then the end of the whole and what it hangs on."""
    here = datetime.datetime.now().astimezone()
    local = f"; here it is {here:%Z}, UTC{here:%z}" if here.utcoffset() else ""
    local += "" if zone == "UTC" else f"; the site is in {zone}"
    first = max(6, *map(len, found.times)) + 2
    head = f"{'task':{first}}{'planned':12}{'ended, or ≈':14}{'slip':>11}  state"
    drawn = [line((f"times in UTC{local}", "dim")), line((head, "head"))]
    drawn += [_row(times, first, glyphs) for times in found.times.values()]
    drawn.append(Line())
    slip = wording.span(found.expected_end - found.planned_end)
    drawn += wrapped(f"planned end {_minute(found.planned_end)}, expected {_minute(found.expected_end)}: {slip}", width)
    for reached in found.milestones:
        late = reached.expected > reached.planned
        word = "reached" if reached.done else "expected"
        drawn.append(
            line(
                (f"{reached.id:{first}}", "accent"),
                f"{_minute(reached.planned)[5:]:12}",
                (f"{word} {_minute(reached.expected)[5:]}  ", "warn" if late else ""),
                (f"{wording.span(reached.expected - reached.planned):>11}  ", "warn" if late else "dim"),
                reached.title,
            )
        )
    hangs = f" {glyphs.arrow} ".join(found.critical) or "nothing"
    drawn += wrapped(f"the end hangs on {hangs}", width)
    return drawn


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
