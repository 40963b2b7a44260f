"""The reserved set as the gauntlet and the self-attack check read it: patterns with the labels of all four."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from operations.contract import Artefact, Context, Refusal
from operations.dataset.language import ATTACK, BENIGN
from operations.dataset.records import ordered
from operations.model import rows
from operations.model.production.pipeline import FURTHER
from operations.model.tasks import Task

LABELS: tuple[Task, ...] = ("anomaly", *FURTHER)


def path(context: Context, artefact: Artefact) -> Path:
    """The set's file. Raises Refusal if it is none."""
    found = context.input(artefact)
    if not found.is_file():
        raise Refusal(f"{artefact.path} is no file of patterns")
    return found


def each(path: Path, limit: int = 0) -> Iterator[rows.Row]:
    """The samples, ``limit`` at most unless that is 0. Raises Refusal at the first that lacks a label of the four."""
    for number, row in enumerate(itertools.islice(rows.each(path, LABELS[0]), limit or None), 1):
        for task in LABELS:
            if not getattr(row, task):
                raise Refusal(f"{path.name}: sample {row.id or number} has no {task}; all four specialists need theirs")
        if row.anomaly not in (BENIGN, ATTACK):
            raise Refusal(f"{path.name}: sample {row.id or number} is {row.anomaly!r}, neither {BENIGN} nor {ATTACK}")
        yield row


def seeds(path: Path, count: int, seed: int) -> list[rows.Row]:
    """``count`` samples over all attack types, of each as many as of any other where it has them; by seed, in order.

    Raises Refusal if there are fewer.
    """
    kept: dict[str, list[tuple[int, int, rows.Row]]] = defaultdict(list)
    total = 0
    for total, row in enumerate(each(path), 1):
        # The heap's root is the one that goes first: the highest of the keyed hash's order.
        item = (-int.from_bytes(ordered(seed, row.event)), -total, row)
        heap = kept[row.attack_type or row.anomaly]
        (heapq.heappush if len(heap) < count else heapq.heappushpop)(heap, item)
    if total < count:
        raise Refusal(f"{path.name} has {total:,} samples; {count:,} seeds over all attack types are asked for")
    queues = [sorted(kept[name], reverse=True) for name in sorted(kept)]
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    return [item[2] for item in itertools.islice((item for item in rounds if item), count)]
