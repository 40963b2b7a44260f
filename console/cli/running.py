"""``rehearse``, ``run``, ``stop`` and ``log``: jobs."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import signal
import sys

from console.cli.opening import conductor, make, rehearsal_workspace
from console.cli.output import as_json
from console.cli.sets import pair, task_sets
from console.cli.standing import Standing
from console.conductor.errors import Refused, Unusable
from console.conductor.rehearse import Rehearsal, Step
from console.conductor.verbs import Conductor
from console.conductor.view import JobView
from console.conductor.workspace import JOURNAL
from console.text import clean
from operations.events import Event, Finished, Log, Measured, decode_lines


def rehearse_(arguments: argparse.Namespace) -> int:
    """Drives a rehearsal; exit 1 at the first NO-GO or task that does not end well."""
    if arguments.workspace is None:
        arguments.workspace = rehearsal_workspace()
    sets = task_sets(arguments.set)
    if not (arguments.workspace / JOURNAL).exists():
        make(arguments.workspace, arguments).close()
    return asyncio.run(_rehearse(conductor(arguments), arguments, sets))


async def _rehearse(verbs: Conductor, arguments: argparse.Namespace, sets: dict[str, dict[str, object]]) -> int:
    if arguments.through and arguments.through not in verbs.workspace.plan.gate:
        raise Unusable(f"--through {arguments.through}: no such gate; {', '.join(verbs.workspace.plan.gate)}")
    out = sys.stderr if arguments.json else sys.stdout

    standing = Standing(verbs, arguments.through, out)

    def tell(step: Step) -> None:
        time = datetime.datetime.now().astimezone().strftime("%H:%M:%S")
        standing.say(f"{time}  {step.id:8} {step.title}: {step.what}")

    keeping = asyncio.create_task(standing.keep())
    try:
        try:
            ending = await Rehearsal(verbs, sets, tell).through(arguments.through)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        if arguments.json:
            print(as_json(verbs.workspace.view()))
    finally:
        await verbs.close()
    if ending.kind == "through":
        return 0
    words = {"no-go": "NO-GO at", "failed": "ended at", "stuck": "nothing may start; held at"}[ending.kind]
    print(f"gladiator-console: {words} {ending.at}: {ending.reason}", file=sys.stderr)
    return 1


def run_(arguments: argparse.Namespace) -> int:
    """Runs one task and follows it; Ctrl-C detaches and the job goes on."""
    return asyncio.run(_run(conductor(arguments), arguments))


async def _run(verbs: Conductor, arguments: argparse.Namespace) -> int:
    try:
        await verbs.reconcile()
        if verbs.writes(arguments.task):
            for file in verbs.write(arguments.task, again=arguments.again):
                print(verbs.workspace.path / file)
            return 0
        before = verbs.workspace.view().tasks.get(arguments.task)
        jobs = await verbs.start(
            arguments.task, dict(pair(text) for text in arguments.set), again=arguments.again, fresh=arguments.fresh
        )
        begun = verbs.workspace.view().tasks[arguments.task].job
        if before and before.interrupted and begun and not (begun.continues or arguments.fresh):
            print(f"{arguments.task} begins anew: an interrupted attempt goes on only with its own parameters")
        following = asyncio.gather(*(_follow(verbs, job) for job in jobs))
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, following.cancel)
        try:
            await following
        except asyncio.CancelledError:
            afterwards = begun.afterwards if begun else "goes on"
            print(f"detached; {arguments.task} {afterwards}: job {' '.join(jobs)}", file=sys.stderr)
            return 0
        task = verbs.workspace.view().tasks[arguments.task]
        print(f"{task.id} {task.state}{': ' if task.why else ''}{'; '.join(task.why)}")
        return 0 if task.state == "done" else 1
    finally:
        await verbs.close()


async def _follow(verbs: Conductor, job: str) -> None:
    """Prints the job's log until its end is journalled."""
    host = verbs.workspace.journal.state.jobs[job].started.host
    async with contextlib.AsyncExitStack() as stack:
        ending = asyncio.create_task(verbs.runs.see_to_end(job))
        stack.callback(ending.cancel)
        async for lines in verbs.hosts.follow(host, job):
            for event in decode_lines(iter(lines.splitlines())):
                _print(event)
        await ending


def stop_(arguments: argparse.Namespace) -> int:
    """Asks a task's jobs to checkpoint and end, or kills them."""
    return asyncio.run(_stop(conductor(arguments), arguments.task, kill=arguments.kill))


async def _stop(verbs: Conductor, task: str, *, kill: bool) -> int:
    try:
        jobs = await verbs.stop(task, kill=kill)
        print(f"{task}: {'killed' if kill else 'asked'} job {' '.join(jobs)}{'' if kill else ' to checkpoint and end'}")
        for job in jobs:
            await verbs.runs.see_to_end(job)
        print(f"{task} {verbs.workspace.view().tasks[task].state}")
        return 0
    finally:
        await verbs.close()


def log_(arguments: argparse.Namespace) -> int:
    """Prints the log of a task's latest job; with -f goes on until it ends."""
    return asyncio.run(_log(conductor(arguments), arguments))


async def _log(verbs: Conductor, arguments: argparse.Namespace) -> int:
    try:
        view = verbs.workspace.view()
        if arguments.task not in view.tasks:
            raise Unusable(f"no task {arguments.task} in this plan")
        job = view.tasks[arguments.task].leading
        if job is None:
            raise Refused(f"{arguments.task} has not run")
        if arguments.follow and job.state == "running":
            await _follow(verbs, job.id)
        else:
            _print_file(verbs, job)
        return 0
    finally:
        await verbs.close()


def _print_file(verbs: Conductor, job: JobView) -> None:
    path = verbs.events_file(job)
    if path.exists():
        with path.open("rb") as stream:
            for event in decode_lines(line for line in stream if line.endswith(b"\n")):
                _print(event)


def _print(event: Event) -> None:
    time = datetime.datetime.fromtimestamp(event.t).astimezone().strftime("%H:%M:%S")
    if isinstance(event, Log):
        level = "" if event.level == "info" else f"{event.level}: "
        print(f"{time} {level}{clean(event.text)}", flush=True)
    elif isinstance(event, Measured):
        shown = "n/a" if event.value is None else event.value
        print(f"{time} {event.name} = {clean(str(shown))} {event.unit} {clean(event.reason)}".rstrip(), flush=True)
    elif isinstance(event, Finished):
        print(f"{time} {event.outcome} {clean(event.reason)}".rstrip(), flush=True)
