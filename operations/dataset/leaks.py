"""Whether training has seen what a model is tested on: payloads by content, in memory bounded by the test's size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from operations.dataset import records

Marks: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"
AT_ONCE = 100_000


def mark(payload: str) -> int:
    """64 bits of the normalised payload (BLAKE2b): among 8 M and 1 M payloads two differ and agree once in 2 M runs."""
    data = records.normal(payload).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def seen(tested: Marks, trained: Iterable[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each mark whether a payload of ``trained``, which is read as a stream, has it."""
    ordered, where = np.unique(tested, return_inverse=True)
    hit = np.zeros(len(ordered), np.bool_)
    for some in _marks(trained):
        at = np.searchsorted(ordered, some)
        at[at == len(ordered)] = 0
        hit[at[ordered[at] == some]] = True
    return hit[where]


def _marks(payloads: Iterable[str]) -> Iterator[Marks]:
    waiting = iter(payloads)
    while some := [mark(payload) for payload in islice(waiting, AT_ONCE)]:
        yield np.array(some, np.uint64)
