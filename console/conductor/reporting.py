"""The whole execution as one report: what was decided on what evidence, what was measured, typed and ticked."""

from __future__ import annotations

from collections.abc import Iterator

from console.conductor import wording
from console.conductor.alerts import asks
from console.conductor.verbs import Conductor
from console.conductor.view import GateView, RecordView, TaskView, View
from console.journal.fold import State
from operations import report
from operations.report import Block, Heading, Listing, Paragraph, Table

_VERDICT = {True: "met", False: "not met", None: "not measured"}


def markdown(conductor: Conductor) -> str:
    """The report as Markdown."""
    view = conductor.workspace.view()
    return report.markdown(_title(view), tuple(_blocks(conductor, view)), _notice(view))


def html(conductor: Conductor) -> str:
    """The report as one self-contained HTML file."""
    view = conductor.workspace.view()
    return report.html(_title(view), tuple(_blocks(conductor, view)), _notice(view))


def _title(view: View) -> str:
    return f"{view.plan.title} v{view.plan.version}: execution report"


def _notice(view: View) -> str:
    return "REHEARSAL" if view.rehearsal else ""


def _blocks(conductor: Conductor, view: View) -> Iterator[Block]:
    state = conductor.workspace.journal.state
    yield Paragraph(
        f"Site {view.site.title}. Begun {view.started}; {view.done} of {view.total} tasks done. "
        f"Journal of {state.sequence} rows, head SHA-256 {state.head}."
    )
    yield Heading("Gates")
    for gate in view.gates.values():
        yield from _gate(gate)
    if view.attention:
        yield Heading("Needs attention")
        yield Listing(tuple(f"{id}: {text}" for id, text in view.attention))
    yield from _alerts(state, view)
    for id, phase in view.plan.phase.items():
        yield Heading(f"{id} {phase.title}")
        tasks = [task for task in view.tasks.values() if task.phase == id]
        touched = [task for task in tasks if task.jobs or task.state != "locked"]
        for task in touched:
            yield from _task(task)
        if len(touched) < len(tasks):
            locked = [task for task in tasks if task not in touched]
            yield Paragraph(f"Locked: {', '.join(task.id for task in locked)} ({'; '.join(locked[0].why)}).")


def _alerts(state: State, view: View) -> Iterator[Block]:
    """Every limit that a host's reading did not hold, from when to when."""
    alerts = sorted((alert for held in state.alerts.values() for alert in held), key=lambda alert: alert.at)
    if not alerts:
        return
    yield Heading("Limits of the hosts")
    yield Table(
        ("host", "limit", "value", "asks", "began", "ended"),
        tuple(
            (
                alert.entry.host,
                view.plan.limit[alert.entry.limit].label if alert.entry.limit in view.plan.limit else alert.entry.limit,
                wording.reading(alert.entry.reading, alert.entry.value),
                asks(alert.entry),
                alert.at,
                f"{alert.cleared_at}{f', {alert.cleared.reason}' if alert.cleared.reason else ''}"
                if alert.cleared
                else "open",
            )
            for alert in alerts
        ),
    )


def _gate(gate: GateView) -> Iterator[Block]:
    yield Heading(f"{gate.id} {gate.title}: {gate.state}{' (stale)' if gate.stale else ''}", 3)
    made = gate.decision
    if made is not None:
        who = f"rule, in a rehearsal that {made.operator} started" if made.actor == "rule" else made.operator
        ran = ", who also ran work it stands on" if made.also_ran else ""
        signed = "signed" if made.signed else "unsigned"
        yield Paragraph(f"{made.outcome.upper()} by {who}{ran}, {made.at}: {made.reason}", strong=True)
        yield Paragraph(f"decisions/{made.file}, {signed}.")
        for criterion, waiver in made.waivers:
            yield Paragraph(f"Waived: {criterion}: {waiver}", strong=True)
    if gate.criteria:
        yield Table(
            ("criterion", "value", "95 %", "asks", "verdict", "source"),
            tuple(
                (
                    c.label,
                    c.shown,
                    f"{wording.percent(c.interval[0])} to {wording.percent(c.interval[1])}" if c.interval else None,
                    c.asks,
                    f"{_VERDICT[c.met]}{'' if c.gates else ', gates nothing here'}{', stale' if c.stale else ''}",
                    f"{c.job} on {c.host}" if c.job else f"typed by {c.typed}" if c.typed else None,
                )
                for c in gate.criteria
            ),
        )
    if gate.not_proven:
        yield Paragraph("Not proven here:")
        yield Listing(gate.not_proven)


def _task(task: TaskView) -> Iterator[Block]:
    stale = f", stale: {'; '.join(task.stale)}" if task.stale else ""
    why = f": {'; '.join(task.why)}" if task.why else ""
    yield Heading(f"{task.id} {task.title}", 3)
    yield Paragraph(f"{task.state}{why}{stale}")
    if task.records:
        yield Table(("record", "value", "expected", "source"), tuple(_record(record) for record in task.records))
    for record in task.records:
        if record.rows:
            rows = tuple((f"{row.step:,}", _shown(row.value, record.unit, row.reason)) for row in record.rows)
            yield Table(("step", record.label), rows)
    if task.deliverables:
        boxes = ((d, f"{d.id} {d.text}") for d in task.deliverables)
        yield Listing(
            tuple(f"[x] {text} ({d.ticked_by}, {d.ticked_at})" if d.ticked_by else f"[ ] {text}" for d, text in boxes)
        )
    if task.jobs:
        yield Table(
            ("job", "round", "attempt", "on", "end", "started", "reason"),
            tuple(
                (
                    j.id,
                    str(j.round),
                    f"{j.attempt}{f' after {j.continues}' if j.continues else ''}",
                    f"{j.host} {j.role}".strip(),
                    j.state,
                    j.started,
                    j.reason or None,
                )
                for j in task.jobs
            ),
        )


def _record(record: RecordView) -> tuple[str | None, ...]:
    shown = _shown(record.value, record.unit, record.reason)
    if record.n is not None:
        shown = wording.value(record.value, record.unit, record.n, record.count)
    source = f"typed by {record.source}" if record.typed and record.source else record.source
    met = "" if record.met is None else f" ({'as expected' if record.met else 'NOT as expected'})"
    return record.label, shown, f"{record.expected}{met}" or None, source or None


def _shown(value: object, unit: str, reason: str) -> str:
    if value is None:
        return f"n/a ({reason})" if reason else "n/a"
    return wording.value(value, unit)  # type: ignore[arg-type]
