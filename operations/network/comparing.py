"""Finds, on the sink's end, where a part and the source's file differ, block by block, by the source's seals."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from operations.contract import Context
from operations.network.partial import Partial
from operations.network.passing import Entry, From, Have, Offer, Seal, begin_of, ends, whole
from operations.network.peer import Peer


class Found(NamedTuple):
    """What is wrong with a whole that came: ``files`` are wrong, and ``changed`` on their way or at the source."""

    fault: str
    files: tuple[str, ...]
    changed: bool


def agree(context: Context, peer: Peer, part: Partial, entry: Entry) -> tuple[int, hashlib._Hash]:
    """Up to where a file of the part is what the source has, and the hasher that has read it so far."""
    marks = part.marks(entry.path, entry.size)
    length = marks[-1][0] if marks else 0
    peer.tell(Have(length))
    wrong = _wrong(peer, dict(marks), length)[0] if length else None
    offset = length if wrong is None else begin_of(wrong)
    if wrong is not None:
        context.log(
            f"{entry.path or part.name}, between bytes {offset} and {wrong}: what came before is not what the source "
            f"has; it comes again from there on",
            "warning",
        )
        part.keep(entry.path, offset)
    hasher = part.hasher(entry.path, offset, lambda _: peer.still())
    peer.tell(From(offset))
    return offset, hasher


def seek(context: Context, peer: Peer, part: Partial, files: list[Entry], offer: Offer) -> Found:
    """Where a whole that is not as offered went wrong; the part forgets the blocks that did, and what came after."""
    context.log("what came is not what was offered: the source hashes its files to find where", "warning")
    wrong: list[tuple[Entry, int]] = []
    there: dict[str, str] = {}
    for entry in files:
        end, there[entry.path] = _wrong(peer, dict(part.marks(entry.path, entry.size)), entry.size)
        if end is not None:
            wrong.append((entry, end))
            part.keep(entry.path, begin_of(end))
    names = tuple(entry.path for entry, _ in wrong)
    source = whole(there, directory=offer.directory)
    if source != offer.sha256:
        gone = f"the source's file is no longer the artefact: SHA-256 {source}, expected {offer.sha256}"
        return Found(gone, names, changed=False)
    entry, end = wrong[0]
    place = f"{entry.path or part.name}, between bytes {begin_of(end)} and {end}"
    more = f", and {len(wrong) - 1} files more" if len(wrong) > 1 else ""
    return Found(f"the bytes changed on their way: {place}{more}", names, changed=True)


def _wrong(peer: Peer, marks: dict[int, str], length: int) -> tuple[int | None, str]:
    """The end of the first block that differs, None if none does; and the source's digest of so many bytes."""
    found, sha256 = None, ""
    for end in ends(length):
        sha256 = peer.hear(Seal).sha256
        if found is None and marks.get(end) != sha256:
            found = end
    return found, sha256
