"""What both ends of a transfer say to each other, and what each keeps of what passes: digests, progress, figures.

The source offers the SHA-256 that was taken when the artefact was made, and the bytes of its files go unsealed. The
sink hashes all that comes and keeps a digest a block: the whole must have the digest offered, so one hash, at one end,
proves both. Only where it has not, and after a cut, does the source hash what it has and seal a digest a block: the
sink finds the block that is wrong, and goes on after the last that is right.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import ipaddress
import time
from collections.abc import Iterator, Mapping

import msgspec

from operations.contract import Context
from operations.network.interfaces import carrying, interfaces, no_wire

BLOCK = 8 << 20
"""Bytes between two digests of a file: what a cut, or a wrong byte, costs at most."""
_TOLD = 0.5
_LOGGED = 5.0
_TIMED = 1.0


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Source to sink: what comes, of which SHA-256, and why its end is no wire; ``counted`` of the files count."""

    directory: bool
    size: int
    files: int
    sha256: str
    machine: str
    no_wire: str = ""
    counted: int = 0


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sink to source: go on, unless there is a fault; ``resumes`` if it has a part already.

    For rsync: where the sink has that program, and the part.
    """

    machine: str
    fault: str = ""
    no_wire: str = ""
    resumes: bool = False
    rsync: str = ""
    place: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Source to sink: one file, its bytes come next; ``path`` is empty if it is the whole artefact."""

    path: str
    size: int


class Have(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sink to source, if it resumes: so much of this file is here; a `Seal` for each block of it comes back."""

    length: int


class From(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sink to source, if it resumes: up to here the seals are right, the bytes are to come from here on."""

    offset: int


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Source to sink: the SHA-256 of its file up to the end of a block."""

    sha256: str


class Whole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sink to source: the SHA-256 of all that came. If it is not what was offered, all files' seals come back."""

    sha256: str


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sink to source, at last: what was wrong, and how long it took."""

    fault: str = ""
    seconds: float = 0.0


def ends(length: int) -> Iterator[int]:
    """Where the blocks of so many bytes end; an empty file has one, at 0."""
    yield from range(BLOCK, length, BLOCK)
    yield length


def begin_of(end: int) -> int:
    """Where the block begins that ends there."""
    return max(0, end - 1) // BLOCK * BLOCK


class Passing:
    """What has passed this end so far, told now and then with rate and time left."""

    def __init__(self, context: Context, size: int, files: int, count: str) -> None:
        self._context = context
        self.expected, self.size, self.files, self._count = size, 0, files, count
        self.came: list[str] = []
        """Names of the files that passed whole."""
        self.resumed = 0
        """Bytes that were there before, and did not pass."""
        self._began = self._told = self._logged = self._timed = time.monotonic()
        self._at_timed = 0

    def skip(self, size: int) -> None:
        """Takes note of bytes that an earlier attempt brought."""
        self.resumed += size
        self._at_timed += size
        self.count(size)

    def count(self, size: int) -> None:
        """Takes note of as many bytes."""
        self.size += size
        now = time.monotonic()
        if now - self._told > _TOLD or self.size == self.expected:
            self._told = now
            self._context.progress(self.size, self.expected, "bytes")
        if now - self._timed > _TIMED:
            rate = (self.size - self._at_timed) / 1e6 / (now - self._timed)
            self._context.metric("rate", rate, step=round(now - self._began))
            self._timed, self._at_timed = now, self.size
        if now - self._logged > _LOGGED:
            self._logged = now
            passed, seconds = self.size - self.resumed, now - self._began
            told = pace(self.size, self.expected, passed, seconds)
            self._context.log(f"file {min(self.whole + 1, self.files)} of {self.files}, {told}")
            if passed > 0:
                left = (self.expected - self.size) / passed * seconds
                self._context.measure("left", left / 60, step=round(seconds))

    @property
    def whole(self) -> int:
        """How many of the files that count have passed."""
        return sum(counts(name, self._count) for name in self.came)

    def end(self, seconds: float, *, arrived: bool) -> None:
        """Says what is left at the end: nothing, or nobody knows how much longer it would have taken."""
        self._context.log(f"{self.whole} of {self.files} files, {self.size / 1e9:.3g} GB in {seconds:.1f} s")
        why = "" if arrived else "not all of it came"
        self._context.measure("left", 0.0 if arrived else None, step=round(seconds) + 1, reason=why)


def whole(digests: Mapping[str, str], *, directory: bool) -> str:
    """Of files' digests by name that of all of them, as `operations.files.digest` has it."""
    if not directory:
        return next(iter(digests.values()))
    ordered = sorted(digests.items(), key=lambda item: item[0].encode())
    return hashlib.sha256("".join(f"{sha256}  {name}\n" for name, sha256 in ordered).encode()).hexdigest()


def counts(name: str, pattern: str) -> bool:
    """Whether a file of that name in its artefact is one of those that are counted; a lone file has no name there."""
    return not name or fnmatch.fnmatchcase(name, pattern)


def pace(done: int, total: int, passed: int, seconds: float) -> str:
    """How far, how fast and how much longer, in words; ``passed`` bytes took ``seconds``."""
    text = f"{done / 1e9:.3g} of {total / 1e9:.3g} GB"
    if passed <= 0 or seconds <= 0:
        return text
    rate = passed / seconds
    return f"{text}, {rate / 1e6:.0f} MB/s, {(total - done) / rate:.0f} s left"


def unwired(address: str) -> str:
    """Why what crosses the interface with this address crosses no wire; empty if it does."""
    return no_wire(carrying(interfaces(), address), address)


def no_figure(address: str, same_machine: bool, *ends: str) -> str:
    """Why time and rate would say nothing about a network; empty if they do. ``ends`` say why either is no wire."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(address).is_loopback:
            return f"{address} is a loopback address"
    if same_machine:
        return "both hosts share one machine"
    return next(filter(None, ends), "")


def report(context: Context, passing: Passing, digest: str, match: bool, seconds: float, why: str) -> None:
    """Either end's measures; ``why`` is the reason for no figures of the network, empty if there are some."""
    context.measure("digest", digest or None, reason="" if digest else "not all of it came")
    context.measure("match", match)
    context.measure("size", passing.size)
    context.measure("files", passing.whole)
    passing.end(seconds, arrived=bool(digest))
    context.measure("resumed", passing.resumed)
    if passing.resumed:
        why = why or f"an earlier attempt had brought {passing.resumed} bytes"
    rate = (passing.size - passing.resumed) / 1e6 / max(seconds, 1e-6)
    for name, value in (("seconds", seconds), ("rate", rate)):
        context.measure(name, None if why else value, reason=why)
    context.measure("elapsed", seconds)
    context.measure("observed", rate)
