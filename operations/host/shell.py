"""``host.shell``: one command on a host, for steps of a plan that need no code of their own."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is run, and what to make of its end and its output."""

    command: Annotated[
        list[str],
        Meta(
            min_length=1, description="program and arguments, each by itself: no shell reads them; in the host's root"
        ),
    ]
    input: Annotated[Artefact | None, Meta(description="what the command reads on standard input; else nothing")] = None
    expect_status: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=255)], ...],
        Meta(min_length=1, description="exit statuses that are no failure"),
    ] = (0,)
    timeout: Annotated[float, Meta(gt=0, description="seconds after which it is ended", extra=AMOUNT)] = 600.0
    value: Annotated[
        str,
        Meta(description="regular expression with one group: the last number it finds in a line is the value"),
    ] = ""
    output: Annotated[
        str,
        Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$", description="file name to keep standard output under"),
    ] = ""


def run(context: Context, parameters: Parameters) -> None:
    """Runs the command and reports its end. Raises Refusal if it can't be run, takes too long or ends otherwise."""
    from operations.host import command

    command.carry_out(context, parameters)


OPERATION = Operation(
    name="host.shell",
    about="Run one command in the host's root",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("exit_status", Kind.COUNT, "what the command ended with"),
        Measure("seconds", Kind.NUMBER, "time it took", "s"),
        Measure("lines", Kind.COUNT, "lines on standard output"),
        Measure("value", Kind.NUMBER, "the last number printed, as the expression finds it"),
    ),
    outputs=(Output("output", "standard output, byte for byte, if a name is given"),),
)
