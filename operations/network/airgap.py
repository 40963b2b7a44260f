"""``network.airgap``: whether anything outside answers any of three hosts, and whether silence proves anything."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import OWN_ADDRESS, Context, Kind, Measure, Operation, Output

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$(?!\n)")]
Address = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]{2,39}$(?!\n)")]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked outward, and how the hosts meet; all jobs of a run get the same."""

    role: Literal["first", "second", "third"]
    address: Annotated[
        str, Meta(description="the first host's own address on the wired network", extra=OWN_ADDRESS)
    ] = "127.0.0.1"
    names: Annotated[
        tuple[Name, ...],
        Meta(description="the hosts' names in the roles' order: the control of the system's resolver"),
    ] = ()
    outside: Annotated[
        tuple[Address, ...],
        Meta(description="addresses outside: asked by ICMP, TCP, TLS, DNS over UDP and TCP"),
    ] = ("8.8.8.8", "1.1.1.1", "2001:4860:4860::8888")
    sites: Annotated[
        tuple[Name, ...], Meta(min_length=1, description="public names: looked up, then asked by TLS, port 443")
    ] = ("google.com",)
    clocks: Annotated[tuple[Address, ...], Meta(description="addresses of time servers, asked by NTP")] = (
        "216.239.35.0",
        "162.159.200.1",
    )
    ports: Annotated[tuple[Port, ...], Meta(description="TCP ports asked of each address outside")] = (443, 80, 53)
    pings: Annotated[int, Meta(ge=1, le=100, description="echo requests of each ICMP probe")] = 5
    wait: Annotated[float, Meta(gt=0, le=60, description="seconds that a probe waits for its answer")] = 3.0
    endpoint_address: Annotated[str, Meta(description="where the first listens; filled in at the start")] = ""
    endpoint_port: Annotated[int, Meta(ge=0, le=65535, description="the first's port; filled in at the start")] = 0
    patience: Annotated[float, Meta(gt=0, description="seconds that the hosts wait for each other")] = 60.0


def run(context: Context, parameters: Parameters) -> None:
    """Probes from this role's host; the first host judges all. Raises Refusal if the hosts can't meet."""
    from operations.network import probing

    probing.carry_out(context, parameters)


OPERATION = Operation(
    name="network.airgap",
    about="Probe outward from each of three hosts, with controls between them, and judge the air gap",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("verdict", Kind.TEXT, "BROKEN, INCONCLUSIVE or ENFORCED, over all hosts; the first host's"),
        Measure("ways", Kind.COUNT, "outward probes that got an answer, and usable default routes", "ways"),
        Measure("answered", Kind.COUNT, "outward probes that got an answer", "probes"),
        Measure("asked", Kind.COUNT, "outward probes asked", "probes"),
        Measure("inward", Kind.COUNT, "pings of the first and the second host to the two others that worked", "probes"),
        Measure("controls", Kind.COUNT, "inward probes of the kinds that ask outward that worked", "probes"),
        Measure("failed", Kind.COUNT, "controls that did not work", "probes"),
        Measure("why", Kind.TEXT, "the ways out, or what keeps the silence from proving anything"),
        Measure("here", Kind.TEXT, "this host's own part"),
    ),
    outputs=(Output("evidence", "each probe: what was asked, by what tool, the answer, the time"),),
    uses="network",
    roles=("first", "second", "third"),
)
