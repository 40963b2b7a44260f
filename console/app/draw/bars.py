"""The one-line bars and the list of what needs a person."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line
from console.conductor.view import View


def header(view: View, now: datetime.datetime, running: str, width: int, glyphs: Glyphs, operator: str) -> Line:
    """Title, where we are, the next gate, the time to the minute; where it is narrow, the running job comes first."""
    dot = f" {glyphs.dot} "
    name: list[Span] = [(f" {view.plan.title} v{view.plan.version.removeprefix('v')}", "title")]
    if view.rehearsal:
        name += [(" ", ""), (" REHEARSAL ", "mark")]
    if not operator:
        name += [("  read only", "warn")]
    asks = _asks(view)
    time = f"{now:%H:%M} UTC{_here(now)} "
    if width >= 110:
        facts = [f"Day {view.day} of {view.plan.days}", f"{view.done} of {view.total} done"]
        facts += [f"next gate {view.next_gate}{asks}"] if view.next_gate else []
        facts += [running] if running and width >= 150 else []
        return line(*name, right=[(dot.join(facts), ""), (f"    {time}", "dim")])
    facts = [running] if running else [f"day {view.day} of {view.plan.days}"]
    facts += [f"{view.done}/{view.total}", f"next {view.next_gate}" if view.next_gate else ""]
    facts = [fact for fact in facts if fact]
    room = width - sum(len(text) for text, _ in name) - len(time) - 2
    while len(facts) > 1 and len(dot.join(facts)) > room:
        facts.pop()
    return line(*name, right=[(dot.join(facts), ""), (f"  {now:%H:%M} ", "dim")])


def _here(now: datetime.datetime) -> str:
    """The operator's own clock, where it shows another time than UTC."""
    local = now.astimezone()
    return f" = {local:%H:%M %Z}" if local.utcoffset() else ""


def _asks(view: View) -> str:
    gate = view.gates.get(view.next_gate)
    rule = next((criterion.asks for criterion in gate.criteria if criterion.gates), "") if gate else ""
    return f" {rule}" if rule else ""


def needs(view: View) -> list[Line]:
    """What needs a person, most pressing first; the cursor goes to the task or gate."""
    changed = (("plan/", view.plan_differs), ("site", view.site_differs))
    drawn = [
        line((f"{name} differs: gladiator-console adopt", "warn"), key=("adopt", name))
        for name, differs in changed
        if differs
    ]
    drawn += [line((id, "accent"), f"  {what}", key=need(view, id)) for id, what in view.attention]
    return drawn or [line(("nothing now", "dim"))]


def need(view: View, id: str) -> tuple[str, str]:
    """What that needs a person is: a gate, a contingency, a task, or a host with an alert; and its id."""
    kinds = (("gate", view.gates), ("contingency", view.contingencies), ("task", view.tasks))
    return next((kind for kind, held in kinds if id in held), "host"), id


def task_of(view: View, id: str) -> str:
    """The task where it is dealt with; "" where there is none."""
    if id in view.gates:
        return view.gates[id].task
    if id in view.contingencies:
        return next(iter(view.contingencies[id].tasks), "")
    return id if id in view.tasks else ""


def keys(bindings: Sequence[tuple[str, str]]) -> Line:
    """The footer: each key and what it does here."""
    parts: list[Span] = [(" ", "")]
    for key, does in bindings:
        parts += [(key, "accent"), (f" {does}  ", "")]
    return line(*parts)


def sparkline(values: Sequence[float | None], glyphs: Glyphs, width: int, top: float | None = None) -> str:
    """The last ``width`` readings as heights between 0 and ``top`` (their greatest by default); a gap is a space."""
    shown = list(values)[-width:]
    ceiling = top if top is not None else max((v for v in shown if v is not None), default=0.0)
    levels = glyphs.levels
    return "".join(
        " " if v is None else levels[min(len(levels) - 1, int(v / ceiling * len(levels)))] if ceiling > 0 else levels[0]
        for v in shown
    )
