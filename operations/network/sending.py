"""The source of ``network.transfer``: connects, and sends an artefact or a file of random bytes made for its time."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from operations.contract import Context, Refusal
from operations.files import CHUNK
from operations.network import joining, syncing
from operations.network.passing import (
    Entry,
    From,
    Have,
    Offer,
    Passing,
    Ready,
    Result,
    Seal,
    Whole,
    begin_of,
    counts,
    ends,
    no_figure,
    report,
    unwired,
)
from operations.network.peer import Peer, Stopping, machine

if TYPE_CHECKING:
    from operations.network.transfer import Parameters

_READ = 1 << 18
_STILL = 1.0


def send(context: Context, parameters: Parameters) -> None:
    """Sends the artefact. Raises Refusal with the reason."""
    files = _files(context.inside(parameters.artefact.path)) if parameters.artefact else []
    if parameters.synced:
        syncing.ready(parameters)
    where = (parameters.endpoint_address, parameters.endpoint_port)
    try:
        with joining.joined(context, where, "source", parameters.patience) as sink:
            if parameters.artefact:
                path = context.inside(parameters.artefact.path)
                _give(context, parameters, sink, path, files, parameters.artefact.sha256)
            else:
                with _random(context, parameters.make, sink.peer) as (path, sha256):
                    _give(context, parameters, sink, path, _files(path), sha256)
    except Stopping:
        context.stopped("asked to stop; what the sink has of it can be taken up")


def _files(path: Path) -> list[tuple[str, Path, int]]:
    """(name in the artefact, path, size) of each file, in the order of a manifest. Raises Refusal."""
    if not path.exists():
        raise Refusal(f"{path.name} is not on this host")
    if path.is_file():
        return [("", path, path.stat().st_size)]
    found = sorted(path.rglob("*"), key=lambda p: p.relative_to(path).as_posix().encode())
    if strange := next((p for p in found if p.is_symlink() or not (p.is_file() or p.is_dir())), None):
        raise Refusal(f"{strange.relative_to(path)} is neither a file nor a directory")
    return [(p.relative_to(path).as_posix(), p, p.stat().st_size) for p in found if p.is_file()]


@contextmanager
def _random(context: Context, size: int, peer: Peer) -> Iterator[tuple[Path, str]]:
    """A file of so many random bytes, gone at the end, and its SHA-256; what can be compressed would flatter a link."""
    import numpy as np

    random = np.random.default_rng()
    path, hasher = context.output("random.bin"), hashlib.sha256()
    told = began = time.monotonic()
    try:
        with path.open("wb") as stream:
            for at in range(0, size, CHUNK):
                if context.stopping:
                    raise Stopping
                data = random.bytes(min(CHUNK, size - at))
                stream.write(data)
                hasher.update(data)
                if time.monotonic() - told > _STILL:
                    told = time.monotonic()
                    peer.still()
        context.log(f"made {size} random bytes in {time.monotonic() - began:.1f} s")
        yield path, hasher.hexdigest()
    except OSError as error:
        raise Refusal(f"can't make a file of {size} bytes: {error.strerror}") from None
    finally:
        path.unlink(missing_ok=True)


def _give(
    context: Context,
    parameters: Parameters,
    sink: joining.Joined,
    path: Path,
    files: list[tuple[str, Path, int]],
    sha256: str,
) -> None:
    peer, directory = sink.peer, path.is_dir()
    size = sum(size for _, _, size in files)
    mine, here = peer.alias(machine()), unwired(sink.here)
    counted = sum(counts(name, parameters.count) for name, _, _ in files)
    offer = Offer(directory, size, len(files), sha256, mine, here, counted)
    peer.tell(offer)
    ready = peer.hear(Ready)
    if ready.fault:
        raise Refusal(f"the sink: {ready.fault}")
    why = (
        parameters.relayed
        or no_figure(parameters.endpoint_address, bool(mine) and mine == ready.machine, here, ready.no_wire)
        or parameters.too_small(size)
    )
    passing = Passing(context, size, counted, parameters.count)
    if ready.rsync:
        for name, _, length in files:
            peer.tell(Entry(name, length))
        syncing.give(peer, parameters, ready, path, passing, directory=directory)
        passing.came = [name for name, _, _ in files]
    else:
        _give_all(peer, files, passing, resumes=ready.resumes)
    came = peer.hear(Whole).sha256
    if came != sha256:
        context.log("what came is not what was offered: hashing the files to find where", "warning")
        for _, file, length in files:
            with _opened(file) as descriptor:
                _seal(peer, descriptor, length)
    result = peer.hear(Result)
    right = not result.fault
    report(context, passing, came if right else "", right, result.seconds, why)
    if result.fault:
        raise Refusal(result.fault)


def _give_all(peer: Peer, files: list[tuple[str, Path, int]], passing: Passing, *, resumes: bool) -> None:
    for name, path, length in files:
        peer.tell(Entry(name, length))
        with _opened(path) as descriptor:
            offset = _agreed(peer, descriptor) if resumes else 0
            passing.skip(offset)
            _give_file(peer, path, descriptor, offset, length, passing)
        passing.came.append(name)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise Refusal(f"{path.name} can't be read: {error.strerror}") from None
    with stream:
        yield stream.fileno()


def _give_file(peer: Peer, path: Path, descriptor: int, offset: int, size: int, passing: Passing) -> None:
    while offset < size:
        sent = peer.send_file(descriptor, offset, min(CHUNK, size - offset))
        if not sent:
            raise Refusal(f"{path.name} became shorter while it was sent")
        offset += sent
        passing.count(sent)


def _agreed(peer: Peer, descriptor: int) -> int:
    """Where the file goes on: after what the sink has, as far as that is what is here."""
    if length := peer.hear(Have).length:
        _seal(peer, descriptor, length)
    return peer.hear(From).offset


def _seal(peer: Peer, descriptor: int, length: int) -> None:
    """Tells the digest at the end of each block; a file that has become shorter gives some that nobody has."""
    hasher = hashlib.sha256()
    for end in ends(length):
        at = begin_of(end)
        while at < end and (data := os.pread(descriptor, min(_READ, end - at), at)):
            hasher.update(data)
            at += len(data)
        peer.tell(Seal(hasher.hexdigest()))
