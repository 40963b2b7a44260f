"""The whole execution as one report: what was decided on what evidence, what was measured, typed and ticked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from console.conductor import addendum, curves, wording
from console.conductor.alerts import asks
from console.conductor.compose import task_view
from console.conductor.errors import Refused, Unusable
from console.conductor.siting import differences
from console.conductor.verbs import Conductor
from console.conductor.view import DeliverableView, GateView, RecordView, TaskView, View
from console.journal.entries import PlanAdopted, SiteAdopted
from console.journal.fold import State
from operations import report
from operations.report import Block, Heading, Listing, Paragraph, Table

_VERDICT = {True: "met", False: "not met", None: "not measured"}


Form = Literal["markdown", "html"]


def whole(conductor: Conductor, form: Form) -> str:
    """The report of the whole execution, as Markdown or as one self-contained HTML file."""
    view = conductor.workspace.view()
    title = f"{view.plan.title} v{view.plan.version}: execution report"
    return _FORMS[form](title, tuple(_blocks(conductor, view)), _notice(view))


def only_addendum(conductor: Conductor, form: Form) -> str:
    """The addendum to the plan by itself. Raises Refused before its gate is GO."""
    view = conductor.workspace.view()
    found = tuple(addendum.blocks(conductor.workspace.scene(), view))
    if not found:
        asked = view.plan.addendum
        raise Refused(f"{asked.gate} is not GO: there is no addendum yet" if asked else "the plan asks for no addendum")
    assert isinstance(found[0], Heading)
    return _FORMS[form](found[0].text, found[1:], _notice(view))


_FORMS: Mapping[Form, Callable[[str, Sequence[Block], str], str]] = {"markdown": report.markdown, "html": report.html}


def _notice(view: View) -> str:
    return "REHEARSAL" if view.rehearsal else ""


def _blocks(conductor: Conductor, view: View) -> Iterator[Block]:
    state = conductor.workspace.journal.state
    yield Paragraph(
        f"Site {view.site.title}. Begun {view.started}; {view.done} of {view.total} tasks done. "
        f"Journal of {state.sequence} rows, head SHA-256 {state.head}."
    )
    if state.clock_back:
        rows = ", ".join(map(str, state.clock_back))
        yield Paragraph(f"A clock went back before row {rows}: the order of the rows is their own, not their times'.")
    yield from _adopted(conductor, state)
    yield Heading("Gates")
    for gate in view.gates.values():
        yield from _gate(gate)
    if view.attention:
        yield Heading("Needs attention")
        yield Listing(tuple(f"{id}: {text}" for id, text in view.attention))
    yield from _alerts(state, view)
    yield from _contingencies(view)
    yield from addendum.blocks(conductor.workspace.scene(), view)
    for id, phase in view.plan.phase.items():
        yield Heading(f"{id} {phase.title}")
        tasks = [task for task in view.tasks.values() if task.phase == id]
        touched = [task for task in tasks if task.jobs or task.state != "locked"]
        for task in touched:
            yield from _task(conductor, task)
        if len(touched) < len(tasks):
            locked = [task for task in tasks if task not in touched]
            yield Paragraph(f"Locked: {', '.join(task.id for task in locked)} ({'; '.join(locked[0].why)}).")


def _adopted(conductor: Conductor, state: State) -> Iterator[Block]:
    """Every plan and site that was put in force, by whom, and what a site changed."""
    if not state.adoptions:
        return
    yield Heading("Plan and site")
    for found in state.adoptions:
        entry = found.entry
        digest = entry.plan_digest if isinstance(entry, PlanAdopted) else entry.site_digest
        yield Paragraph(f"{found.at}: {wording.adopted(found)}, SHA-256 {digest}.")
        if isinstance(entry, SiteAdopted):
            yield Listing(tuple(_site_changes(conductor, found.before, digest)))


def _site_changes(conductor: Conductor, before: str, after: str) -> list[str]:
    try:
        old, new = conductor.workspace.site_of(before), conductor.workspace.site_of(after)
    except Unusable as error:
        return [f"what it changed can't be said: {error.lines[0]}"]
    return differences(old, new) or ["no value: only how its file is written"]


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
        yield Paragraph(f"{made.reads}. By {who}{ran}, {made.at}: {made.reason}", strong=True)
        if made.bound:
            yield Paragraph(f"For this and nothing else: {made.bound}.", strong=True)
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
    if gate.not_proven and (made is None or made.outcome != "go"):  # with a GO it is said at once
        yield Paragraph("Not proven here:")
        yield Listing(gate.not_proven)


def _contingencies(view: View) -> Iterator[Block]:
    called = [held for held in view.contingencies.values() if held.state != "quiet" or held.answers]
    if not called:
        return
    yield Heading("Contingencies")
    for held in called:
        yield Paragraph(f"{held.id} {held.condition}: {held.state}. {held.action}")
        said = [f"{answer.operator}, {answer.at}: {answer.text}" for answer in held.answers]
        yield Listing((*held.signs, *said))


def _task(conductor: Conductor, task: TaskView) -> Iterator[Block]:
    stale = f", stale: {'; '.join(task.stale)}" if task.stale else ""
    why = f": {'; '.join(task.why)}" if task.why else ""
    yield Heading(f"{task.id} {task.title}", 3)
    yield Paragraph(f"{task.state}{why}{stale}")
    earlier = _earlier(conductor, task)
    for held in earlier:
        yield Paragraph(f"Round {held.round}, before the retest:")
        yield from _records(held)
    if earlier:
        yield Paragraph(f"Round {task.round}, in force:")
    yield from _records(task)
    drawn = curves.chart(conductor, task)
    if drawn is not None:
        yield drawn
    if task.deliverables:
        yield Listing(tuple(line for d in task.deliverables for line in _deliverable(d)))
    if task.notes:
        yield Listing(
            tuple(
                f"{note.operator}, {note.at}: {note.text}"
                + (f" ({note.file}, {note.size:,} bytes, SHA-256 {note.sha256})" if note.file else "")
                for note in task.notes
            )
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


def _deliverable(held: DeliverableView) -> Iterator[str]:
    by = f" ({held.ticked_by}, {held.ticked_at})" if held.ticked_by else ""
    yield f"[{'x' if by else ' '}] {held.id} {held.text}{by}"
    yield from (f"{held.id} shown by {line}" for line in held.evidence)


def _earlier(conductor: Conductor, task: TaskView) -> list[TaskView]:
    """The task as it stood in each round before the one in force."""
    scene = conductor.workspace.scene()
    epochs = {scene.at(epoch).round(task.id): epoch for epoch in range(len(scene.openings))}
    return [task_view(scene.at(epoch), task.id) for round, epoch in sorted(epochs.items()) if round < task.round]


def _records(task: TaskView) -> Iterator[Block]:
    if task.records:
        yield Table(("record", "value", "expected", "source"), tuple(_record(record) for record in task.records))
    for record in task.records:
        if record.rows:
            rows = tuple(
                (row.label or f"{row.step:,}", _shown(row.value, record.unit, row.reason)) for row in record.rows
            )
            yield Table(("day" if record.rows[0].label else "step", record.label), rows)


def _record(record: RecordView) -> tuple[str | None, ...]:
    shown = _shown(record.value, record.unit, record.reason)
    if record.n is not None:
        shown = wording.value(record.value, record.unit, record.n, record.count)
    by = "typed by " if record.typed else "written by the program for " if record.written else ""
    source = f"{by}{record.source}" if record.source else ""
    met = "" if record.met is None else f" ({'as expected' if record.met else 'NOT as expected'})"
    return record.label, shown, f"{record.expected}{met}" or None, source or None


def _shown(value: object, unit: str, reason: str) -> str:
    if value is None:
        return f"n/a ({reason})" if reason else "n/a"
    return wording.value(value, unit)  # type: ignore[arg-type]
