"""``network.transfer``: a file or a directory from one host's root to another's, proven by its SHA-256.

The source's digest is the one that was taken when the artefact was made, the sink takes its own of all that comes:
where they are equal, so are the bytes.

By themselves the bytes go by a connection of their own between two addresses of the wired network, past SSH, whose
ciphers and windows hold a fast link to a quarter. Where they must be encrypted ``via`` lets rsync bring them; that
takes an identity with which the source may log in to the sink. Where none is stated the console relays: both ends speak
to their own loopback, and the console carries it over the SSH connections that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import (
    AMOUNT,
    OWN_ADDRESS,
    WAY,
    Artefact,
    Context,
    Kind,
    Measure,
    Operation,
    Output,
    Refusal,
    Relayed,
)

_LOOPBACK = "127.0.0.1"


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
    address: Annotated[str, Meta(description="the sink's own address to listen on", extra=OWN_ADDRESS)] = _LOOPBACK
    endpoint_address: Annotated[str, Meta(description="where the sink listens; filled in at the start", extra=WAY)] = ""
    endpoint_port: Annotated[
        int, Meta(ge=0, le=65535, description="the sink's port; filled in at the start", extra=WAY)
    ] = 0
    via: Annotated[
        Literal["raw", "rsync", "relay"],
        Meta(
            description="raw: past SSH and unencrypted; rsync: over SSH; relay: over SSH through the console",
            extra=AMOUNT | WAY,
        ),
    ] = "raw"
    identity: Annotated[
        str,
        Meta(
            description="for rsync: the private key's file on the source that the sink lets in; without one the "
            "console relays",
            extra=AMOUNT | WAY,
        ),
    ] = ""
    known_hosts: Annotated[
        str, Meta(description="for rsync: the file on the source that holds the sink's host key", extra=AMOUNT | WAY)
    ] = "~/.ssh/known_hosts"
    user: Annotated[
        str, Meta(description="for rsync: who logs in to the sink; empty for the same", extra=AMOUNT | WAY)
    ] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="for rsync: the sink's SSH port", extra=AMOUNT | WAY)] = 22
    patience: Annotated[float, Meta(gt=0, description="seconds that either end waits for the other", extra=WAY)] = 60.0
    relay: Annotated[
        Relayed | None, Meta(description="whether the console brings the ends together; the console says it", extra=WAY)
    ] = None

    @property
    def synced(self) -> bool:
        """Whether rsync brings the bytes."""
        return self.via == "rsync" and self.relay is None

    @property
    def listening(self) -> str:
        """The address that the sink listens on."""
        return _LOOPBACK if self.relay else self.address

    @property
    def relayed(self) -> str:
        """Why time and rate are none of a wire between the hosts; empty if they may be."""
        return f"{self.relay.line}; no figure of the wire" if self.relay else ""

    def too_small(self, size: int) -> str:
        """Why the time of so many bytes is not told; empty if it is."""
        return "" if size >= self.timed_from else f"{size} bytes, at least {self.timed_from} are asked for"


def run(context: Context, parameters: Parameters) -> None:
    """Sends or receives, by role. Raises Refusal with the reason."""
    from operations.network import receiving, sending
    from operations.network.peer import Broken

    if bool(parameters.artefact) == bool(parameters.make):
        raise Refusal("a transfer brings either an artefact or a file that it makes: name one of them")
    if parameters.via == "relay" and parameters.relay is None:
        raise Refusal("nobody relays for a job that no console started: let the bytes go raw, or by rsync (via)")
    if parameters.relay:
        context.log(parameters.relay.line)
    try:
        (receiving.receive if parameters.role == "sink" else sending.send)(context, parameters)
    except Broken as broken:
        if parameters.relay is None or parameters.relay.here:
            raise
        how = "it went through the console: if that or its link has ended, run it again: it goes on from what is kept"
        raise Refusal(f"{broken}; {how}") from None


def relays(given: Mapping[str, object]) -> str:
    """Why the console is to relay, by the parameters that are set; empty if it is not."""
    if given.get("via") == "relay":
        return "asked for (via)"
    if given.get("via") == "rsync" and not given.get("identity"):
        return "rsync has no identity stated with which the source may log in to the sink"
    return ""


OPERATION = Operation(
    name="network.transfer",
    about="Bring a file or directory to another host and prove by its SHA-256 that it came whole",
    parameters=Parameters,
    run=run,
    measures=(
        Measure(
            "digest",
            Kind.DIGEST,
            "SHA-256 of all of it: the sink's of what came; the source's as taken when it was made, told once the sink "
            "has proven it",
        ),
        Measure("match", Kind.FLAG, "both ends' digests are equal"),
        Measure("size", Kind.COUNT, "bytes of all files", "bytes"),
        Measure("files", Kind.COUNT, "files that came whole, of those that are counted", "files"),
        Measure("left", Kind.NUMBER, "how much longer it will take, every few seconds", "min", series=True),
        Measure("resumed", Kind.COUNT, "bytes that an earlier attempt had brought", "bytes"),
        Measure(
            "seconds",
            Kind.NUMBER,
            "from the first byte to the compared digests, before the disk is flushed; none between hosts that share "
            "one machine, over what is no wire, through the console, or if it was resumed",
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
    relays=relays,
)
