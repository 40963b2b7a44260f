"""The sink of ``network.transfer``: listens, keeps what one source with the token sends, knows how far it is right."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from operations.contract import Artefact, Context, Refusal
from operations.network import joining, partial
from operations.network.partial import Partial
from operations.network.passing import (
    BLOCK,
    Entry,
    From,
    Have,
    Offer,
    Passing,
    Ready,
    Result,
    no_figure,
    report,
    unwired,
)
from operations.network.peer import Peer, Stopping, machine
from operations.network.taking import Blocks, Changed

if TYPE_CHECKING:
    from operations.network.transfer import Parameters

_STILL = 5.0
MADE = Artefact(path="random.bin", sha256="", size=0, job="", name="")
"""What a source makes for the sake of its time: nobody keeps it."""


def receive(context: Context, parameters: Parameters) -> None:
    """Keeps what one source with the token sends. Raises Refusal with the reason; a part stays to be taken up."""
    artefact = parameters.artefact or MADE
    part = partial.taken_up(context, artefact) if parameters.artefact else partial.new(context, artefact)
    try:
        with joining.listen(parameters.address) as listener:
            context.endpoint(*listener.getsockname()[:2])
            until = time.monotonic() + parameters.patience
            with joining.admitted(context, listener, "sink", parameters.patience, until) as source:
                _keep(context, parameters, source, part)
    except Stopping:
        kept = f"{part.bytes} bytes are kept" if part.bytes >= BLOCK else "nothing was kept"
        context.stopped(f"asked to stop; {kept}")
    finally:
        part.close()


def _keep(context: Context, parameters: Parameters, source: joining.Joined, part: Partial) -> None:
    peer = source.peer
    offer = peer.hear(Offer)
    final = context.output(Path((parameters.artefact or MADE).path).name)
    free = shutil.disk_usage(final.parent).free
    wanted = offer.size - part.bytes
    fault = "" if wanted < free else f"{wanted} bytes are too many for the {free} that are free here"
    mine, here = peer.alias(machine()), unwired(source.here)
    peer.tell(Ready(mine, fault, here, bool(part.bytes)))
    if fault:
        raise Refusal(fault)
    if not offer.directory and offer.files != 1:
        raise Refusal(f"the source offers one file and means {offer.files}")
    why = no_figure(source.here, bool(mine) and mine == offer.machine, here, offer.no_wire) or parameters.too_small(
        offer.size
    )
    passing = Passing(context, offer.size, offer.counted, parameters.count)
    began = time.monotonic()
    try:
        sent = _take_all(peer, part, offer, passing)
    except Changed as changed:
        seconds = time.monotonic() - began
        peer.tell(Result(fault=str(changed), seconds=seconds))
        report(context, passing, "", False, seconds, why)
        peer.drain()
        raise Refusal(str(changed)) from None
    digest = passing.digest(offer.directory)
    seconds = time.monotonic() - began
    fault = difference(digest, sent.sha256, parameters.artefact)
    if fault or not parameters.artefact:
        part.remove()
    else:
        _flush(part.data, peer)
        part.finish(final, directory=offer.directory)
    peer.tell(Result(digest, fault, seconds))
    report(context, passing, digest, not fault, seconds, why)
    if fault:
        raise Refusal(fault)
    if parameters.artefact:
        context.artefact("copy", final)


def difference(here: str, sent: str, artefact: Artefact | None) -> str:
    """What is wrong with a whole that has come; empty if nothing is."""
    if here != sent:
        return f"the bytes changed on their way: SHA-256 {sent} was sent, {here} came"
    if artefact and here != artefact.sha256:
        return f"the source's file is no longer the artefact: SHA-256 {here}, expected {artefact.sha256}"
    return ""


def _take_all(peer: Peer, part: Partial, offer: Offer, passing: Passing) -> Result:
    resumes = bool(part.bytes)
    if offer.directory:
        part.data.mkdir(exist_ok=True)
    with Blocks(peer, part, passing) as blocks:
        for _ in range(offer.files):
            entry = peer.hear(Entry)
            path = _place(part.data, entry.path, offer.directory)
            if entry.path in passing.digests:
                raise Refusal(f"the source sent {entry.path!r} twice")
            if passing.size + entry.size > offer.size:
                raise Refusal("the source sends more than it offered")
            path.parent.mkdir(parents=True, exist_ok=True)
            length, hasher = part.known(entry.path)
            if resumes:
                peer.tell(Have(length, hasher.hexdigest()))
                length = length if peer.hear(From).offset == length else 0
            passing.skip(length)
            digest = blocks.take(path, entry, length, hasher if length else hashlib.sha256())
            passing.digests[entry.path] = digest
    return peer.hear(Result)


def _place(data: Path, path: str, directory: bool) -> Path:
    parts = path.split("/")
    if (not directory and path) or (directory and (not path or {"", ".", ".."} & set(parts) or "\0" in path)):
        raise Refusal(f"the source sent a file by the name of {path!r}")
    return data.joinpath(*parts) if directory else data


def _flush(data: Path, peer: Peer) -> None:
    """Brings all of it to the disk, which may take longer than the source has patience."""
    with ThreadPoolExecutor(1, "flush") as pool:
        for path in sorted(data.rglob("*")) if data.is_dir() else [data]:
            if path.is_file():
                flushed = pool.submit(_fsync, path)
                while not wait([flushed], timeout=_STILL).done:
                    peer.still()
                flushed.result()


def _fsync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
