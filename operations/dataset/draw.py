"""Draws a sample from a store in one pass, in memory that depends on the sample's size and not on the store's."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from operations.contract import Artefact, Context, Refusal
from operations.dataset import records
from operations.dataset.records import Record
from operations.dataset.store import encode
from operations.files import write_atomic

if TYPE_CHECKING:
    from operations.dataset.sample import Parameters

CLASSES = 256
"""Labels a store may have: more is a store whose labels are none."""
GROUPS = 20_000
"""Groups of which one record each is remembered, so that the sample can have it."""
NAMED = 20
"""Malformed batches named in the log."""


class Reservoir:
    """The ``size`` records of a class with the smallest keyed hashes, duplicates passed over."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen = 0
        self.duplicates = 0
        self._heap: list[tuple[int, int, Record]] = []
        self._keys: set[int] = set()

    def offer(self, order: int, record: Record) -> None:
        """Takes the record if its hash is among the smallest and no equal payload is held."""
        self.seen += 1
        if len(self._heap) == self.size and order > -self._heap[0][0]:
            return
        if order in self._keys:
            self.duplicates += 1
            return
        self._keys.add(order)
        # The counter keeps the heap from comparing records.
        entry = (-order, self.seen, record)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        else:
            self._keys.discard(-heapq.heappushpop(self._heap, entry)[0])

    def ranked(self) -> list[tuple[int, Record]]:
        """The records held, smallest hash first."""
        return sorted(((-order, record) for order, _, record in self._heap), key=lambda pair: pair[0])


class Survey:
    """What one pass over a store finds."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.classes: dict[str, Reservoir] = {}
        self.groups: dict[tuple[str, str], tuple[int, Record]] = {}
        self.faults: Counter[str] = Counter()
        self.unusable: Counter[str] = Counter()
        self.usable = 0

    def take(self, raw: object, where: str) -> None:
        """Counts a record and offers it to its class. Raises Refusal at too many classes."""
        record = records.read(raw, where)
        if isinstance(record, str):
            self.unusable[record] += 1
            return
        self.usable += 1
        reservoir = self.classes.get(record.label)
        if reservoir is None:
            if len(self.classes) == CLASSES:
                raise Refusal(f"the store has more than {CLASSES} labels; is attack_type a class in it?")
            reservoir = self.classes[record.label] = Reservoir(self.size)
        order = int.from_bytes(records.ordered(self.seed, record.key), "big")
        reservoir.offer(order, record)
        if group := record.group:
            at = (record.label, group)
            best = self.groups.get(at)
            if (best is None and len(self.groups) < GROUPS) or (best is not None and order < best[0]):
                self.groups[at] = (order, record)


def draw(context: Context, parameters: Parameters) -> None:
    """Reads the store once, writes the sample, reports both."""
    directory = where(context, parameters.source, parameters.store)
    found, manifest, count = survey(context, directory, parameters)
    chosen, clashes = choose(found, parameters.samples)
    path = context.output(f"{parameters.name}_{len(chosen)}.json")
    write_atomic(path, encode(record.plain() for record in chosen))
    made = context.artefact("dataset", path)
    labels = Counter(record.label for record in chosen)
    context.measure("size", made.size / 1e6)
    context.measure("patterns", len(chosen))
    context.measure("distribution", dict(sorted(labels.items())))
    context.measure("classes", len(labels))
    context.measure("groups", len({record.group for record in chosen if record.group}))
    context.measure("duplicates", clashes + sum(r.duplicates for r in found.classes.values()))
    context.measure("read", found.usable)
    context.measure("batches", count)
    context.measure("malformed", sum(found.faults.values()))
    context.measure("malformed_batches", dict(sorted(found.faults.items())))
    context.measure("unusable", sum(found.unusable.values()))
    context.measure("unusable_records", dict(sorted(found.unusable.items())))
    context.measure("store", parameters.store or (parameters.source.path if parameters.source else ""))
    context.measure("store_digest", manifest)


def where(context: Context, source: Artefact | None, store: str) -> Path:
    """The store's directory: ``store``, or else ``source``. Raises Refusal if there is none."""
    if store:
        given = Path(store)
        directory = given if given.is_absolute() else context.inside(store)
        if source is not None:
            context.log(f"the store is {store}, not the one that a job made", "warning")
    elif source is not None:
        directory = context.input(source)
    else:
        raise Refusal("no store: give source, a store that a job made, or store, a directory on the host")
    if not directory.is_dir():
        raise Refusal(f"{store or directory.name} is no directory on this host")
    return directory


def survey(context: Context, directory: Path, parameters: Parameters) -> tuple[Survey, str, int]:
    """One pass: what was found, the SHA-256 of the manifest of the batch files, and how many there are.

    Raises Refusal once more batches are malformed, or at the end a larger share of records unusable, than is allowed.
    """
    found = Survey(parameters.samples, parameters.seed)
    manifest = hashlib.sha256()
    try:
        total = len(records.names(directory))
        count = 0
        for count, batch in enumerate(records.batches(directory), 1):
            if batch.sha256:
                manifest.update(f"{batch.sha256}  {batch.name}\n".encode())
            if batch.fault:
                found.faults[batch.fault] += 1
                bad = sum(found.faults.values())
                if bad <= NAMED:
                    context.log(f"{batch.name} is malformed: {batch.fault}", "warning")
                if bad > parameters.malformed_limit:
                    raise Refusal(
                        f"{bad} of {count} batches are malformed, {parameters.malformed_limit} are allowed; "
                        f"the last is {batch.name}: {batch.fault}"
                    )
            for index, raw in enumerate(batch.records):
                found.take(raw, f"{batch.name}:{index}")
            context.progress(count, total, "batches")
    except OSError as error:
        raise Refusal(f"the store can't be read: {error}") from None
    if not count:
        raise Refusal(f"no batch_NNNN.json in {parameters.store or directory.name}")
    unusable = sum(found.unusable.values())
    if unusable:
        said = ", ".join(f"{reason}: {number:,}" for reason, number in sorted(found.unusable.items()))
        context.log(f"{unusable:,} records are unusable ({said})", "warning")
    if unusable > parameters.unusable_limit * (unusable + found.usable):
        raise Refusal(
            f"{unusable:,} of {unusable + found.usable:,} records have no label or payload that can be used; "
            f"a share of {parameters.unusable_limit:g} is allowed"
        )
    return found, manifest.hexdigest(), count


def choose(found: Survey, samples: int) -> tuple[list[Record], int]:
    """The sample in an order of the seed's own, and how many records clashed over one payload between classes.

    Each class gets its share of the store, and at least one; then each group that has none gets one, in place of a
    record of the same class whose group has several. Raises Refusal if the store has too few distinct payloads.
    """
    held, clashes = _distinct(found)
    available = {label: len(ranked) for label, ranked in held.items()}
    if sum(available.values()) < samples:
        raise Refusal(f"the store has {sum(available.values()):,} distinct usable payloads, {samples:,} were asked for")
    quotas = allot({label: found.classes[label].seen for label in held}, available, samples)
    chosen = {label: dict(held[label][:quota]) for label, quota in quotas.items()}
    _diversify(chosen, found)
    everything = sorted((pair for some in chosen.values() for pair in some.items()), key=lambda pair: pair[0])
    return [record for _, record in everything], clashes


def _distinct(found: Survey) -> tuple[dict[str, list[tuple[int, Record]]], int]:
    """Each class's candidates; of one payload under several labels, the label that sorts first keeps it."""
    taken: set[int] = set()
    held = {}
    clashes = 0
    for label, reservoir in sorted(found.classes.items()):
        ranked = [pair for pair in reservoir.ranked() if pair[0] not in taken]
        clashes += len(reservoir.ranked()) - len(ranked)
        taken.update(order for order, _ in ranked)
        held[label] = ranked
    return held, clashes


def allot(wanted: dict[str, int], available: dict[str, int], total: int) -> dict[str, int]:
    """Shares of ``total`` in proportion to ``wanted``, by largest remainder: at least one each if there is room, none
    above ``available``. ``total`` must not exceed the sum of what is available."""
    weight = sum(wanted.values())
    exact = {name: total * share / weight for name, share in wanted.items()}
    floor = 1 if total >= len(wanted) else 0
    given = {name: min(available[name], max(floor, int(share))) for name, share in exact.items()}
    over = sum(given.values()) - total
    while over > 0:
        most = max((name for name in given if given[name] > floor), key=lambda name: (given[name] - exact[name], name))
        given[most] -= 1
        over -= 1
    while over < 0:
        least = max(
            (name for name in given if given[name] < available[name]),
            key=lambda name: (exact[name] - given[name], name),
        )
        given[least] += 1
        over += 1
    return given


def _diversify(chosen: dict[str, dict[int, Record]], found: Survey) -> None:
    """Swaps records so that every remembered group has one, as far as classes have records to spare."""
    counts = Counter(record.group for some in chosen.values() for record in some.values())
    taken = {order for some in chosen.values() for order in some}
    for (label, group), (order, record) in sorted(found.groups.items(), key=lambda item: item[1][0]):
        some = chosen.get(label)
        if counts[group] or not some or order in taken:
            continue
        spare = max(some, key=lambda at: (counts[some[at].group], at))
        if counts[some[spare].group] < 2:
            continue
        counts[some[spare].group] -= 1
        counts[group] = 1
        taken.remove(spare)
        taken.add(order)
        del some[spare]
        some[order] = record
