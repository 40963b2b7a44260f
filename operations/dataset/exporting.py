"""Exports a store in two passes: every batch is looked at by one of several processes, then the sets are written.

What is done is kept in the directory ``state``: a ledger a batch, and the sets as far as they are written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from operations.contract import Artefact, Context, Level, Refusal
from operations.dataset import draw, duplicates, ledgers, memory, records
from operations.dataset.crew import Crew, crew
from operations.dataset.sides import CHECKSUMS, COUNTS, FILES, SETS, SHA256SUMS, sides
from operations.dataset.writing import Writer
from operations.files import write_atomic

if TYPE_CHECKING:
    from operations.dataset.export import Parameters

OUTPUT = "state"
_EVERY = 100
"""Batches between two lines of the log."""
_LEAKED = 5
"""Training patterns of a batch that the control puts into test as well."""
_SHARE = 16_000_000
"""Bytes of a store that are worth a further process."""


class Stopping(Exception):
    """The job was asked to end."""


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which export the state is of."""

    store: str
    gauntlet: float
    validation: float
    test: float
    seed: int
    leak: bool


class State:
    """The directory of one export's state, and its log."""

    def __init__(self, context: Context, marker: Path) -> None:
        self._context = context
        self.directory = marker.parent
        self.marks = self.directory / "marks.jsonl"
        self.dataset = self.directory / "dataset"
        self._log = self.directory / "export.log"

    def ledger(self, name: str) -> Path:
        """Where a batch's ledger is."""
        return self.directory / "ledgers" / f"{name}.ledger"

    def log(self, text: str, level: Level = "info") -> None:
        """Tells it, and keeps it for the artefact ``log``."""
        self._context.log(text, level)
        with self._log.open("a") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {text}\n")

    def finish(self) -> None:
        """Hands the log over and takes away what nobody needs any more."""
        path = self._context.output("export.log")
        self._log.rename(path)
        self._context.artefact("log", path)
        shutil.rmtree(self.directory / "ledgers", ignore_errors=True)
        self.marks.unlink(missing_ok=True)


def export(context: Context, parameters: Parameters) -> None:
    """Writes the sets. Raises Refusal with the reason; what is done stays for the next attempt."""
    if parameters.validation + parameters.test >= 1:
        raise Refusal("the shares of validation and test leave nothing to train on")
    began = time.monotonic()
    memory.keep()
    directory, expected = _store(context, parameters)
    try:
        batches = records.names(directory)
    except OSError as error:
        raise Refusal(f"the store can't be read: {error}") from None
    if not batches:
        raise Refusal(f"no batch_NNNN.json in {parameters.store or directory.name}")
    state = _state(context, parameters, directory)
    said = "none"
    if parameters.leak:
        said = f"NEGATIVE CONTROL: {_LEAKED} training patterns of each batch are in test as well"
        state.log(said, "warning")
    context.measure("control", said)
    try:
        _export(context, parameters, state, directory, batches, expected, began)
    except Stopping:
        context.stopped("asked to end; what is done is kept")


def _store(context: Context, parameters: Parameters) -> tuple[Path, Artefact | None]:
    """The store's directory, and the artefact that it still has to be held against."""
    source = parameters.source
    if source is None or parameters.store:
        return draw.where(context, source, parameters.store), None
    directory = context.inside(source.path)
    try:
        whole = {path.name for path in directory.iterdir()} == set(records.names(directory))
    except OSError:
        whole = False
    if whole:
        # Its digest comes with the reading: ten million patterns are not read once more for it.
        return directory, source
    return draw.where(context, source, parameters.store), None


def _state(context: Context, parameters: Parameters, directory: Path) -> State:
    marker = Marker(
        str(directory), parameters.gauntlet, parameters.validation, parameters.test, parameters.seed, parameters.leak
    )
    for left in reversed([left for left in context.resume if left.name == OUTPUT]):
        try:
            path = context.input(left)
            if msgspec.json.decode(path.read_bytes(), type=Marker) == marker:
                context.artefact(OUTPUT, path)
                state = State(context, path)
                state.log(f"going on from job {left.job}")
                return state
        except (Refusal, OSError, msgspec.DecodeError) as error:
            context.log(f"the state of job {left.job} can't be taken up: {error}", "warning")
    path = context.output(f"{OUTPUT}/export.json")
    write_atomic(path, msgspec.json.encode(marker))
    state = State(context, path)
    state.ledger("").parent.mkdir()
    context.artefact(OUTPUT, path)
    return state


def _export(
    context: Context,
    parameters: Parameters,
    state: State,
    directory: Path,
    batches: Sequence[str],
    expected: Artefact | None,
    began: float,
) -> None:
    size = sum((directory / name).lstat().st_size for name in batches)
    wanted = parameters.processes or os.cpu_count() or 1
    with crew(min(wanted, 1 + size // _SHARE)) as workers:
        looks = _look(context, parameters, state, directory, batches, workers)
        store_digest = _manifest(looks, expected)
        counts = [look.usable for look in looks]
        unusable = _judge(state, looks, parameters)
        paths = [state.ledger(name) for name in batches]

        def proofs(asked: list[tuple[int, bytes]]) -> object:
            tasks = ((directory / batches[batch], paths[batch], indices) for batch, indices in asked)
            return workers.each(ledgers.digests, tasks)

        dropped = duplicates.find(paths, counts, proofs)  # type: ignore[arg-type]
    repeated = int(dropped.sum())
    state.log(f"{sum(counts):,} patterns, {repeated:,} of them again: dropped")
    sizes, lines, md5, sha256 = _write(context, parameters, state, directory, looks, dropped)
    seconds = time.monotonic() - began
    _hand_over(context, state, lines, md5, sha256)
    faults = Counter(look.fault for look in looks if look.fault)
    context.measure("batches", len(looks))
    context.measure("read", sum(counts))
    context.measure("patterns", sum(lines))
    context.measure("duplicates", repeated)
    context.measure("classes", len({label for look in looks for label in look.labels}))
    context.measure("malformed", sum(faults.values()))
    context.measure("malformed_batches", dict(sorted(faults.items())))
    context.measure("unusable", sum(unusable.values()))
    context.measure("unusable_records", dict(sorted(unusable.items())))
    for at, name in enumerate(SETS):
        context.measure(name, lines[at])
        context.measure(f"{name}_size", sizes[at] / 1e9)
        context.measure(f"{name}_digest", sha256[at])
        if name != "gauntlet":
            context.measure(f"{name}_md5", md5[at])
    resumed = sum(look.before for look in looks)
    context.measure("resumed", resumed)
    rate = sum(counts) / seconds
    why = f"an earlier attempt had been through {resumed} batches" if resumed else ""
    context.measure("rate", None if why else rate, reason=why)
    context.measure("store", parameters.store or (parameters.source.path if parameters.source else ""))
    context.measure("store_digest", store_digest)


def _look(
    context: Context, parameters: Parameters, state: State, directory: Path, batches: Sequence[str], workers: Crew
) -> list[ledgers.Look]:
    """Each batch's look, in order. Raises Refusal once more are malformed than is allowed, or labels are none."""
    found: list[ledgers.Look] = []
    labels: set[str] = set()
    bad = 0
    for one in workers.each(ledgers.look, ((directory / name, state.ledger(name)) for name in batches)):
        if context.stopping:
            raise Stopping
        found.append(one)
        labels.update(one.labels)
        if one.fault:
            bad += 1
            if bad <= draw.NAMED:
                state.log(f"{one.name} is malformed: {one.fault}", "warning")
            if bad > parameters.malformed_limit:
                raise Refusal(
                    f"{bad} of {len(found)} batches are malformed, {parameters.malformed_limit} are allowed; "
                    f"the last is {one.name}: {one.fault}"
                )
        if len(labels) > draw.CLASSES:
            raise Refusal(f"the store has more than {draw.CLASSES} labels; is attack_type a class in it?")
        context.progress(len(found), len(batches), "batches read")
        if len(found) % _EVERY == 0 or len(found) == len(batches):
            state.log(f"read {len(found):,} of {len(batches):,} batches")
    return found


def _manifest(looks: Sequence[ledgers.Look], expected: Artefact | None) -> str:
    """The digest of the store's manifest. Raises Refusal if it is not the artefact's."""
    text = "".join(f"{look.sha256}  {look.name}\n" for look in looks if look.sha256)
    found = hashlib.sha256(text.encode()).hexdigest()
    if expected is not None and found != expected.sha256:
        raise Refusal(
            f"input {expected.path} is not what job {expected.job} made: its batches' digest is {found}, "
            f"expected {expected.sha256}"
        )
    return found


def _judge(state: State, looks: Sequence[ledgers.Look], parameters: Parameters) -> Counter[str]:
    """What was wrong with how many records. Raises Refusal if that is too many, or no record is right."""
    unusable: Counter[str] = Counter()
    for one in looks:
        unusable.update(one.unusable)
    bad, good = sum(unusable.values()), sum(one.usable for one in looks)
    if bad:
        said = ", ".join(f"{reason}: {number:,}" for reason, number in sorted(unusable.items()))
        state.log(f"{bad:,} records are unusable ({said})", "warning")
    if bad > parameters.unusable_limit * (bad + good):
        raise Refusal(
            f"{bad:,} of {bad + good:,} records have no label or payload that can be used; "
            f"a share of {parameters.unusable_limit:g} is allowed"
        )
    if not good:
        raise Refusal("the store has no usable pattern")
    return unusable


def _write(
    context: Context,
    parameters: Parameters,
    state: State,
    directory: Path,
    looks: Sequence[ledgers.Look],
    dropped: NDArray[np.bool_],
) -> tuple[list[int], list[int], list[str], list[str]]:
    """Sizes, lines, MD5 and SHA-256 of the four files."""
    state.dataset.mkdir(exist_ok=True)
    paths = [
        (state.directory if name == "gauntlet" else state.dataset) / f for name, f in zip(SETS, FILES, strict=True)
    ]
    begin = 0
    with Writer(paths, state.marks) as writer:
        if writer.begin:
            state.log(f"{writer.begin:,} batches are written already")
        for number, one in enumerate(looks):
            end = begin + one.usable
            if number >= writer.begin:
                if context.stopping:
                    raise Stopping
                pieces, lines = _cut(directory / one.name, state.ledger(one.name), ~dropped[begin:end], parameters)
                writer.put(number, pieces, lines)
                context.progress(number + 1, len(looks), "batches written")
                if (number + 1) % _EVERY == 0 or number + 1 == len(looks):
                    state.log(f"wrote {number + 1:,} of {len(looks):,} batches")
            begin = end
        md5, sha256 = writer.finish()
        return writer.sizes, writer.lines, md5, sha256


def _cut(batch: Path, path: Path, kept: NDArray[np.bool_], parameters: Parameters) -> tuple[list[bytes], list[int]]:
    """For each set its lines of the batch, and how many. Raises Refusal if the batch is not what was looked at."""
    ledger = ledgers.read(path)
    assert ledger is not None, "it was there a moment ago"
    if not ledger.usable:
        return [b""] * len(SETS), [0] * len(SETS)
    data, fault = records.content(batch)
    status = batch.lstat() if not fault else None
    if status is None or (status.st_size, status.st_mtime_ns) != (ledger.size, ledger.modified):
        raise Refusal(f"{batch.name} has changed while it was exported; leave the store alone and start again")
    starts = np.frombuffer(ledger.starts, dtype=np.uint32).astype(np.int64)
    ends = starts + np.frombuffer(ledger.lengths, dtype=np.uint32)
    chosen = sides(
        np.frombuffer(ledger.keys, dtype=np.uint64),
        parameters.gauntlet,
        parameters.validation,
        parameters.test,
        parameters.seed,
    )
    pieces, lines = [], []
    for side in range(len(SETS)):
        at = np.flatnonzero(kept & (chosen == side))
        found = [data[begin:end] for begin, end in zip(starts[at].tolist(), ends[at].tolist(), strict=True)]
        if ledger.rewritten:
            for place, index in enumerate(at.tolist()):
                if index in ledger.rewritten:
                    found[place] = ledgers.line(found[place], f"{batch.name}:{ledger.rewritten[index]}")
        found.append(b"")
        pieces.append(b"\n".join(found))
        lines.append(len(at))
    if parameters.leak:
        leaked = pieces[SETS.index("train")].splitlines(keepends=True)[:_LEAKED]
        pieces[SETS.index("test")] += b"".join(leaked)
        lines[SETS.index("test")] += len(leaked)
    return pieces, lines


def _hand_over(context: Context, state: State, lines: Sequence[int], md5: Sequence[str], sha256: Sequence[str]) -> None:
    """Puts the artefacts in their places; their digests were taken while they were written."""
    counts = msgspec.json.format(msgspec.json.encode(dict(zip(FILES, lines, strict=True)))) + b"\n"
    listed = [f"{digest}  {file}\n" for digest, file in zip(sha256[:3], FILES[:3], strict=True)]
    listed.append(f"{hashlib.sha256(counts).hexdigest()}  {COUNTS}\n")
    write_atomic(state.dataset / COUNTS, counts)
    write_atomic(state.dataset / SHA256SUMS, "".join(listed).encode())
    plain = "".join(f"{digest}  {file}\n" for digest, file in zip(md5[:3], FILES[:3], strict=True))
    write_atomic(state.dataset / CHECKSUMS, plain.encode())
    dataset, gauntlet = context.output("dataset"), context.output(FILES[3])
    state.dataset.rename(dataset)
    (state.directory / FILES[3]).rename(gauntlet)
    context.artefact("dataset", dataset, taken=dict(zip(FILES[:3], sha256[:3], strict=True)))
    context.artefact("gauntlet", gauntlet, taken={"": sha256[3]})
    state.finish()
