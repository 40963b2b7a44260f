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
from operations.network import comparing, joining, partial, syncing
from operations.network.partial import Partial
from operations.network.passing import (
    BLOCK,
    Entry,
    Offer,
    Passing,
    Ready,
    Result,
    Whole,
    no_figure,
    report,
    unwired,
    whole,
)
from operations.network.peer import Peer, Stopping, machine
from operations.network.taking import Blocks, place

if TYPE_CHECKING:
    from operations.network.transfer import Parameters

_STILL = 5.0
MADE = Artefact(path="random.bin", sha256="", size=0, job="", name="")
"""What a source makes for the sake of its time: nobody keeps it."""


def receive(context: Context, parameters: Parameters) -> None:
    """Keeps what one source with the token sends. Raises Refusal with the reason; a part stays to be taken up."""
    artefact = parameters.artefact or MADE
    synced = parameters.synced
    part = partial.taken_up(context, artefact, unread=synced) if parameters.artefact else partial.new(context, artefact)
    try:
        with joining.listen(parameters.listening) as listener:
            context.endpoint(*listener.getsockname()[:2])
            until = time.monotonic() + parameters.patience
            with joining.admitted(context, listener, "sink", parameters.patience, until) as source:
                _keep(context, parameters, source, part)
    except Stopping:
        here = part.held if synced else part.bytes
        kept = f"{here} bytes are kept" if here >= BLOCK else "nothing was kept"
        context.stopped(f"asked to stop; {kept}")
    finally:
        part.close()


def _keep(context: Context, parameters: Parameters, source: joining.Joined, part: Partial) -> None:
    peer = source.peer
    offer = peer.hear(Offer)
    final = context.output(Path((parameters.artefact or MADE).path).name)
    free = shutil.disk_usage(final.parent).free
    wanted = offer.size - (part.held if parameters.synced else part.bytes)
    fault = "" if wanted < free else f"{wanted} bytes are too many for the {free} that are free here"
    if parameters.artefact and offer.sha256 != parameters.artefact.sha256:
        fault = f"the source offers another artefact, of SHA-256 {offer.sha256}"
    rsync = ""
    if parameters.synced:
        try:
            rsync = syncing.program()
        except Refusal as missing:
            fault = str(missing)
    mine, here = peer.alias(machine()), unwired(source.here)
    peer.tell(Ready(mine, fault, here, bool(part.bytes), rsync, str(part.data) if rsync else ""))
    if fault:
        raise Refusal(fault)
    if not offer.directory and offer.files != 1:
        raise Refusal(f"the source offers one file and means {offer.files}")
    why = (
        parameters.relayed
        or no_figure(source.here, bool(mine) and mine == offer.machine, here, offer.no_wire)
        or parameters.too_small(offer.size)
    )
    passing = Passing(context, offer.size, offer.counted, parameters.count)
    began = time.monotonic()
    if rsync:
        files, digests = syncing.take(peer, part, offer, passing)
    else:
        files, digests = _take_all(context, peer, part, offer, passing)
    digest = whole(digests, directory=offer.directory)
    seconds = time.monotonic() - began
    peer.tell(Whole(digest))
    if digest != offer.sha256:
        found = comparing.seek(context, peer, part, files, offer)
        passing.came = [name for name in passing.came if name not in found.files]
        if not found.changed or not parameters.artefact:  # no part of an artefact
            part.remove()
        peer.tell(Result(found.fault, seconds))
        report(context, passing, "", False, seconds, why)
        raise Refusal(found.fault)
    if parameters.artefact:
        _flush(part.data, peer)
        part.finish(final, directory=offer.directory)
    else:
        part.remove()
    peer.tell(Result(seconds=seconds))
    report(context, passing, digest, True, seconds, why)
    if parameters.artefact:
        context.artefact("copy", final)


def _take_all(
    context: Context, peer: Peer, part: Partial, offer: Offer, passing: Passing
) -> tuple[list[Entry], dict[str, str]]:
    """The files in the order in which they came, and the digest of each by name."""
    resumes = bool(part.bytes)
    files: list[Entry] = []
    digests: dict[str, str] = {}
    if offer.directory:
        part.data.mkdir(exist_ok=True)
    with Blocks(peer, part, passing) as blocks:
        for _ in range(offer.files):
            entry = peer.hear(Entry)
            path = place(part.data, entry.path, offer.directory)
            if entry.path in digests:
                raise Refusal(f"the source sent {entry.path!r} twice")
            if passing.size + entry.size > offer.size:
                raise Refusal("the source sends more than it offered")
            path.parent.mkdir(parents=True, exist_ok=True)
            offset, hasher = comparing.agree(context, peer, part, entry) if resumes else (0, hashlib.sha256())
            passing.skip(offset)
            digests[entry.path] = blocks.take(path, entry, offset, hasher)
            passing.came.append(entry.path)
            files.append(entry)
    return files, digests


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
