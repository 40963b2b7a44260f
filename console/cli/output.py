"""What commands print: the checklist for a person, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from msgspec.structs import asdict

from console.conductor import wording
from console.conductor.view import ContingencyView, GateView, RecordView, TaskView, View

GLYPH = {"ready": "○", "running": "◐", "done": "●", "failed": "✕", "lost": "?", "skipped": "◌", "locked": "▪"}


def as_json(view: View) -> str:
    """The view as documented in the README, indented."""
    return json.dumps(
        {
            "workspace": view.workspace,
            "plan": view.plan.id,
            "version": view.plan.version,
            "site": view.site.id,
            "rehearsal": view.rehearsal,
            "differs": [name for name, differs in _changed(view) if differs],
            "sequence": view.sequence,
            "day": view.day,
            "tasks": {id: _task(task) for id, task in view.tasks.items()},
            "gates": {id: _gate(gate) for id, gate in view.gates.items()},
            "contingencies": {id: _contingency(found) for id, found in view.contingencies.items()},
            "attention": [{"id": id, "what": what} for id, what in view.attention],
        },
        indent=1,
        ensure_ascii=False,
    )


def _changed(view: View) -> tuple[tuple[str, bool], ...]:
    """The working copies of the workspace, and whether they are others than what is in force."""
    return ("plan/", view.plan_differs), ("site.toml", view.site_differs)


def _task(task: TaskView) -> dict[str, object]:
    return {
        "title": task.title,
        "state": task.state,
        "why": list(task.why),
        "stale": bool(task.stale),
        "round": task.round,
        "records": {record.slug: _record(record) for record in task.records},
        "deliverables": {d.id: d.ticked_by or None for d in task.deliverables},
        "shown_by": {d.id: list(d.evidence) for d in task.deliverables if d.evidence},
        "jobs": [{"id": j.id, "role": j.role, "host": j.host, "state": j.state, "round": j.round} for j in task.jobs],
        "occurrence": task.occurrence or None,
        "occurrences": [{"day": o.id, "due": o.due.isoformat(), "state": o.state} for o in task.occurrences],
        "parameters": {p.name: {"value": _plain(p.value), "plan": _plain(p.plan)} for p in task.parameters},
    }


def _record(record: RecordView) -> dict[str, object]:
    found: dict[str, object] = {
        "value": record.value,
        "unit": record.unit,
        "met": record.met,
        "source": record.source or None,
        "typed": record.typed,
        "written": record.written,
        "reason": record.reason,
    }
    if record.n is not None:
        found |= {"n": record.n, "count": record.count, "interval": record.interval}
    if record.rows is not None:
        found["rows"] = [
            {"step": row.step, "value": row.value, "reason": row.reason} | ({"day": row.label} if row.label else {})
            for row in record.rows
        ]
    return found


def _gate(gate: GateView) -> dict[str, object]:
    return {
        "title": gate.title,
        "state": gate.state,
        "stale": gate.stale,
        "may_go": gate.may_go,
        "why_not": list(gate.why_not),
        "not_proven_here": list(gate.not_proven),
        "criteria": [asdict(criterion) for criterion in gate.criteria],
        "decision": asdict(gate.decision) if gate.decision else None,
    }


def _contingency(found: ContingencyView) -> dict[str, object]:
    return {
        "state": found.state,
        "condition": found.condition,
        "action": found.action,
        "signs": list(found.signs),
        "answers": [{"text": a.text, "operator": a.operator, "time": a.at} for a in found.answers],
    }


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str | list) else str(value)


def checklist(view: View) -> Iterator[str]:
    """The checklist as lines."""
    mode = " · REHEARSAL" if view.rehearsal else ""
    yield f"{view.plan.title} v{view.plan.version}{mode} · {view.done} of {view.total} done · {view.workspace}"
    for phase_id, phase in view.plan.phase.items():
        tasks = [task for task in view.tasks.values() if task.phase == phase_id]
        yield ""
        yield f"{phase.title}  {sum(t.state == 'done' for t in tasks)}/{len(tasks)}"
        for task in tasks:
            yield from _lines(task)
    yield ""
    for gate in view.gates.values():
        yield f"{gate.id} {gate.title}: {gate.state}{' (stale)' if gate.stale else ''}"
    for name, differs in _changed(view):
        if differs:
            yield f"needs you: {name} differs from what is in force: gladiator-console adopt {view.workspace}"
    for id, text in view.attention:
        yield f"needs you: {id} {text}"


def _lines(task: TaskView) -> Iterator[str]:
    why = f" ({'; '.join(task.why)})" if task.why else ""
    stale = " STALE" if task.stale else ""
    yield f"  {GLYPH[task.state]} {task.id} {task.title}: {task.state}{stale}{why}"
    for record in task.records:
        if record.source:
            mark = " ✎" if record.typed else ""
            shown = wording.value(record.value, record.unit, record.n, record.count)
            reason = f" ({record.reason})" if record.value is None and record.reason else ""
            yield f"      {record.label}: {shown}{reason}{mark}  [{record.source}]"
