"""``network.transfer``: a file or a directory from one host's root to another's, with digests taken at both ends.

The bytes go by a connection of their own between two addresses of the wired network, past SSH, whose ciphers and
windows hold a fast link to a quarter; so there is no path over rsync or scp beside it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, OWN_ADDRESS, Artefact, Context, Kind, Measure, Operation, Output, Refusal


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is brought, and between which ends; both jobs of a run get the same."""

    artefact: Annotated[Artefact | None, Meta(description="what is brought")] = None
    make: Annotated[
        int,
        Meta(
            ge=0,
            description="bytes of a random file that is made, brought and thrown away, instead of an artefact",
            extra=AMOUNT,
        ),
    ] = 0
    count: Annotated[
        str, Meta(max_length=256, description="of a directory, files whose name matches are counted: '*.jsonl'")
    ] = "*"
    timed_from: Annotated[int, Meta(ge=0, description="bytes below which time and rate are not told")] = 0
    role: Literal["sink", "source"]
    address: Annotated[str, Meta(description="the sink's own address to listen on", extra=OWN_ADDRESS)] = "127.0.0.1"
    endpoint_address: Annotated[str, Meta(description="where the sink listens; filled in at the start")] = ""
    endpoint_port: Annotated[int, Meta(ge=0, le=65535, description="the sink's port; filled in at the start")] = 0
    patience: Annotated[float, Meta(gt=0, description="seconds that either end waits for the other")] = 60.0

    def too_small(self, size: int) -> str:
        """Why the time of so many bytes is not told; empty if it is."""
        return "" if size >= self.timed_from else f"{size} bytes, at least {self.timed_from} are asked for"


def run(context: Context, parameters: Parameters) -> None:
    """Sends or receives, by role. Raises Refusal with the reason."""
    from operations.network import receiving, sending

    if bool(parameters.artefact) == bool(parameters.make):
        raise Refusal("a transfer brings either an artefact or a file that it makes: name one of them")
    (receiving.receive if parameters.role == "sink" else sending.send)(context, parameters)


OPERATION = Operation(
    name="network.transfer",
    about="Bring a file or directory to another host, with its SHA-256 taken at both ends",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("digest", Kind.DIGEST, "SHA-256 of all of it, taken in the stream at this end"),
        Measure("match", Kind.FLAG, "both ends' digests are equal, and that of the artefact"),
        Measure("size", Kind.COUNT, "bytes of all files", "bytes"),
        Measure("files", Kind.COUNT, "files that came whole, of those that are counted", "files"),
        Measure("left", Kind.NUMBER, "how much longer it will take, every few seconds", "min", series=True),
        Measure("resumed", Kind.COUNT, "bytes that an earlier attempt had brought", "bytes"),
        Measure(
            "seconds",
            Kind.NUMBER,
            "from the first byte to the compared digests, before the disk is flushed; none between hosts that share "
            "one machine, over what is no wire, or if it was resumed",
            "s",
        ),
        Measure("rate", Kind.NUMBER, "size by seconds; none where seconds is none", "MB/s"),
        Measure("elapsed", Kind.NUMBER, "the same time, whatever the link", "s"),
        Measure("observed", Kind.NUMBER, "bytes that passed by elapsed", "MB/s"),
    ),
    outputs=(
        Output("copy", "what was brought, under its own name"),
        Output("partial", "what is there of it, to be taken up by the next attempt", "rotates", resumes=True),
    ),
    uses="network",
    resumable=True,
    roles=("sink", "source"),
)
