"""The source of ``network.transfer``: connects, and sends an artefact or a file of random bytes made for its time."""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from operations.contract import Context, Refusal
from operations.files import CHUNK
from operations.network import joining
from operations.network.passing import (
    BLOCK,
    Entry,
    From,
    Have,
    Offer,
    Passing,
    Ready,
    Result,
    Seal,
    counts,
    no_figure,
    report,
    unwired,
)
from operations.network.peer import Peer, Stopping, machine

if TYPE_CHECKING:
    from operations.network.transfer import Parameters

_AHEAD = 3
"""Blocks whose hash may be taken before they are sent."""
_READ = 1 << 18
_STILL = 1.0


class _Faulty(Exception):
    """The sink has said what is wrong before all was sent."""


def send(context: Context, parameters: Parameters) -> None:
    """Sends the artefact. Raises Refusal with the reason."""
    files = _files(context.inside(parameters.artefact.path)) if parameters.artefact else []
    where = (parameters.endpoint_address, parameters.endpoint_port)
    try:
        with joining.joined(context, where, "source", parameters.patience) as sink:
            if parameters.artefact:
                path = context.inside(parameters.artefact.path)
                _give(context, parameters, sink, files, directory=path.is_dir())
            else:
                with _random(context, parameters.make, sink.peer) as path:
                    _give(context, parameters, sink, _files(path), directory=False)
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
def _random(context: Context, size: int, peer: Peer) -> Iterator[Path]:
    """A file of so many random bytes, gone at the end: what can be compressed says nothing of a link."""
    import numpy as np

    random = np.random.default_rng()
    path = context.output("random.bin")
    told = began = time.monotonic()
    try:
        with path.open("wb") as stream:
            for at in range(0, size, CHUNK):
                if context.stopping:
                    raise Stopping
                stream.write(random.bytes(min(CHUNK, size - at)))
                if time.monotonic() - told > _STILL:
                    told = time.monotonic()
                    peer.still()
        context.log(f"made {size} random bytes in {time.monotonic() - began:.1f} s")
        yield path
    except OSError as error:
        raise Refusal(f"can't make a file of {size} bytes: {error.strerror}") from None
    finally:
        path.unlink(missing_ok=True)


def _give(
    context: Context,
    parameters: Parameters,
    sink: joining.Joined,
    files: list[tuple[str, Path, int]],
    *,
    directory: bool,
) -> None:
    peer = sink.peer
    size = sum(size for _, _, size in files)
    mine, here = peer.alias(machine()), unwired(sink.here)
    counted = sum(counts(name, parameters.count) for name, _, _ in files)
    peer.tell(Offer(directory=directory, size=size, files=len(files), machine=mine, no_wire=here, counted=counted))
    ready = peer.hear(Ready)
    if ready.fault:
        raise Refusal(f"the sink: {ready.fault}")
    why = no_figure(
        parameters.endpoint_address, bool(mine) and mine == ready.machine, here, ready.no_wire
    ) or parameters.too_small(size)
    passing = Passing(context, size, counted, parameters.count)
    began = time.monotonic()
    try:
        with ThreadPoolExecutor(1, "hash") as hashing:
            for name, path, length in files:
                peer.tell(Entry(name, length))
                passing.digests[name] = _give_file(context, peer, path, length, hashing, passing, ready.resumes)
        digest = passing.digest(directory)
        peer.tell(Result(digest))
        result = peer.hear(Result)
    except _Faulty as faulty:
        report(context, passing, "", False, time.monotonic() - began, why)
        raise Refusal(str(faulty)) from None
    report(context, passing, digest, not result.fault and result.sha256 == digest, result.seconds, why)
    if result.fault:
        raise Refusal(result.fault)


def _give_file(
    context: Context,
    peer: Peer,
    path: Path,
    size: int,
    hashing: ThreadPoolExecutor,
    passing: Passing,
    resumes: bool,
) -> str:
    with path.open("rb", buffering=0) as stream:
        descriptor = stream.fileno()
        hasher, at = hashlib.sha256(), 0
        if resumes:
            hasher, at = _agreed(context, peer, descriptor, hashing)
            passing.skip(at)
        ahead: deque[Future[str]] = deque()
        hashed = at
        while True:
            while len(ahead) < _AHEAD and (hashed < size or not (ahead or size)):
                end = min(size, (hashed // BLOCK + 1) * BLOCK)
                ahead.append(hashing.submit(_hash, hasher, descriptor, hashed, end))
                hashed = end
            end = min(size, (at // BLOCK + 1) * BLOCK)
            while at < end:
                sent = peer.send_file(descriptor, at, min(CHUNK, end - at))
                if not sent:
                    raise Refusal(f"{path.name} became shorter while it was sent")
                at += sent
                passing.count(sent)
            digest = ahead.popleft().result() if ahead else hasher.hexdigest()
            # The sink is silent until all has come, unless something is wrong.
            if peer.waiting:
                raise _Faulty(peer.hear(Result).fault)
            peer.tell(Seal(digest))
            if at == size:
                return digest


def _agreed(context: Context, peer: Peer, descriptor: int, hashing: ThreadPoolExecutor) -> tuple[hashlib._Hash, int]:
    """Where the file goes on: after what the sink has, if that is what is here."""
    have = peer.hear(Have)
    hasher = hashlib.sha256()
    found = hashing.submit(_hash, hasher, descriptor, 0, have.length)
    while True:
        try:
            same = found.result(_STILL) == have.sha256
            break
        except TimeoutError:
            peer.still()
    at = have.length if same else 0
    if not same:
        context.log("what the sink has is not what is here any more: all of it is sent", "warning")
    peer.tell(From(at))
    return (hasher if same else hashlib.sha256()), at


def _hash(hasher: hashlib._Hash, descriptor: int, begin: int, end: int) -> str:
    """The digest up to ``end``; a file that has become shorter gives one that nobody has."""
    while begin < end:
        data = os.pread(descriptor, min(_READ, end - begin), begin)
        if not data:
            break
        hasher.update(data)
        begin += len(data)
    return hasher.hexdigest()
