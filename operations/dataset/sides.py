"""Which set a record goes to: a function of the hash of its masked payload, the shares and the seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operations.dataset.masking import FORM

SETS = ("train", "validation", "test", "gauntlet")
FILES = ("training_8m.jsonl", "validation_1m.jsonl", "test_1m.jsonl", "gauntlet_100k.jsonl")
"""The plan's names, whatever the counts."""
CHECKSUMS, SHA256SUMS = "checksums.txt", "sha256sums.txt"
COUNTS = "counts.json"
"""How many patterns each of FILES has, as the export counted them."""


def sides(keys: NDArray[np.uint64], gauntlet: float, validation: float, test: float, seed: int) -> NDArray[np.uint8]:
    """The place in SETS of each key, by its bits of the masked form.

    They are spread evenly over [0, 1) by the finaliser of SplitMix64; the first ``gauntlet`` of it is the gauntlet
    set's, of the rest ``validation`` and ``test`` have their shares.
    """
    x = (keys & np.uint64(FORM)) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    point = (x >> np.uint64(11)) * 2.0**-53
    rest = (point - gauntlet) / (1 - gauntlet)
    chosen = np.where(rest < validation, 1, np.where(rest < validation + test, 2, 0))
    return np.where(point < gauntlet, 3, chosen).astype(np.uint8)
