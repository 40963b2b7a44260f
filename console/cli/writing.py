"""``record``, ``tick``, ``skip``, ``answer``, ``decide``, ``adopt`` and ``retest``: what a person writes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from console.cli.opening import conductor
from console.cli.sets import task_sets
from console.conductor import wording
from console.conductor.errors import Unusable
from console.conductor.siting import differences
from console.conductor.verbs import Conductor, waiver


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[Conductor]:
    opened = conductor(arguments)
    try:
        yield opened
    finally:
        opened.workspace.close()


def _on(verbs: Conductor, arguments: argparse.Namespace) -> str:
    """The day that was written for, of a task that repeats."""
    on = arguments.on or verbs.workspace.view().tasks[arguments.task].occurrence
    return f" on {on}" if on else ""


def record_(arguments: argparse.Namespace) -> int:
    """Writes a typed record."""
    with _opened(arguments) as verbs:
        value = verbs.record(arguments.task, arguments.name, arguments.value, occurrence=arguments.on or "")
        print(f"{arguments.task}.{arguments.name}{_on(verbs, arguments)} = {wording.value(value)} ✎ {verbs.operator}")
    return 0


def tick_(arguments: argparse.Namespace) -> int:
    """Ticks a deliverable, or takes a tick back."""
    with _opened(arguments) as verbs:
        verbs.tick(arguments.task, arguments.deliverable, undo=arguments.undo, occurrence=arguments.on or "")
        box = "[ ]" if arguments.undo else "[x]"
        print(f"{arguments.task} {arguments.deliverable}{_on(verbs, arguments)} {box} {verbs.operator}")
    return 0


def skip_(arguments: argparse.Namespace) -> int:
    """Leaves out an optional task, or a day of one that repeats."""
    with _opened(arguments) as verbs:
        verbs.skip(arguments.task, arguments.reason, occurrence=arguments.on or "")
        print(f"{arguments.task}{_on(verbs, arguments)} skipped by {verbs.operator}")
    return 0


def answer_(arguments: argparse.Namespace) -> int:
    """Writes what was done about a contingency."""
    with _opened(arguments) as verbs:
        verbs.answer(arguments.contingency, arguments.text)
        print(f"{arguments.contingency} answered by {verbs.operator}")
    return 0


def note_(arguments: argparse.Namespace) -> int:
    """Writes a note."""
    with _opened(arguments) as verbs:
        verbs.note(arguments.task, arguments.text)
        print(f"{arguments.task} noted by {verbs.operator}")
    return 0


def attach_(arguments: argparse.Namespace) -> int:
    """Attaches a file."""
    with _opened(arguments) as verbs:
        print(f"{arguments.task} {verbs.attach(arguments.task, arguments.file)}")
    return 0


def decide_(arguments: argparse.Namespace) -> int:
    """Records GO or NO-GO."""
    if arguments.waive and not arguments.until:
        raise Unusable("--waive needs --until YYYY-MM-DD: an exception ends some day")
    if arguments.until and not arguments.waive:
        raise Unusable("--until says how long a waiver holds: name it with --waive CRITERION")
    waivers = [waiver(criterion, arguments.reason, arguments.until) for criterion in arguments.waive]
    with _opened(arguments) as verbs:
        file = verbs.decide(arguments.gate, arguments.outcome, arguments.reason, waivers, again=arguments.again)
        decision = verbs.workspace.view().gates[arguments.gate].decision
        said = decision.reads if decision else arguments.outcome.upper()
        print(f"{arguments.gate} {said}, by {verbs.operator}: decisions/{file}")
    return 0


def retest_(arguments: argparse.Namespace) -> int:
    """Opens a retest's round."""
    with _opened(arguments) as verbs:
        opened = verbs.retest(arguments.gate, arguments.option, task_sets(arguments.set))
        print(f"{opened.gate} round {opened.round}, {opened.option}: anew {', '.join(opened.tasks)}")
    return 0


def adopt_(arguments: argparse.Namespace) -> int:
    """Adopts the workspace's ``plan/`` and ``site.toml``, whichever differs, and says what a site changes."""
    with _opened(arguments) as verbs:
        before = verbs.workspace.site
        adopted = verbs.adopt()
        print(f"{' and '.join(adopted)} {'are' if len(adopted) > 1 else 'is'} in force, adopted by {verbs.operator}")
        for difference in differences(before, verbs.workspace.site):
            print(f"  {difference}")
    return 0
