"""``network.transfer``: a file or a directory from one host's root to another's, with digests taken at both ends."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is brought, and between which ends; both jobs of a run get the same."""

    artefact: Annotated[Artefact, Meta(description="what is brought")]
    role: Literal["sink", "source"]
    address: Annotated[str, Meta(description="the sink's own address to listen on")] = "127.0.0.1"
    endpoint_address: Annotated[str, Meta(description="where the sink listens; filled in at the start")] = ""
    endpoint_port: Annotated[int, Meta(ge=0, le=65535, description="the sink's port; filled in at the start")] = 0
    patience: Annotated[float, Meta(gt=0, description="seconds that either end waits for the other")] = 60.0


def run(context: Context, parameters: Parameters) -> None:
    """Sends or receives, by role."""
    from operations.network import copying

    (copying.receive if parameters.role == "sink" else copying.send)(context, parameters)


OPERATION = Operation(
    name="network.transfer",
    about="Bring a file or directory to another host, with its SHA-256 taken at both ends",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("digest", Kind.DIGEST, "SHA-256 of what passed this end, taken in the stream"),
        Measure("match", Kind.FLAG, "both ends' digests are that of the artefact"),
        Measure("size", Kind.COUNT, "bytes of all files", "bytes"),
        Measure("files", Kind.COUNT, "files"),
        Measure("seconds", Kind.NUMBER, "from the first byte to the verified copy", "s"),
        Measure("rate", Kind.NUMBER, "size by seconds; none between hosts that share one machine", "MB/s"),
    ),
    outputs=(Output("copy", "what was brought, under its own name"),),
    uses="network",
    roles=("sink", "source"),
)
