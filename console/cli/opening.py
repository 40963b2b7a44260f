"""``open`` and ``init``."""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import sys
from pathlib import Path

from console.conductor.errors import Unusable
from console.conductor.verbs import Conductor, operator_name
from console.conductor.workspace import JOURNAL, Workspace
from console.plan.loading import shipped

_EARLIEST, _LATEST = datetime.date(2000, 1, 1), datetime.date(2199, 12, 31)


def conductor(arguments: argparse.Namespace) -> Conductor:
    """The verbs on the named workspace, as the operator given. Raises Unusable."""
    return Conductor(Workspace.open(arguments.workspace), operator_name(arguments.operator))


def rehearsal_workspace() -> Path:
    """Where the rehearsal lives that is opened without an argument."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "gladiator-console" / "rehearsal"


def make(path: Path, arguments: argparse.Namespace) -> Workspace:
    """A new workspace; the shipped plan and rehearsal site where none are named. Raises Unusable."""
    operator = operator_name(arguments.operator)
    if not operator:
        raise Unusable("no name, no write: set GLADIATOR_OPERATOR or give --operator NAME")
    plan = getattr(arguments, "plan", None) or shipped("gladiator")
    site = getattr(arguments, "site", None) or shipped("sites/rehearsal.toml")
    if not plan.is_dir():
        raise Unusable(f"{plan}: no directory of a plan")
    if not site.is_file():
        raise Unusable(f"{site}: no file of a site")
    try:
        return Workspace.create(path.absolute(), plan, site, operator, _day(getattr(arguments, "start", None)))
    except Unusable as error:
        if getattr(arguments, "site", None) or not any(line.startswith(site.name) for line in error.lines):
            raise
        raise Unusable(*error.lines, f"held against {site.name}, the default site: name another with --site") from None


def _day(text: str | None) -> datetime.date | None:
    if text is None:
        return None
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise Unusable(f"--start {text}: no day; write YYYY-MM-DD") from None
    if not _EARLIEST <= day <= _LATEST:
        raise Unusable(f"--start {text}: expected a day from {_EARLIEST} to {_LATEST}")
    return day


def init_(arguments: argparse.Namespace) -> int:
    """Makes a workspace."""
    workspace = make(arguments.workspace, arguments)
    rehearsal = " (rehearsal)" if workspace.site.rehearsal else ""
    print(f"{workspace.path}: {workspace.plan.title} v{workspace.plan.version} on {workspace.site.title}{rehearsal}")
    workspace.close()
    return 0


def open_(arguments: argparse.Namespace) -> int:
    """Opens the app; without a workspace, on a rehearsal that is made if it is not there. Raises what ended the app."""
    if arguments.workspace is None:
        arguments.workspace = rehearsal_workspace()
        if not (arguments.workspace / JOURNAL).exists():
            make(arguments.workspace, arguments).close()
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if "TEXTUAL_DRIVER" not in os.environ and not all(stream.isatty() for stream in streams):
        raise Unusable("the console needs a terminal; status, run and the other commands do without")
    from console.app.app import ConsoleApp

    verbs = conductor(arguments)
    if arguments.read_only:
        verbs.operator = ""
    app = ConsoleApp(verbs)
    # Who started it may have been deaf to a line that is cut, as under nohup; a console without a terminal is none.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    app.run()
    if app.fault is not None:
        raise app.fault
    return 2 if app.return_code else 0
