"""A gate as its dialog shows it: every criterion with its evidence, what gates, what is not proven here."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from itertools import pairwise, zip_longest

from console.app.draw import times
from console.app.draw.task import BLANK, verdict
from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.conductor.view import CriterionView, GateView, View


def lines(view: View, gate: GateView, width: int, glyphs: Glyphs, now: datetime.datetime) -> list[Line]:
    """The table, a line under it, then what this rehearsal can't prove, with its true verdict."""
    columns = _columns(width)
    drawn = [*_rows(columns, ("criterion", "dim"), ("value", "dim"), ("asks", "dim"), ("verdict", "dim"))]
    here = [c for c in gate.criteria if c.gates]
    aside = [c for c in gate.criteria if not c.gates]
    for criterion in here:
        drawn += _criterion(criterion, columns, width)
    if not here:
        drawn.append(line(("nothing gates here", "warn")))
    if aside:
        drawn += [BLANK, line((f"{'─' if glyphs.border == 'round' else '-'} not proven here ".ljust(24), "warn"))]
        for criterion in aside:
            drawn += _criterion(criterion, columns, width)
    drawn.append(BLANK)
    drawn += _evidence(gate, now)
    if gate.also_ran:
        drawn += wrapped(
            f"{', '.join(gate.also_ran)} also ran this work: a decision by the same person will say so", width, "warn"
        )
    if gate.bound:
        drawn += wrapped(f"for this and nothing else: {gate.bound}", width)
    if gate.provisional:
        drawn += wrapped("provisional: it recommends and unlocks nothing", width, "dim")
    if gate.decision is not None:
        said = gate.decision
        signed = "signed" if said.signed else "unsigned"
        drawn += wrapped(
            f"decided {said.reads} by {said.operator} at {times.stamp(said.at)}, {signed}: {said.reason}; "
            "a new decision supersedes it",
            width,
            "good" if said.outcome == "go" else "bad",
        )
    planned = view.plan.gate.get(gate.id)
    if planned is not None and planned.about:
        drawn += wrapped(planned.about, width, "dim")
    return drawn


def _columns(width: int) -> tuple[int, int, int]:
    """Where value, asks and verdict begin."""
    label = max(18, min(30, width * 30 // 100))
    return label, width - 28, width - 13


def _rows(columns: tuple[int, int, int], *cells: Span) -> Iterator[Line]:
    """The cells side by side, each on as many lines as its column asks for."""
    starts = (0, *columns)
    rooms = [*(end - start - 1 for start, end in pairwise(starts)), 13]
    broken = [list(wrapped(text, room, style)) for (text, style), room in zip(cells, rooms, strict=True)]
    for row in zip_longest(*broken, fillvalue=BLANK):
        fitted = [cell.fitted(room, "…") for cell, room in zip(row, rooms, strict=True)]
        yield line(*[part for cell in fitted for part in (*cell, (" ", ""))][:-1])


def _criterion(criterion: CriterionView, columns: tuple[int, int, int], width: int) -> Iterator[Line]:
    word, style = verdict(criterion.met)
    if criterion.stale:
        word, style = "stale", "warn"
    if criterion.waived:
        word, style = "waived", "warn"
    value_style = "warn" if criterion.value is None else ""
    yield from _rows(
        columns, (criterion.label, ""), (criterion.shown, value_style), (criterion.asks, ""), (word, style)
    )
    beside = []
    if criterion.interval is not None:
        low, high = criterion.interval
        beside.append(f"95 %: {low * 100:.1f} to {high * 100:.1f}")
    if criterion.enough is not None and criterion.n is not None:
        beside.append(f"{criterion.enough:,} of {criterion.n:,} would be sure")
    elif criterion.interval is not None and criterion.n is not None:
        beside.append(f"no count of {criterion.n:,} would be sure")
    indent = " " * columns[0]
    if beside:
        yield from wrapped(", ".join(beside), width, "dim", indent)
    reason = criterion.reason.removeprefix(criterion.shown).removeprefix("; ")
    if reason and criterion.met is not True:
        yield from wrapped(reason, width, "dim", indent)
    if criterion.waived:
        yield from wrapped(f"waived: {criterion.waived}", width, "warn", indent)


def _evidence(gate: GateView, now: datetime.datetime) -> Iterator[Line]:
    seen: set[tuple[str, str]] = set()
    for criterion in gate.criteria:
        if not criterion.job or (criterion.job, criterion.task) in seen:
            continue
        seen.add((criterion.job, criterion.task))
        ago = times.age(criterion.measured_at, now)
        when = f", {ago} ago" if ago else ""
        where = f" on {criterion.host}" if criterion.host else ""
        first = "evidence  " if len(seen) == 1 else " " * 10
        yield line((first, "dim"), f"{criterion.task} job {criterion.job[:8]}{where}{when}")
    if not seen:
        yield line(("evidence  ", "dim"), ("none yet", "warn"))


def why(view: View, gate: GateView, width: int) -> list[Line]:
    """The chain behind each criterion: task, measure, job, host, and the digests that the job took in."""
    drawn: list[Line] = []
    for criterion in gate.criteria:
        word, style = verdict(criterion.met)
        drawn.append(line((criterion.label, "head"), right=[(word, style)]))
        drawn += wrapped(f"{criterion.task} measures {criterion.measure}: {criterion.shown}", width, "", "    ", "  ")
        if criterion.reason:
            drawn += wrapped(criterion.reason, width, "dim", "    ", "  ")
        task = view.tasks.get(criterion.task)
        job = next((j for j in task.jobs if j.id == criterion.job), None) if task else None
        if job is not None:
            drawn.append(line(f"  job {job.id} on {job.host}, {job.operation}, {times.stamp(job.started)}"))
            for of, artefact, maker, sha256 in job.inputs:
                drawn.append(
                    line(("    from ", "dim"), f"{of} {artefact}", (f"  job {maker[:8]}  {sha256[:16]}…", "dim"))
                )
        drawn.append(BLANK)
    return drawn
