"""Verifies an export from its bytes alone: nothing here is shared with what wrote them but the normal form.

Payloads are compared by 64 bits of BLAKE2b of their normal and their masked form. So an overlap is never missed; that
one is told which there is none of has, among ten million, a chance of 3 in a million.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from operations.contract import Artefact, Context, Refusal
from operations.dataset import ledgers, masking
from operations.dataset.crew import crew
from operations.dataset.sides import CHECKSUMS, COUNTS, FILES, SETS, SHA256SUMS
from operations.files import CHUNK, digest

if TYPE_CHECKING:
    from operations.dataset.verify import Parameters

_PIECE = 8 << 20
_NAMED = 5
_LABELS = 256


class Piece(msgspec.Struct, frozen=True):
    """What stands in a part of a file: keys of normal and of masked forms, 8 bytes a pattern."""

    lines: int
    unusable: dict[str, int]
    contents: bytes
    masks: bytes
    labels: dict[str, int]


class Whole:
    """What stands in a file."""

    def __init__(self) -> None:
        self.lines = 0
        self.unusable: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self._contents, self._masks = bytearray(), bytearray()

    def add(self, piece: Piece) -> None:
        self.lines += piece.lines
        self.unusable.update(piece.unusable)
        self.labels.update(piece.labels)
        self._contents += piece.contents
        self._masks += piece.masks

    def keys(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], int]:
        """Distinct keys of normal and of masked forms, rising, and how many normal ones were there again."""
        contents = np.unique(np.frombuffer(self._contents, dtype=np.uint64))
        again = len(self._contents) // 8 - len(contents)
        masks = np.unique(np.frombuffer(self._masks, dtype=np.uint64))
        self._contents, self._masks = bytearray(), bytearray()
        return contents, masks, again


def verify(context: Context, parameters: Parameters) -> None:
    """Reports. Raises Refusal if there is nothing to verify."""
    directory = context.inside(parameters.dataset.path)
    if not directory.is_dir():
        raise Refusal(f"{parameters.dataset.path} is no directory on this host")
    paths = {name: directory / file for name, file in zip(SETS[:3], FILES[:3], strict=True)}
    if parameters.gauntlet is not None:
        paths[SETS[3]] = context.inside(parameters.gauntlet.path)
        if not paths[SETS[3]].is_file():
            raise Refusal(f"{parameters.gauntlet.path} is no file on this host")
    faults: list[str] = []
    there = {name: path for name, path in paths.items() if path.is_file() and not path.is_symlink()}
    faults += [f"{path.name} is missing" for name, path in paths.items() if name not in there]
    taken = _digests(context, directory, there)
    flags = {
        "unchanged": _unchanged(parameters, directory, there, taken, faults),
        "md5": _listed(directory / CHECKSUMS, {n: d[0] for n, d in taken.items()}, faults),
        "sha256": _listed(directory / SHA256SUMS, {n: d[1] for n, d in taken.items()}, faults),
    }
    found = _read(context, parameters, there)
    flags["counts"] = _counted(
        directory / COUNTS, {paths[name].name: whole.lines for name, whole in found.items()}, faults
    )
    unusable: Counter[str] = sum((whole.unusable for whole in found.values()), Counter())
    faults += [f"{count:,} lines: {reason}" for reason, count in sorted(unusable.items())]
    for name in SETS:
        missing = "it is not there" if name in paths else "it was not given"
        context.measure(name, found[name].lines if name in found else None, reason="" if name in found else missing)
    labels = found["train"].labels if "train" in found else Counter()
    keys = {name: whole.keys() for name, whole in found.items()}
    again = sum(repeated for _, _, repeated in keys.values())
    if again:
        faults.append(f"{again:,} patterns stand in one set more than once")
    for at, (name, word) in enumerate((("overlap", ""), ("masked_overlap", " once literals are masked"))):
        pairs = {
            f"{one} and {other}": len(np.intersect1d(keys[one][at], keys[other][at], assume_unique=True))
            for one, other in itertools.combinations(keys, 2)
        }
        faults += [f"{count:,} payloads are in {pair}{word}" for pair, count in pairs.items() if count]
        context.measure(name, sum(pairs.values()))
        context.measure(f"{name}s", pairs)
    for name, flag in flags.items():
        context.measure(name, flag)
    context.measure("unusable", sum(unusable.values()))
    context.measure("repeated", again)
    context.measure("classes", len(labels))
    context.measure("distribution", dict(sorted(labels.most_common(_LABELS))))
    context.measure("verdict", all(flags.values()) and not faults)
    for fault in faults:
        context.log(fault, "error")
    context.measure("faults", "; ".join(faults) or "none")


def _digests(context: Context, directory: Path, there: Mapping[str, Path]) -> dict[str, tuple[str, str]]:
    """MD5 and SHA-256 of each set, and of the counts, by the file's name."""
    found = {}
    counts = directory / COUNTS
    for path in (*there.values(), *([counts] if counts.is_file() else [])):
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        with path.open("rb") as stream:
            while data := stream.read(CHUNK):
                md5.update(data)
                sha256.update(data)
        found[path.name] = (md5.hexdigest(), sha256.hexdigest())
        context.log(f"{path.name}: MD5 {found[path.name][0]}, SHA-256 {found[path.name][1]}")
    return found


def _unchanged(
    parameters: Parameters,
    directory: Path,
    there: Mapping[str, Path],
    taken: Mapping[str, tuple[str, str]],
    faults: list[str],
) -> bool:
    right = True
    sha256 = {name: both[1] for name, both in taken.items()}
    given: list[tuple[Artefact, Path, dict[str, str]]] = [(parameters.dataset, directory, sha256)]
    if parameters.gauntlet is not None:
        gauntlet = there[SETS[3]]
        given.append((parameters.gauntlet, gauntlet, {"": sha256[gauntlet.name]}))
    for artefact, path, known in given:
        try:
            same = digest(path, known)[0] == artefact.sha256
        except (OSError, ValueError):
            same = False
        if not same:
            faults.append(f"{path.name} is not what job {artefact.job} made")
            right = False
    return right


def _listed(path: Path, taken: Mapping[str, str], faults: list[str]) -> bool:
    """Whether a list of digests, as md5sum and sha256sum read it, has all three sets and is right in all it has."""
    try:
        pairs = [line.split("  ", 1) for line in path.read_text().splitlines()]
        known = {name: found for found, name in pairs}
    except (OSError, ValueError):
        faults.append(f"{path.name} is missing or no list of digests")
        return False
    wrong = [name for name in {*known, *FILES[:3]} if known.get(name) != taken.get(name) or name not in taken]
    faults += [f"{name} is not what {path.name} says" for name in sorted(wrong)]
    return not wrong


def _counted(path: Path, lines: Mapping[str, int], faults: list[str]) -> bool:
    try:
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        faults.append(f"{path.name} is missing or no table of counts")
        return False
    wrong = [(name, count, known.get(name)) for name, count in lines.items() if known.get(name) != count]
    faults += [f"{name} has {count:,} patterns, {expected} were exported" for name, count, expected in wrong]
    return not wrong and all(name in lines for name in FILES[:3])


def _read(context: Context, parameters: Parameters, there: Mapping[str, Path]) -> dict[str, Whole]:
    sizes = {name: path.stat().st_size for name, path in there.items()}
    tasks = [
        (str(path), begin, min(begin + _PIECE, sizes[name]))
        for name, path in there.items()
        for begin in range(0, sizes[name], _PIECE)
    ]
    names = [name for name in there for _ in range(0, sizes[name], _PIECE)]
    found = {name: Whole() for name in there}
    total, done = sum(sizes.values()), 0
    with crew(min(parameters.processes or os.cpu_count() or 1, 1 + total // _PIECE)) as workers:
        for name, task, piece in zip(names, tasks, workers.each(examine, tasks), strict=True):
            found[name].add(piece)
            done += task[2] - task[1]
            context.progress(done, total, "bytes")
            if context.stopping:
                raise Refusal("asked to end; nothing is proved")
    return found


def examine(path: str, begin: int, end: int) -> Piece:
    """What stands in the lines of a file that begin at ``begin`` or later and before ``end``."""
    contents, masks = bytearray(), bytearray()
    unusable: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    lines = 0
    for raw in _lines(Path(path), begin, end):
        lines += 1
        record = ledgers.usable(raw, "")
        if isinstance(record, str):
            unusable[record] += 1
            continue
        if record.label in labels or len(labels) < _LABELS:
            labels[record.label] += 1
        contents += _key(record.key)
        masks += _key(masking.mask(record.payload))
    return Piece(lines, dict(unusable), bytes(contents), bytes(masks), dict(labels))


def _lines(path: Path, begin: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        if begin:
            # A line that begins before belongs to the part before.
            stream.seek(begin - 1)
            stream.readline()
        while stream.tell() < end and (raw := stream.readline()):
            yield raw


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
