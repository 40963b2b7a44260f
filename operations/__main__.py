"""A host's side: ``python -P -m operations list | describe NAME | check ROOT | verify DIR | run DIR | agent ROOT``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -P -m operations", description="What runs on a host.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="names the operations")
    describe = commands.add_parser("describe", help="says what an operation takes, reports and makes, as JSON")
    describe.add_argument("name")
    check = commands.add_parser("check", help="says what this host lacks, as JSON; changes nothing")
    check.add_argument("root", type=Path)
    run = commands.add_parser("run", help="runs the job in a directory to its end")
    run.add_argument("directory", type=Path)
    run.add_argument("--launched", action="store_true", help="secrets come on standard input; let go of the terminal")
    work = commands.add_parser("work")
    work.add_argument("directory", type=Path)
    work.add_argument("descriptors", type=int, nargs=3)
    agent = commands.add_parser("agent", help="serves a console over standard input and output")
    agent.add_argument("root", type=Path)
    verify = commands.add_parser("verify", help="checks a signed package of models; exit 1 and its faults, as JSON")
    verify.add_argument("directory", type=Path)
    verify.add_argument("--key", type=Path)
    verify.add_argument("--allowed-signers", type=Path)
    verify.add_argument("--allow-rehearsal", action="store_true")
    given = parser.parse_args(arguments)
    match given.command:
        case "list":
            return _list()
        case "describe":
            return _describe(given.name)
        case "check":
            from operations.host import checking

            print(msgspec.json.encode(checking.look(given.root)).decode())
            return 0
        case "verify":
            return _verify(given)
        case "run":
            from operations import supervisor

            return supervisor.run(given.directory, launched=given.launched)
        case "agent":
            from operations import agent as host_agent

            return host_agent.serve(given.root)
        case _:
            from operations import worker

            return worker.work(given.directory, *given.descriptors)


def _list() -> int:
    from operations import registry

    for name in registry.names():
        print(name)
    return 0


def _verify(given: argparse.Namespace) -> int:
    from operations.contract import Refusal
    from operations.package import verifying

    try:
        verdict = verifying.verify(
            given.directory,
            key=given.key,
            signers=given.allowed_signers,
            allow_rehearsal=given.allow_rehearsal,
        )
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(msgspec.json.encode(verdict).decode())
    return 1 if verdict.faults else 0


def _describe(name: str) -> int:
    from operations import contract, registry

    try:
        operation = registry.find(name)
    except KeyError:
        print(f"there is no operation {name!r}; see `list`", file=sys.stderr)
        return 2
    described = {
        "name": operation.name,
        "about": operation.about,
        "uses": operation.uses,
        "resumable": operation.resumable,
        "roles": operation.roles,
        "parameters": contract.fields(operation),
        "measures": operation.measures,
        "outputs": operation.outputs,
    }
    print(msgspec.json.format(msgspec.json.encode(described)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
