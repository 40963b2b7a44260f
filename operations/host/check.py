"""``host.check``: two hosts held against the plan, each by a job of its own: memory, disk, settings, container."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Context, Kind, Measure, Operation, of_hosts


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the plan counts on, in GB of 1e9 bytes; 0 asks for nothing. What a site says of its hosts is filled in."""

    role: Literal["first", "second"]
    memory_first: Annotated[float, Meta(ge=0, description="GB of memory of the first host", extra=AMOUNT)] = 0.0
    memory_second: Annotated[float, Meta(ge=0, description="GB of memory of the second host", extra=AMOUNT)] = 0.0
    disk_first: Annotated[float, Meta(ge=0, description="GB of the first host's disk", extra=AMOUNT)] = 0.0
    disk_second: Annotated[float, Meta(ge=0, description="GB of the second host's disk", extra=AMOUNT)] = 0.0
    containers: Annotated[
        list[str], Meta(description="each host's container, as the site names it", extra=of_hosts("container"))
    ] = []
    dockers: Annotated[
        list[str], Meta(description="the program that reaches into it, as the site names it", extra=of_hosts("docker"))
    ] = []


def run(context: Context, parameters: Parameters) -> None:
    """Looks at this role's host and changes nothing. Hosts need not reach each other."""
    from operations.host import surveying

    surveying.survey(context, parameters)


OPERATION = Operation(
    name="host.check",
    about="Look whether two hosts have the memory, disk and containers that the plan counts on",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("as_planned", Kind.FLAG, "its job ran, its root can be written to, memory and disk are as planned"),
        Measure("memory", Kind.NUMBER, "installed, as far as the system has it", "GB"),
        Measure("disk", Kind.NUMBER, "size of the file system under the host's root", "GB"),
        Measure("free", Kind.NUMBER, "free there for this user", "GB"),
        Measure("gpu", Kind.TEXT, "the GPU that jobs compute on; none if there is none"),
        Measure("sleep", Kind.FLAG, "the host does not go to sleep by itself"),
        Measure("logout", Kind.FLAG, "a logout ends no jobs"),
        Measure("missing", Kind.TEXT, "what the program's own check finds missing here"),
        Measure("container", Kind.FLAG, "the container that the site names is up; none where it names none"),
        Measure("container_state", Kind.TEXT, "the container, and what Docker says of it"),
    ),
    roles=("first", "second"),
)
