"""``open`` and ``init``."""

from __future__ import annotations

import argparse
import datetime
import os
from pathlib import Path

from console.conductor.errors import Unusable
from console.conductor.verbs import Conductor, operator_name
from console.conductor.workspace import JOURNAL, Workspace
from console.plan.loading import shipped


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
    return Workspace.create(path, plan, site, operator, _day(getattr(arguments, "start", None)))


def _day(text: str | None) -> datetime.date | None:
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise Unusable(f"--start {text}: no day; write YYYY-MM-DD") from None


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
    from console.app.app import ConsoleApp

    verbs = conductor(arguments)
    if arguments.read_only:
        verbs.operator = ""
    app = ConsoleApp(verbs)
    app.run()
    if app.fault is not None:
        raise app.fault
    return 2 if app.return_code else 0
