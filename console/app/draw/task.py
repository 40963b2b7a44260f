"""The task pane: what the task is, what it recorded and from where, what a person may do about it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len, set_cell_size

from console.app.draw import times
from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.conductor import wording
from console.conductor.view import GateView, JobView, ParameterView, RecordView, TaskState, TaskView, View
from console.conductor.wording import size
from console.plan.types import ArtefactFrom, JobsOf
from operations.contract import Relayed, Standing

BLANK = Line()
VALUE_LIMIT = 160
"""Characters of a value in a table; the whole of it is in the report."""


def title(task: TaskView, glyphs: Glyphs, now: datetime.datetime) -> str:
    """The border's text: the state by sign and word, id and title."""
    job = task.job
    word: str = task.state
    if task.state == "running" and job is not None and (since := times.age(job.started, now)):
        word = f"running {since}"
    if task.stale:
        word = f"{word}, stale"
    return f"{glyphs.state[task.state]} {word}  {task.id}  {task.title}"


def lines(view: View, task: TaskView, width: int, glyphs: Glyphs, command: str) -> list[Line]:
    """The whole pane at that width; typed records and deliverables have keys, so that a cursor can stand on them."""
    drawn = [line((_facts(view, task, glyphs), "dim"))]
    mark = glyphs.state[task.state]
    for why in task.why:
        drawn += wrapped(why, width, task.state, "  ", f"{mark} ")
    for why in task.stale:
        drawn += wrapped(f"stale: {why}", width, "warn", "  ", "! ")
    drawn += _called_for(view, task, width)
    drawn += _gate(view.gates.get(task.gate), width)
    drawn += _days(task, width, glyphs)
    drawn += _records(task, width, glyphs, scaled=view.rehearsal)
    drawn += _deliverables(task, width, glyphs)
    drawn += _steps(view, task, width)
    drawn += _parameters(task)
    if command:
        drawn += [BLANK, line(("Command", "head")), *wrapped(command, width, "", "    ", "  ")]
    drawn += _jobs(task, width, glyphs)
    drawn += _notes(task, width, glyphs)
    quiet = [id for id in task.contingencies if id not in view.contingencies or view.contingencies[id].state == "quiet"]
    if quiet:
        drawn += [BLANK, line(("If it goes wrong", "head"))]
        for said in quiet:
            drawn += wrapped(_contingency(view, said, glyphs), width, "", "    ", f"  {glyphs.dot} ")
    return drawn


def _contingency(view: View, id: str, glyphs: Glyphs) -> str:
    held = view.contingencies.get(id)
    return f"{held.condition} {glyphs.arrow} {held.action}" if held else id


def _called_for(view: View, task: TaskView, width: int) -> Iterator[Line]:
    """What calls for one of the task's contingencies now, and what was done about it."""
    for id in task.contingencies:
        held = view.contingencies.get(id)
        if held is None or held.state == "quiet":
            continue
        style = "warn" if held.state == "open" else "dim"
        yield from wrapped(f"{id} {held.condition}: {held.action}", width, style, "  ", "! ")
        for sign in held.signs:
            yield from wrapped(sign, width, "dim", "    ", "  ")
        for answer in held.answers[-1:]:
            yield from wrapped(
                f"{answer.operator} {times.stamp(answer.at)}: {answer.text}", width, "typed", "    ", "  "
            )


_DAYS = {"done": "done", "skipped": "skipped", "missed": "failed", "due": "warn", "open": "ready", "coming": "locked"}


def _days(task: TaskView, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """The last days of a repeated task, the shown one marked."""
    if not task.occurrences:
        return
    yield BLANK
    yield line((f"Day {task.occurrence or 'not come yet'}", "head"), right=[("[ ] go to other days", "dim")])
    spans: list[Span] = []
    room = max(1, (width - 2) // 15)
    for day in task.occurrences[-room:]:
        mark = glyphs.arrow if day.id == task.occurrence else " "
        spans.append((f"{mark}{day.id[5:]} {day.state}".ljust(15), _DAYS[day.state]))
    yield line(" ", *spans)
    shown = next((day for day in task.occurrences if day.id == task.occurrence), None)
    if shown is not None and shown.state in ("open", "due"):
        yield line((f"  due {shown.due:%Y-%m-%d %H:%M} UTC", "warn" if shown.state == "due" else "dim"))


def _facts(view: View, task: TaskView, glyphs: Glyphs) -> str:
    planned = view.plan.task[task.id]
    facts = [
        f"on {' and '.join(task.hosts)}" if task.hosts else "for a person",
        f"every {planned.repeats}" if planned.repeats == "2 h" else planned.repeats,
        f"needs {', '.join(planned.needs)}" if planned.needs else "",
        f"while {planned.during} runs" if planned.during else "",
        f"instead of {planned.instead_of}" if planned.instead_of else "",
        f"due {planned.due}" if planned.due else "",
        f"takes {_minutes(planned.minutes)}" if planned.minutes else "",
        "optional" if task.optional else "",
        f"round {task.round}" if task.round > 1 else "",
    ]
    return f" {glyphs.dot} ".join(fact for fact in facts if fact)


def _minutes(bounds: list[int]) -> str:
    least, most = (times.span(60 * bound) for bound in bounds)
    return least if least == most else f"{least} to {most}"


def _gate(gate: GateView | None, width: int) -> Iterator[Line]:
    if gate is None:
        return
    yield BLANK
    style = {"go": "good", "passed-over": "good", "no-go": "bad"}.get(gate.state, "head")
    stale: list[Span] = [("  stale", "warn")] if gate.stale else []
    yield line((f"Gate {gate.id}  ", "head"), (gate.state.upper(), style), *stale, ("   g shows it", "dim"))
    if gate.decision is not None:
        said = gate.decision
        signed = "signed" if said.signed else "unsigned"
        who = f"by rule, for {said.operator}" if said.actor == "rule" else f"by {said.operator}"
        text = f"{said.reads} {who} at {times.stamp(said.at)}, {signed}: {said.reason}"
        yield from wrapped(text, width, "", "  ", "  ")
    for criterion in gate.criteria:
        word, tone = verdict(criterion.met)
        yield line("  ", (criterion.label, ""), ("  ", ""), (criterion.shown, ""), right=[(word, tone)])
    if gate.opens:
        yield from wrapped(f"opens {', '.join(gate.opens)}", width, "dim", "  ", "  ")


def verdict(met: bool | None) -> tuple[str, str]:
    """A verdict's word and style."""
    return {True: ("met", "good"), False: ("not met", "bad"), None: ("not measured", "warn")}[met]


def _steps(view: View, task: TaskView, width: int) -> Iterator[Line]:
    planned = view.plan.task[task.id]
    if planned.about:
        yield BLANK
        yield from wrapped(planned.about, width)
    if planned.step:
        yield BLANK
        yield line(("Steps", "head"))
        for place, text in enumerate(planned.step.values(), 1):
            yield from wrapped(text, width, "", "     ", f"{place:>3}  ")


def _records(task: TaskView, width: int, glyphs: Glyphs, *, scaled: bool) -> Iterator[Line]:
    if not task.records:
        return
    yield BLANK
    yield line(("Records", "head"))
    column = min(34, width * 2 // 5, max(cell_len(record.label) for record in task.records)) + 2
    for record in task.records:
        yield from _record(record, column, width, glyphs, scaled=scaled)
        if record.rows is not None and len(record.rows) > 1:
            yield line((" " * (column + 2), ""), (_rows(record, glyphs), "dim"))


def _record(record: RecordView, column: int, width: int, glyphs: Glyphs, *, scaled: bool) -> Iterator[Line]:
    """Label, value and source; what does not fit beside the value stands below it."""
    shown, style = shown_value(record, scaled=scaled)
    source = _source(record, glyphs)
    indent = " " * (column + 2)
    label = set_cell_size(record.label, column) if cell_len(record.label) < column else f"{record.label}  "
    key = ("record", record.slug) if record.typed else None
    room = width - max(len(indent), 2 + cell_len(label)) - cell_len(source[0]) - 1
    beside = [*_judged(record, scaled=scaled), *_why(record)]
    shown, *sure = shown.split("  ", 1) if isinstance(record.value, int | float) else [shown]
    beside = [*((text, "") for text in sure), *beside]
    short = cell_len(shown) <= room
    fits = short and sum(cell_len(text) + 2 for text, _ in beside) + cell_len(shown) <= room
    inline: list[Span] = [(f"  {text}", tone) for text, tone in beside] if fits else []
    yield line("  ", label, (shown if short else "", style), *inline, right=[source] if source[0] else [], key=key)
    if not short:
        yield from wrapped(shown, width, style, "      ")
    if not fits and beside and len(indent) + sum(cell_len(text) + 2 for text, _ in beside) <= width:
        joined = [part for text, tone in beside for part in ((text, tone), ("  ", ""))]
        yield line(indent, *joined)
    elif not fits:
        for text, tone in beside:
            yield from wrapped(text, width, tone, indent)


def _judged(record: RecordView, *, scaled: bool) -> list[Span]:
    """What the plan expected beside what came; where the site scaled the amounts, a number's miss says nothing."""
    if not record.expected:
        return []
    if record.met is None:
        return [(f"expected {record.expected}", "dim")]
    if isinstance(record.value, bool):
        return [("as expected", "good") if record.met else ("not as expected", "warn")]
    if record.met:
        return [(f"meets {record.expected}", "good")]
    scales = scaled and not isinstance(record.value, str)
    return [(f"plan: {record.expected}", "dim")] if scales else [(f"expected {record.expected}, is not", "warn")]


def _why(record: RecordView) -> list[Span]:
    told = record.reason and record.source and (record.value is None or record.met is False)
    return [(record.reason, "dim")] if told else []


def shown_value(record: RecordView, *, scaled: bool) -> tuple[str, str]:
    """A record's value with unit, n and interval, and its style; what is missing is said, never 0."""
    if record.value is None:
        if record.source:
            return "n/a", "warn"
        return ("to be typed (e)" if record.typed else record.reason or "not measured yet"), "dim"
    text = _worded(record)
    if isinstance(record.value, str) and len(record.value) == 64 and record.value.isalnum():
        text = f"{record.value[:12]}…"
    if record.interval is not None:
        text += f"  [{record.interval[0] * 100:.1f}, {record.interval[1] * 100:.1f}]"
    elif record.n is not None and record.count is None:
        text += f"  n = {record.n:,}"
    if len(text) > VALUE_LIMIT:
        text = f"{text[:VALUE_LIMIT]}…"
    missed = record.met is False and (isinstance(record.value, bool | str) or not scaled)
    return text, "typed" if record.typed else ("warn" if missed else "")


def _worded(record: RecordView) -> str:
    """The value in words; small parts of an hour also in seconds, accuracies of a table as percents."""
    value = record.value
    text = wording.value(value, record.unit, record.n, record.count)
    if record.unit == "h" and isinstance(value, float) and 0 < value < 0.1:
        return f"{text} = {times.lasted(3600 * value)}"
    if isinstance(value, Mapping) and not record.unit and "accuracy" in f"{record.slug} {record.label}".lower():
        shares = {name: share for name, share in value.items() if share is not None}
        if all(0 <= share <= 1 for share in shares.values()):
            told = {name: wording.percent(share) for name, share in shares.items()}
            return ", ".join(f"{name} {told.get(name, 'n/a')}" for name in value)
    return text


def _source(record: RecordView, glyphs: Glyphs) -> Span:
    if not record.source:
        return "", ""
    if record.typed:
        return f"{glyphs.typed} {record.source}", "typed"
    if record.written:
        return f"for {record.source}", "dim"
    return f"job {record.source[:4]}", "dim"


def _rows(record: RecordView, glyphs: Glyphs) -> str:
    assert record.rows is not None
    last = [f"{row.label[5:] or row.step}: {wording.value(row.value, '')}" for row in record.rows[-4:]]
    return f"{len(record.rows)} rows  {glyphs.ellipsis} {f' {glyphs.dot} '.join(last)}"


def _deliverables(task: TaskView, width: int, glyphs: Glyphs) -> Iterator[Line]:
    if not task.deliverables:
        return
    yield BLANK
    yield line(("Deliverables", "head"))
    for item in task.deliverables:
        box = glyphs.check if item.ticked_by else glyphs.empty
        by: list[Span] = []
        if item.ticked_by:
            by = [(f"{glyphs.typed} {item.ticked_by} {times.clock(item.ticked_at)}", "typed")]
        elif not item.may_tick:
            by = [("not yet", "dim")]
        style = "" if item.ticked_by or item.may_tick else "locked"
        shown = list(wrapped(item.text, width - 18, style, "      ", ""))
        first = "".join(text for text, _ in shown[0].left) if shown else ""
        yield line(f"  [{box}] ", (first, style), right=by, key=("deliverable", item.id))
        yield from shown[1:]
        for told in item.evidence:
            yield from wrapped(told, width, "dim", "        ", f"      {glyphs.dot} ")


def _parameters(task: TaskView) -> Iterator[Line]:
    if not task.parameters:
        return
    yield BLANK
    yield line(("Parameters", "head"))
    told = [p for p in task.parameters if p.takes != "relay" or p.value is not None]
    column = min(22, max(cell_len(p.name) for p in told)) + 2
    for parameter in told:
        name = set_cell_size(parameter.name, column) if cell_len(parameter.name) < column else f"{parameter.name} "
        empty = parameter.value is None and parameter.takes == "value"
        shown: Span = (unset(parameter, task.parameters), "dim") if empty else (amount(parameter.value), "")
        yield line("  ", name, *_beside_plan(parameter, shown), right=[(parameter.source, "dim")])


def unset(parameter: ParameterView, beside: Sequence[ParameterView]) -> str:
    """What an empty value means: taken from the configuration that the task gets, or the operation's own choice."""
    if parameter.required:
        return "not set"
    configured = any(p.name == "configuration" and p.takes == "artefact" and p.value is not None for p in beside)
    return "from configuration" if configured else "default"


def _beside_plan(parameter: ParameterView, shown: Span) -> tuple[Span, ...]:
    """The value as bound, and the plan's own in brackets where another one took its place."""
    if parameter.source in ("plan", "operation") or parameter.plan == parameter.value or parameter.plan is None:
        return (shown,)
    return shown, (f"  (plan: {amount(parameter.plan)})", "warn")


def amount(value: object) -> str:
    """A parameter's value; numbers grouped, what is not set said."""
    if value is None:
        return "not set"
    if isinstance(value, bool | int | float | str):
        return wording.value(value)
    if isinstance(value, ArtefactFrom):
        return f"{value.artefact} of {value.task}"
    if isinstance(value, JobsOf):
        return f"jobs of {value.jobs_of}"
    if isinstance(value, Standing | Relayed):
        return value.line
    return str(value)


def _jobs(task: TaskView, width: int, glyphs: Glyphs) -> Iterator[Line]:
    if not task.jobs:
        return
    yield BLANK
    yield line(("Jobs", "head"))
    for job in reversed(task.jobs):
        yield line(
            "  ", (glyphs.state[_as_task(job)], _as_task(job)), f" {_job(job, glyphs)}", right=[(job.state, "dim")]
        )
        if job.reason:
            yield from wrapped(job.reason, width, "dim", "    ")


def _notes(task: TaskView, width: int, glyphs: Glyphs) -> Iterator[Line]:
    if not task.notes:
        return
    yield BLANK
    yield line(("Notes", "head"))
    for note in task.notes:
        yield line("  ", (f"{glyphs.typed} {note.operator} {times.stamp(note.at)}", "typed"))
        for text in note.text.splitlines():
            yield from wrapped(text, width, "", "    ", "    ")
        if note.file:
            yield from wrapped(f"{note.file}, {size(note.size)}, SHA-256 {note.sha256[:16]}…", width, "dim", "    ")


def _as_task(job: JobView) -> TaskState:
    return "ready" if job.state == "stopped" else job.state


def _job(job: JobView, glyphs: Glyphs) -> str:
    facts = [
        f"{job.id[:8]} on {job.host}",
        job.role,
        job.occurrence,
        f"round {job.round}" if job.round > 1 else "",
        f"attempt {job.attempt}",
        f"continues {job.continues[:8]}" if job.continues else "",
        f"{times.clock(job.started)} to {times.clock(job.finished)}" if job.finished else times.stamp(job.started),
    ]
    return f" {glyphs.dot} ".join(fact for fact in facts if fact)
