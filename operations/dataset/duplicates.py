"""Which records of a store say what an earlier one says, found by short keys and proved by long ones.

A ledger has 64 bits a record that equal payloads have in common: records that share them may be duplicates, or the
same words in another order, and are looked at again. One is dropped only if the BLAKE2b digests (128 bits) of the whole
normalised payloads are equal, so a clash of short keys drops nothing; that one of n payloads is dropped wrongly has a
chance below n^2 / 2^129, 1.5e-25 at ten million. In memory are 8 bytes a record, and 40 a record that shares its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from operations.dataset import ledgers

_PART = 1 << 20
"""About how many keys are sorted at a time."""
Proofs: TypeAlias = Callable[[list[tuple[int, bytes]]], Iterator[bytes]]
"""From (batch, indices of its records as an array of 32 bits), rising, the records' digests, one after another."""


def find(paths: Sequence[Path], counts: Sequence[int], proofs: Proofs) -> NDArray[np.bool_]:
    """For each record, in the order of the ledgers at ``paths``, whether an earlier one says the same."""
    ends = np.cumsum(np.array(counts, dtype=np.int64))
    dropped = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.bool_)
    alike, groups = _alike(_keys(paths, counts))
    if not len(alike):
        return dropped
    order = np.argsort(alike, kind="stable")
    proved = np.empty((len(alike), 2), dtype=np.uint64)
    at = 0
    for found in proofs(_by_batch(alike[order], ends)):
        some = np.frombuffer(found, dtype=np.uint64).reshape(-1, 2)
        proved[order[at : at + len(some)]] = some
        at += len(some)
    # Records with one key stand together, the earliest first: most are that one again, and the rest are few.
    first = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    leader = first[np.cumsum(np.r_[True, groups[1:] != groups[:-1]]) - 1]
    same = (proved == proved[leader]).all(axis=1)
    same[first] = False
    dropped[alike[same]] = True
    seen: set[tuple[int, int, int]] = set()
    for place in np.flatnonzero(~same & (leader != np.arange(len(leader)))).tolist():
        key = (int(groups[place]), int(proved[place, 0]), int(proved[place, 1]))
        dropped[alike[place]] = key in seen
        seen.add(key)
    return dropped


def _keys(paths: Sequence[Path], counts: Sequence[int]) -> NDArray[np.uint64]:
    keys = np.empty(sum(counts), dtype=np.uint64)
    at = 0
    for path, count in zip(paths, counts, strict=True):
        ledger = ledgers.read(path)
        assert ledger is not None, "it was there a moment ago"
        keys[at : at + count] = np.frombuffer(ledger.keys, dtype=np.uint64)
        at += count
    return keys


def _alike(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the records that share a key with another, those of one key together and rising; and which key's."""
    places: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    groups: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    count = 0
    parts = 1 << (len(keys) // _PART).bit_length()
    for part in range(parts):
        chosen = np.flatnonzero((keys & np.uint64(parts - 1)) == part)
        # Values alone are sorted far faster than places, and mostly there is nothing more to do.
        some = np.sort(keys[chosen])
        again = some[1:][some[1:] == some[:-1]]
        if not again.size:
            continue
        chosen = chosen[np.isin(keys[chosen], again)]
        order = chosen[np.argsort(keys[chosen], kind="stable")]
        equal = keys[order[1:]] == keys[order[:-1]]
        shared = np.r_[equal, False] | np.r_[False, equal]
        new = np.r_[True, ~equal] & shared
        places.append(order[shared])
        groups.append(np.cumsum(new, dtype=np.int64)[shared] + count)
        count += int(new.sum())
    return np.concatenate(places), np.concatenate(groups)


def _by_batch(rising: NDArray[np.int64], ends: NDArray[np.int64]) -> list[tuple[int, bytes]]:
    found = []
    bounds = np.atleast_1d(np.searchsorted(rising, np.r_[0, ends]))
    for batch, (begin, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        if end > begin:
            start = int(ends[batch - 1]) if batch else 0
            found.append((batch, (rising[begin:end] - start).astype(np.uint32).tobytes()))
    return found
