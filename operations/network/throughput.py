"""``network.throughput``: what TCP carries between two hosts, both directions, by iperf3."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, OWN_ADDRESS, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long, and between which ends; both jobs of a run get the same."""

    role: Literal["server", "client"]
    seconds: Annotated[int, Meta(ge=1, le=3600, description="time of each direction", extra=AMOUNT)] = 60
    wanted: Annotated[
        float, Meta(ge=0, description="Gbit/s that the plan asks for: the log says where the MTU can't carry it")
    ] = 0.0
    address: Annotated[str, Meta(description="the server's own address on the wired network", extra=OWN_ADDRESS)] = (
        "127.0.0.1"
    )
    timed_from: Annotated[int, Meta(ge=1, description="seconds of a direction below which it is no throughput")] = 1
    endpoint_address: Annotated[str, Meta(description="where the server listens; filled in at the start")] = ""
    endpoint_port: Annotated[int, Meta(ge=0, le=65535, description="the server's port; filled in at the start")] = 0
    patience: Annotated[float, Meta(gt=0, description="seconds that either end waits for the other")] = 60.0


def run(context: Context, parameters: Parameters) -> None:
    """Serves or asks, by role. Raises Refusal in one line if iperf3 is missing, too old, refused or ended early."""
    from operations.network import measuring

    measuring.carry_out(context, parameters)


OPERATION = Operation(
    name="network.throughput",
    about="Measure what TCP carries between two hosts, in both directions, with iperf3",
    parameters=Parameters,
    run=run,
    measures=(
        Measure(
            "throughput",
            Kind.NUMBER,
            "of the slower direction, as its receiver counted; none between hosts of one machine or on a virtual link",
            "Gbit/s",
        ),
        Measure("observed", Kind.NUMBER, "the same figure, whatever the link", "Gbit/s"),
        Measure("sustained", Kind.NUMBER, "observed in 95 % of all half seconds, slower direction", "Gbit/s"),
        Measure("to_server", Kind.NUMBER, "observed from client to server", "Gbit/s"),
        Measure("to_client", Kind.NUMBER, "observed from server to client", "Gbit/s"),
        Measure("retransmits", Kind.COUNT, "segments sent again, both directions", "segments"),
        Measure("mtu", Kind.COUNT, "smaller one of both ends", "bytes"),
        Measure("ceiling", Kind.NUMBER, "what TCP can carry at most on this link with this MTU", "Gbit/s"),
    ),
    outputs=(Output("results", "what iperf3 said of both directions, as JSON"),),
    uses="network",
    roles=("server", "client"),
)
