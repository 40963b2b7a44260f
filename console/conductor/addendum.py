"""The addendum to the plan once its gate is GO: what came out, who decided, and the phase that begins."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from console.conductor import wording
from console.conductor.moments import planned
from console.conductor.scene import Scene
from console.conductor.view import GateView, View
from operations.report import Block, Heading, Listing, Paragraph, Table

_VERDICT = {True: "met", False: "not met", None: "not measured"}


def passed(view: View) -> GateView | None:
    """The gate of the plan's addendum, or its retest, if it is GO and stands; else None."""
    asked = view.plan.addendum
    if asked is None:
        return None
    found = [gate for id, gate in view.gates.items() if asked.gate in (id, view.plan.gate[id].retests)]
    return next((gate for gate in reversed(found) if gate.state == "go" and not gate.stale), None)


def blocks(scene: Scene, view: View) -> Iterator[Block]:
    """The addendum as a section of the report; nothing before its gate is GO."""
    asked, gate = view.plan.addendum, passed(view)
    if asked is None or gate is None:
        return
    yield Heading(f"Addendum to the plan: {view.plan.title} v{asked.version}")
    yield Heading("Results", 3)
    yield Table(
        ("criterion", "value", "95 %", "asks", "verdict"),
        tuple(
            (
                c.label,
                c.shown,
                f"{wording.percent(c.interval[0])} to {wording.percent(c.interval[1])}" if c.interval else None,
                c.asks,
                f"{_VERDICT[c.met]}{'' if c.gates else ', gates nothing here'}",
            )
            for c in gate.criteria
        ),
    )
    yield Heading("Decision", 3)
    yield from _decision(view, gate)
    phase = view.plan.phase[asked.phase]
    yield Heading(phase.title, 3)
    if phase.objective:
        yield Paragraph("Objectives:")
        yield Listing(tuple(phase.objective))
    if phase.success:
        yield Paragraph("It has succeeded when:")
        yield Listing(tuple(phase.success))
    tasks = [task for task in view.tasks.values() if task.phase == asked.phase]
    yield Table(
        ("task", "title", "on", "planned start, UTC", "planned end, UTC", "state"),
        tuple((t.id, t.title, ", ".join(t.hosts) or None, *map(_minute, planned(scene, t.id)), t.state) for t in tasks),
    )


def _decision(view: View, gate: GateView) -> Iterator[Block]:
    made = gate.decision
    assert made is not None
    who = f"rule, in a rehearsal that {made.operator} started" if made.actor == "rule" else made.operator
    yield Paragraph(f"{gate.id}: {made.reads}. By {who}, {made.at}: {made.reason}", strong=True)
    typed = [record for record in view.tasks[gate.task].records if record.typed and record.source]
    if typed:
        yield Listing(tuple(f"{r.label}: {wording.value(r.value, r.unit)} (typed by {r.source})" for r in typed))


def _minute(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
