"""Both ends of ``network.transfer``: the sink listens and keeps, the source connects and sends."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from operations.contract import Context, Refusal
from operations.files import CHUNK, fsync_directory
from operations.network.peer import Peer, Stopping, Untrusted, machine

if TYPE_CHECKING:
    from operations.network.transfer import Parameters

GREET_SECONDS = 5.0
"""How long someone who connects may take to prove that it knows the token."""
_TICK = 0.2


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Source to sink: what comes, and which machine it comes from."""

    directory: bool
    size: int
    files: int
    machine: str


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sink to source: go on, unless there is a fault."""

    machine: str
    fault: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Source to sink: one file, its bytes come next; ``path`` is empty if it is the whole artefact."""

    path: str
    size: int


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either end's digest of all that passed; the sink's comes last, and says what was wrong."""

    sha256: str
    fault: str = ""


def receive(context: Context, parameters: Parameters) -> None:
    """Keeps what one source with the token sends, or nothing. Raises Refusal with the reason."""
    try:
        peer, connection, address = _accept(context, parameters)
        with connection:
            _keep(context, parameters, peer, address)
    except Stopping:
        context.stopped("asked to stop; nothing was kept")


def send(context: Context, parameters: Parameters) -> None:
    """Sends the artefact. Raises Refusal with the reason."""
    path = context.inside(parameters.artefact.path)
    files = _files(path)
    token = context.secret("token")
    if not parameters.endpoint_port:
        raise Refusal("the sink's job ended before it said where it listens")
    where = (parameters.endpoint_address, parameters.endpoint_port)
    try:
        connection = socket.create_connection(where, timeout=parameters.patience)
    except OSError as error:
        raise Refusal(f"no connection to {where[0]} port {where[1]}: {error.strerror or error}") from None
    try:
        with connection:
            peer = Peer(connection, "source", parameters.patience, lambda: context.stopping)
            peer.greet(token)
            _give(context, parameters, peer, path, files)
    except Untrusted as error:
        raise Refusal(str(error)) from None
    except Stopping:
        context.stopped("asked to stop; the sink keeps nothing")


# The sink


def _accept(context: Context, parameters: Parameters) -> tuple[Peer, socket.socket, str]:
    """The first to connect that knows the token, and where it connected to; all others are sent away."""
    token = context.secret("token")
    until = time.monotonic() + parameters.patience
    turned_away = 0
    with _listen(parameters.address) as listener:
        here = listener.getsockname()
        context.endpoint(here[0], here[1])
        while not context.stopping:
            if time.monotonic() > until:
                also = f"; {turned_away} connected without it" if turned_away else ""
                raise Refusal(f"no source with the token came within {parameters.patience:g} s{also}")
            try:
                connection, address = listener.accept()
            except TimeoutError:
                continue
            peer = Peer(connection, "sink", GREET_SECONDS, lambda: context.stopping)
            try:
                peer.greet(token)
            except Untrusted as error:
                turned_away += 1
                connection.close()
                context.log(f"sent {address[0]} away: {error}", "warning")
                continue
            peer.patience = parameters.patience
            return peer, connection, here[0]
    raise Stopping


def _listen(address: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((address, 0), family=family)
    except OSError as error:
        raise Refusal(f"can't listen on {address}: {error.strerror or error}") from None
    listener.settimeout(_TICK)
    return listener


def _keep(context: Context, parameters: Parameters, peer: Peer, address: str) -> None:
    offer = peer.hear(Offer)
    final = context.output(PurePosixPath(parameters.artefact.path).name)
    partial = final.with_name(f".{final.name}.part")
    free = shutil.disk_usage(final.parent).free
    fault = "" if offer.size < free else f"{offer.size} bytes are too many for the {free} that are free here"
    mine = peer.alias(machine())
    peer.tell(Ready(mine, fault))
    if fault:
        raise Refusal(fault)
    if not offer.directory and offer.files != 1:
        raise Refusal(f"the source offers one file and means {offer.files}")
    began = time.monotonic()
    try:
        taken = _Taken(context, offer.size)
        if offer.directory:
            partial.mkdir()
        for _ in range(offer.files):
            entry = peer.hear(Entry)
            _take_file(peer, _place(partial, entry.path, offer.directory), entry, taken)
        sent = peer.hear(Result)
        digest = taken.digest(offer.directory)
        fault = _difference(digest, sent.sha256, parameters.artefact.sha256)
        if not fault:
            if offer.directory:
                for directory in (partial, *(p for p in partial.rglob("*") if p.is_dir())):
                    fsync_directory(directory)
            partial.rename(final)
            fsync_directory(final.parent)
        peer.tell(Result(digest, fault))
        seconds = time.monotonic() - began
    finally:
        # After the rename there is nothing of that name any more.
        shutil.rmtree(partial, ignore_errors=True)
        partial.unlink(missing_ok=True)
    _report(context, taken, digest, fault, seconds, _no_rate(address, bool(mine) and mine == offer.machine))
    if fault:
        raise Refusal(fault)
    context.artefact("copy", final)


def _take_file(peer: Peer, path: Path, entry: Entry, taken: _Taken) -> None:
    if taken.size + entry.size > taken.expected:
        raise Refusal("the source sends more than it offered")
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = memoryview(bytearray(CHUNK))
    left = entry.size
    with path.open("xb") as stream:
        hasher = taken.file(entry.path)
        while left:
            count = peer.receive_into(buffer[: min(CHUNK, left)])
            hasher.update(buffer[:count])
            stream.write(buffer[:count])
            taken.count(count)
            left -= count
        stream.flush()
        os.fsync(stream.fileno())


def _place(partial: Path, path: str, directory: bool) -> Path:
    parts = path.split("/")
    if (not directory and path) or (directory and (not path or {"", ".", ".."} & set(parts) or "\0" in path)):
        raise Refusal(f"the source sent a file by the name of {path!r}")
    return partial.joinpath(*parts) if directory else partial


def _difference(here: str, sent: str, expected: str) -> str:
    if here != sent:
        return f"the bytes changed on their way: SHA-256 {sent} was sent, {here} came"
    if here != expected:
        return f"the source's file is no longer the artefact: SHA-256 {here}, expected {expected}"
    return ""


# The source


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


def _give(context: Context, parameters: Parameters, peer: Peer, path: Path, files: list[tuple[str, Path, int]]) -> None:
    size = sum(size for _, _, size in files)
    mine = peer.alias(machine())
    peer.tell(Offer(directory=path.is_dir(), size=size, files=len(files), machine=mine))
    ready = peer.hear(Ready)
    if ready.fault:
        raise Refusal(f"the sink: {ready.fault}")
    began = time.monotonic()
    taken = _Taken(context, size)
    for name, source, length in files:
        peer.tell(Entry(name, length))
        _give_file(peer, source, length, taken.file(name), taken.count)
    digest = taken.digest(path.is_dir())
    peer.tell(Result(digest))
    result = peer.hear(Result)
    seconds = time.monotonic() - began
    fault = _difference(result.sha256, digest, parameters.artefact.sha256)
    _report(
        context,
        taken,
        digest,
        fault,
        seconds,
        _no_rate(parameters.endpoint_address, bool(mine) and mine == ready.machine),
    )
    if result.fault or fault:
        raise Refusal(result.fault or fault)


def _give_file(peer: Peer, path: Path, size: int, hasher: hashlib._Hash, count: Callable[[int], None]) -> None:
    buffer = memoryview(bytearray(CHUNK))
    left = size
    with path.open("rb", buffering=0) as stream:
        while left:
            read = stream.readinto(buffer[: min(CHUNK, left)])
            if not read:
                raise Refusal(f"{path.name} became shorter while it was sent")
            hasher.update(buffer[:read])
            peer.send_bytes(buffer[:read])
            count(read)
            left -= read


# Both


class _Taken:
    """What has passed this end: digests, and how much of it."""

    def __init__(self, context: Context, size: int) -> None:
        self._context = context
        self._hashers: dict[str, hashlib._Hash] = {}
        self._told = 0.0
        self.expected, self.size = size, 0

    @property
    def files(self) -> int:
        return len(self._hashers)

    def file(self, name: str) -> hashlib._Hash:
        """The hasher of the next file. Raises Refusal if it came before."""
        if name in self._hashers:
            raise Refusal(f"the source sent {name!r} twice")
        return self._hashers.setdefault(name, hashlib.sha256())

    def count(self, size: int) -> None:
        """Takes note of as many bytes, and tells of it now and then."""
        self.size += size
        now = time.monotonic()
        if now - self._told > 0.5 or self.size == self.expected:
            self._told = now
            self._context.progress(self.size, self.expected, "bytes")

    def digest(self, directory: bool) -> str:
        """As `operations.files.digest` has it."""
        if not directory:
            return next(iter(self._hashers.values())).hexdigest()
        lines = (f"{hasher.hexdigest()}  {name}\n" for name, hasher in sorted(self._hashers.items(), key=_by_bytes))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _by_bytes(item: tuple[str, object]) -> bytes:
    return item[0].encode()


def _no_rate(address: str, same_machine: bool) -> str:
    """Why a rate would say nothing about a network; empty if it does."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(address).is_loopback:
            return f"{address} is a loopback address"
    return "both hosts share one machine" if same_machine else ""


def _report(context: Context, taken: _Taken, digest: str, fault: str, seconds: float, no_rate: str) -> None:
    context.measure("digest", digest)
    context.measure("match", not fault)
    context.measure("size", taken.size)
    context.measure("files", taken.files)
    context.measure("seconds", round(seconds, 6))
    if no_rate:
        context.measure("rate", None, reason=no_rate)
    else:
        context.measure("rate", taken.size / 1e6 / seconds)
