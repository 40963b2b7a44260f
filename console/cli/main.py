"""``gladiator-console``: the app, and every verb as a command.

Exit status: 0 done, 1 the answer is no, 2 wrong usage or bad input. An error is one line on standard error.
"""

from __future__ import annotations

import gc

gc.disable()  # until the app's first frame or the command's work begins: a start only has much to look through

# ruff: noqa: E402
import argparse
import datetime
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from console.conductor.errors import BadInput, Refused, Unusable
from console.journal.store import JournalError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> None:
    """The program's entry; ends the process with its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(arguments)
    except (Refused, Unusable) as error:
        for line in str(error).splitlines():
            print(f"gladiator-console: {line}", file=sys.stderr)
        status = 1 if isinstance(error, Refused) and not isinstance(error, BadInput) else 2
    except (JournalError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"gladiator-console: {error}", file=sys.stderr)
        status = 1 if isinstance(error, BrokenPipeError) else 2
    except KeyboardInterrupt:
        print("gladiator-console: interrupted; jobs go on", file=sys.stderr)
        status = 130
    except Exception as error:  # the last resort: whatever went wrong is told in one line
        if os.environ.get("GLADIATOR_DEBUG"):
            raise
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"gladiator-console: {told} (a fault of the program: GLADIATOR_DEBUG=1 shows where)", file=sys.stderr)
        status = 2
    raise SystemExit(status)


def _run(arguments: list[str]) -> int:
    names = COMMANDS.keys()
    if not arguments or (arguments[0] not in names and not arguments[0].startswith("-")):
        if arguments and not Path(arguments[0]).exists():
            raise Unusable(f"{arguments[0]}: neither a command nor a workspace; see gladiator-console --help")
        arguments.insert(0, "open")
    parsed = _parser(arguments[0]).parse_args(arguments)
    module = importlib.import_module(parsed.module)
    if parsed.function != "open_":
        gc.enable()
    status: int = getattr(module, parsed.function)(parsed)
    return status


def _open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", nargs="?", type=Path, help="default: a rehearsal, made if it is not there")
    parser.add_argument("--read-only", action="store_true", help="look, and write nothing")


def _workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", type=Path)


def _init(parser: argparse.ArgumentParser) -> None:
    _workspace(parser)
    parser.add_argument("--plan", type=Path, help="a plan's directory (default: the GLADIATOR plan)")
    parser.add_argument("--site", type=Path, help="a site's file (default: the rehearsal)")
    parser.add_argument("--start", help="the plan's first day, YYYY-MM-DD (default: today)")


def _sets(parser: argparse.ArgumentParser, form: str) -> None:
    parser.add_argument("--set", action="append", default=[], metavar=form, help="a parameter of an operation")


def _rehearse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--through", metavar="GATE", default="", help="end once that gate is decided")
    _sets(parser, "TASK.name=value")
    parser.add_argument("--json", action="store_true", help="print the status as JSON at the end")


def _task(parser: argparse.ArgumentParser) -> None:
    _workspace(parser)
    parser.add_argument("task")


def _run_task(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    _sets(parser, "name=value")
    parser.add_argument("--again", action="store_true", help="run a task anew that is done")
    parser.add_argument("--fresh", action="store_true", help="do not continue an interrupted attempt")


def _stop(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    parser.add_argument("--kill", action="store_true", help="end it at once: what it has not saved is lost")


def _on(parser: argparse.ArgumentParser) -> None:
    about = "of a task that repeats: for which of its days"
    parser.add_argument("--on", metavar="YYYY-MM-DD", type=_day, help=about)


def _day(text: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write YYYY-MM-DD") from None


def _record(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    parser.add_argument("name")
    parser.add_argument("value")
    _on(parser)


def _tick(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    parser.add_argument("deliverable")
    parser.add_argument("--undo", action="store_true", help="take the tick back; the journal keeps both")
    _on(parser)


def _note(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    parser.add_argument("text")


def _attach(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    parser.add_argument("file", type=Path)


def _skip(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    parser.add_argument("--reason", required=True)
    _on(parser)


def _answer(parser: argparse.ArgumentParser) -> None:
    _workspace(parser)
    parser.add_argument("contingency")
    parser.add_argument("text", help="what was done about it")


def _gate(parser: argparse.ArgumentParser) -> None:
    _workspace(parser)
    parser.add_argument("gate")


def _why(parser: argparse.ArgumentParser) -> None:
    _workspace(parser)
    parser.add_argument("gate", metavar="GATE|TASK")


def _decide(parser: argparse.ArgumentParser) -> None:
    _gate(parser)
    parser.add_argument("outcome", choices=("go", "no-go"))
    parser.add_argument("--reason", required=True)
    parser.add_argument("--waive", action="append", default=[], metavar="CRITERION")
    parser.add_argument("--until", metavar="YYYY-MM-DD", help="the last day the waivers hold")
    parser.add_argument("--again", action="store_true", help="supersede an earlier decision")


def _retest(parser: argparse.ArgumentParser) -> None:
    _gate(parser)
    parser.add_argument("--option", required=True, help="the corrective option, as the plan names it")
    _sets(parser, "TASK.name=value")


def _status(parser: argparse.ArgumentParser) -> None:
    _workspace(parser)
    parser.add_argument("--json", action="store_true")


def _log(parser: argparse.ArgumentParser) -> None:
    _task(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the job ends")


def _report(parser: argparse.ArgumentParser) -> None:
    _workspace(parser)
    parser.add_argument("-o", "--output", type=Path, help="FILE.html or FILE.md (default: Markdown on standard output)")
    parser.add_argument("--addendum", action="store_true", help="only the addendum to the plan, once its gate is GO")


def _lint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="a plan's directory")


def _schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("plan", "site"))


def _wheelhouse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="made, or brought up to date")
    parser.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="NAME",
        help="macos-arm64, linux-x86_64 or linux-arm64; may be given again (default: all three)",
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="3.N",
        help="the hosts' Python; may be given again (default: as this console's)",
    )


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", type=Path, help="a package's directory; nothing else is needed beside a key")
    parser.add_argument("--key", type=Path, metavar="FILE", help="P-256 public key in PEM: checks model.sig (OpenSSF)")
    parser.add_argument(
        "--allowed-signers",
        "--ssh-key",
        dest="signers",
        type=Path,
        metavar="FILE",
        help="OpenSSH's allowed_signers, or one public key: checks the signature over the manifest",
    )
    parser.add_argument("--allow-rehearsal", action="store_true", help="accept what was proven on a rehearsal alone")


def _host(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "say what hosts lack: exit 0 if nothing, else 1"
    check = actions.add_parser("check", help=about, description=about)
    _workspace(check)
    check.add_argument("host", nargs="?", default="", help="as the site names it (default: all)")
    check.add_argument("--json", action="store_true")
    about = "carry wheels to a host, make the environment of its `python`, install; again after a cut, it goes on"
    prepare = actions.add_parser("prepare", help=about, description=about)
    _workspace(prepare)
    prepare.add_argument("host", help="as the site names it")
    prepare.add_argument("--wheelhouse", type=Path, default=Path("wheelhouse"), help="default: ./wheelhouse")
    prepare.add_argument("--base", default="", metavar="PYTHON", help="the host's interpreter to make it with")


COMMANDS = {
    "open": ("the app (also with no command at all)", _open),
    "init": ("make a workspace", _init),
    "rehearse": ("do every task that has an operation, take the gates by rule", _rehearse),
    "run": ("run one task and follow it; Ctrl-C detaches", _run_task),
    "stop": ("ask a task's job to checkpoint and end, or kill it", _stop),
    "record": ("write what a person measured or saw", _record),
    "tick": ("tick a deliverable", _tick),
    "note": ("write a note on a task", _note),
    "attach": ("lay a copy of a file beside a task", _attach),
    "skip": ("leave out an optional task, or a day of one that repeats", _skip),
    "answer": ("write what was done about a contingency", _answer),
    "decide": ("record a decision at a gate", _decide),
    "adopt": ("put the changed plan/ or site.toml of a workspace in force, whichever differs", _workspace),
    "retest": ("open a new round after a NO-GO, with a corrective option", _retest),
    "status": ("the checklist", _status),
    "timeline": ("planned and actual times, slip, the expected end", _workspace),
    "why": ("the chain from each criterion of a gate to its file; what speaks for a task's deliverables", _why),
    "log": ("a job's log", _log),
    "audit": ("verify chain, decisions, events and artefacts", _workspace),
    "report": ("the whole execution as one file", _report),
    "verify": ("check a signed package of models on its own: every byte, name, signature", _verify),
    "wheelhouse": ("make a directory of wheels for hosts without internet, on a machine that has it", _wheelhouse),
    "host": ("say what hosts lack, or prepare one without internet", _host),
    "lint": ("what is wrong with a plan", _lint),
    "schema": ("JSON Schema for editors", _schema),
}
_MODULES = {
    "open": "console.cli.opening",
    "init": "console.cli.opening",
    "rehearse": "console.cli.running",
    "run": "console.cli.running",
    "stop": "console.cli.running",
    "log": "console.cli.running",
    "record": "console.cli.writing",
    "tick": "console.cli.writing",
    "note": "console.cli.writing",
    "attach": "console.cli.writing",
    "skip": "console.cli.writing",
    "answer": "console.cli.writing",
    "decide": "console.cli.writing",
    "adopt": "console.cli.writing",
    "retest": "console.cli.writing",
    "status": "console.cli.reading",
    "timeline": "console.cli.reading",
    "why": "console.cli.reading",
    "audit": "console.cli.reading",
    "report": "console.cli.reading",
    "verify": "console.cli.verifying",
    "wheelhouse": "console.cli.preparing",
    "host": "console.cli.preparing",
    "lint": "console.cli.reading",
    "schema": "console.cli.reading",
}


def _version() -> str:
    import importlib.metadata

    return f"gladiator-console {importlib.metadata.version('gladiator-console')}"


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser of that command alone, or of all where it is none: to make them all takes as long as a plan."""
    common = _Parser(add_help=False)
    common.add_argument("--operator", metavar="NAME", help="who writes (default: GLADIATOR_OPERATOR, or the account)")
    parser = _Parser(prog="gladiator-console", description="Operator console for a machine-learning programme.")
    parser.add_argument("--version", action="version", version=_version())
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in [command] if command in COMMANDS else COMMANDS:
        about, add = COMMANDS[name]
        one = parsers.add_parser(name, help=about, description=about, parents=[common])
        add(one)
        one.set_defaults(module=_MODULES[name], function=name.replace("-", "_") + "_")
    return parser
