"""Writes a pattern store, a batch at a time: memory does not grow with the number of patterns."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from operations.contract import Context
from operations.files import write_atomic

FURTHER = ("anomaly", "family", "evidence", "severity")
"""Labels beside the attack type."""


def write(context: Context, patterns: int, size: int, shift: int, seed: int) -> None:
    """Writes ``patterns`` patterns in batches of ``size`` and the shift set, and reports them."""
    # Who only encodes needs no language to generate from.
    from operations.dataset import generate

    directory = context.output("patterns")
    directory.mkdir(parents=True, exist_ok=True)
    joint: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in (*FURTHER, "hard", "set")}
    batches = math.ceil(patterns / size)
    began = time.perf_counter()
    for number in range(batches):
        if context.stopping:
            context.stopped(f"asked to end after {number} of {batches} batches")
            return
        start = number * size
        made = generate.batch(seed, number, start, min(size, patterns - start))
        for name, counter in joint.items():
            counter.update((pattern.attack_type, getattr(pattern, name)) for pattern in made)
        write_atomic(directory / f"batch_{number:04d}.json", encode(made))
        context.progress(start + len(made), patterns, "patterns")
    seconds = time.perf_counter() - began
    store = context.artefact("patterns", directory)
    report(context, joint, patterns)
    context.measure("batches", batches)
    context.measure("size", store.size / 1e6)
    context.measure("rate", patterns / seconds)
    context.measure("shift", shift)
    if shift:
        path = context.output(f"shift_{shift}.json")
        write_atomic(path, encode(generate.shift(seed, shift)))
        context.artefact("shift", path)
    context.log(f"{patterns:,} patterns in {batches:,} batches, {store.size / 1e6:.1f} MB, {patterns / seconds:,.0f}/s")


def encode(patterns: Iterable[object]) -> bytes:
    """A JSON array with a record a line."""
    encoder = msgspec.json.Encoder()
    return b"[\n" + b",\n".join(encoder.encode(pattern) for pattern in patterns) + b"\n]\n"


def report(context: Context, joint: dict[str, Counter[tuple[str, str]]], patterns: int) -> None:
    """The measures that follow from counts of (attack type, other label) pairs."""
    labels = totals(joint["set"], 0)
    hard, kept = totals(joint["hard"], 1), totals(joint["set"], 1)
    context.measure("patterns", patterns)
    context.measure("classes", len(labels))
    context.measure("distribution", dict(sorted(labels.items())))
    largest = max(labels.values())
    context.measure("majority", largest / patterns, n=patterns, count=largest)
    difficult = patterns - hard[""]
    context.measure("hard", difficult / patterns, n=patterns, count=difficult)
    context.measure("combination", kept["combination"] / patterns, n=patterns, count=kept["combination"])
    told: dict[str, int | float | None] = {"attack_type": round(entropy(labels.values()), 4)}
    for name in FURTHER:
        told[name] = round(entropy(totals(joint[name], 1).values()), 4)
        told[f"{name} told by attack_type"] = round(information(joint[name]), 4)
    context.measure("information", told)


def totals(joint: Counter[tuple[str, str]], side: int) -> Counter[str]:
    """Counts of one side of the pairs."""
    found: Counter[str] = Counter()
    for pair, count in joint.items():
        found[pair[side]] += count
    return found


def entropy(counts: Iterable[int]) -> float:
    """Shannon entropy of a distribution given by counts, in bits."""
    values: Sequence[int] = [count for count in counts if count]
    total = sum(values)
    return math.log2(total) - sum(count * math.log2(count) for count in values) / total


def information(joint: Counter[tuple[str, str]]) -> float:
    """Mutual information of the pairs' sides in bits: H(a) + H(b) - H(a, b), estimated from the counts as they are."""
    return entropy(totals(joint, 0).values()) + entropy(totals(joint, 1).values()) - entropy(joint.values())
