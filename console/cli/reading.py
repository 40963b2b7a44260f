"""``status``, ``why``, ``audit``, ``report``, ``lint`` and ``schema``: what can be read."""

from __future__ import annotations

import argparse
import datetime
import json
import sys

from console.cli.opening import conductor
from console.cli.output import as_json, checklist
from console.conductor import wording
from console.conductor.errors import Unusable


def status_(arguments: argparse.Namespace) -> int:
    """Prints the checklist."""
    verbs = conductor(arguments)
    view = verbs.workspace.view()
    print(as_json(view) if arguments.json else "\n".join(checklist(view)))
    return 0


def timeline_(arguments: argparse.Namespace) -> int:
    """Prints every task's times, the slip, and what the end hangs on."""
    found = conductor(arguments).timeline()
    print(f"{'task':10}{'planned end':18}{'ended or expected':20}{'slip':>12}  state (times in UTC)")
    for times in found.times.values():
        end = times.ended or times.expected_end
        marks = f"{' OVERDUE' if times.overdue else ''}{' critical' if times.critical else ''}"
        slip = wording.span(times.slip) if end else ""
        print(f"{times.task:10}{_minute(times.planned_end):18}{_minute(end):20}{slip:>12}  {times.state}{marks}")
    print(f"planned end {_minute(found.planned_end)}, expected {_minute(found.expected_end)}")
    for reached in found.milestones:
        word = "reached" if reached.done else "expected"
        print(f"{reached.id:10}{_minute(reached.planned):18}{word} {_minute(reached.expected)}  {reached.title}")
    for adopted in found.adopted:
        print(f"{_minute(adopted.at)}  {adopted.what}")
    print(f"hangs on: {' → '.join(found.critical) or 'nothing'}")
    return 0


def _minute(moment: datetime.datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "-"


def why_(arguments: argparse.Namespace) -> int:
    """Prints what each criterion of a gate rests on, or what speaks for each deliverable of a task."""
    from console.conductor.why import speaks, why

    verbs = conductor(arguments)
    plan = verbs.workspace.plan
    if arguments.gate not in plan.gate and arguments.gate not in plan.task:
        raise Unusable(f"no gate {arguments.gate} in this plan, nor a task; its gates are {', '.join(plan.gate)}")
    for line in why(verbs, arguments.gate) if arguments.gate in plan.gate else speaks(verbs, arguments.gate):
        print(line)
    return 0


def audit_(arguments: argparse.Namespace) -> int:
    """Verifies the whole history; exit 1 and the faults by name."""
    from console.conductor.auditing import audit_workspace

    found = audit_workspace(arguments.workspace)
    for fault in found.faults:
        print(f"gladiator-console: {fault}", file=sys.stderr)
    for aside in found.unreachable:
        print(f"not checked from here: {aside}")
    n = len(found.faults)
    print(f"{found.rows} rows and {found.files} files checked, {n} fault{'' if n == 1 else 's'}")
    return 1 if found.faults else 0


def report_(arguments: argparse.Namespace) -> int:
    """Writes the whole execution as Markdown or HTML."""
    from console.conductor import reporting
    from operations.files import write_atomic

    verbs = conductor(arguments)
    write = reporting.only_addendum if arguments.addendum else reporting.whole
    if arguments.output is None:
        print(write(verbs, "markdown"))
        return 0
    if arguments.output.suffix not in (".html", ".md"):
        raise Unusable(f"{arguments.output}: a report is FILE.html or FILE.md")
    if not arguments.output.absolute().parent.is_dir():
        raise Unusable(f"{arguments.output.parent}: no such directory")
    text = write(verbs, "html" if arguments.output.suffix == ".html" else "markdown")
    try:
        write_atomic(arguments.output, text.encode())
    except OSError as error:
        raise Unusable(f"{arguments.output}: {error.strerror}") from error
    print(arguments.output)
    return 0


def lint_(arguments: argparse.Namespace) -> int:
    """Prints what is wrong with a plan, and what deserves a look; exit 2 if anything is wrong."""
    from console.plan.loading import examine

    if not arguments.plan.is_dir():
        raise Unusable(f"{arguments.plan}: no directory of a plan")
    plan, found = examine(arguments.plan)
    faults = [str(fault) for fault in found if not fault.note]
    if plan is None or faults:
        raise Unusable(*faults)
    for note in found:
        print(note)
    print(f"{plan.title} v{plan.version}: {len(plan.task)} tasks, {len(plan.gate)} gates, no faults")
    return 0


def schema_(arguments: argparse.Namespace) -> int:
    """Prints a JSON Schema."""
    from console.plan.schema import plan_schema, site_schema

    print(json.dumps(plan_schema() if arguments.kind == "plan" else site_schema(), indent=1))
    return 0
