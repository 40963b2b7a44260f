"""``network.links``: the wired link of each of three hosts, by which they reach each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import OWN_ADDRESS, Context, Kind, Measure, Operation

if TYPE_CHECKING:
    from operations.network.interfaces import Interface


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the hosts meet; all jobs of a run get the same."""

    role: Literal["first", "second", "third"]
    address: Annotated[
        str, Meta(description="the first host's own address on the wired network", extra=OWN_ADDRESS)
    ] = "127.0.0.1"
    endpoint_address: Annotated[str, Meta(description="where the first listens; filled in at the start")] = ""
    endpoint_port: Annotated[int, Meta(ge=0, le=65535, description="the first's port; filled in at the start")] = 0
    patience: Annotated[float, Meta(gt=0, description="seconds that the hosts wait for each other")] = 60.0


class Seen(msgspec.Struct, frozen=True):
    """What a host tells the first: its interface, and why it is no link of its own."""

    line: str


def run(context: Context, parameters: Parameters) -> None:
    """Reports the link of this role's host. Raises Refusal if the hosts can't meet."""
    from operations.network.gathering import gathered
    from operations.network.interfaces import carrying, interfaces, no_speed
    from operations.network.peer import Stopping

    try:
        with gathered(context, parameters, Seen) as all_hosts:
            address = all_hosts.me.address
            found = carrying(interfaces(), address)
            why = all_hosts.alone or no_speed(found, address)
            if not why and not all_hosts.others:
                why = "no other host came: nothing is there to tell whether they share one machine"
            line = _tell(context, found, address, why)
            for role, seen in all_hosts.collect(Seen(line)).items():
                if role != parameters.role:
                    context.log(f"{role} host: {seen.line}")
    except Stopping:
        context.stopped("asked to stop before all hosts had met")
        return


def _tell(context: Context, link: Interface | None, address: str, why: str) -> str:
    context.measure("speed", link.speed if link and not why else None, reason=why)
    unknown = why or "the system does not tell it"
    for name in ("interface", "duplex", "media"):
        value = (link.name if name == "interface" else getattr(link, name)) if link else ""
        context.measure(name, value or None, reason="" if value else unknown)
    context.measure("mtu", link.mtu if link else None, reason="" if link and link.mtu else unknown)
    if link is None:
        context.log(f"no interface has the address {address}", "warning")
        return f"no interface has the address {address}"
    parts = (
        f"{link.name} ({link.sort}) {address}",
        f"{link.speed:g} Gbit/s" if link.speed is not None else "speed unknown",
        f"MTU {link.mtu}" if link.mtu else "",
        f"{link.duplex} duplex" if link.duplex else "",
        link.media,
        f"no link's speed: {why}" if why else "",
    )
    line = ", ".join(part for part in parts if part)
    context.log(line)
    return line


OPERATION = Operation(
    name="network.links",
    about="Read the speed, MTU and media of the wired link of each of three hosts",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("speed", Kind.NUMBER, "negotiated; none for a virtual or wireless link or a shared machine", "Gbit/s"),
        Measure("mtu", Kind.COUNT, "largest packet", "bytes"),
        Measure("duplex", Kind.TEXT, "full or half"),
        Measure("media", Kind.TEXT, "as the system words it"),
        Measure("interface", Kind.TEXT, "that has the host's address on the wired network"),
    ),
    uses="network",
    roles=("first", "second", "third"),
)
