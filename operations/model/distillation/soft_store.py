"""Soft labels on disk: an index, and arrays with a row a training sample that are mapped into memory.

A label's answer is a path through a tree (`prompts.branches`). Kept are the places on the path of a sample's own label
where labels part; with distinct first tokens that is one place, the first token of the answer.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np

from operations.contract import Refusal
from operations.files import write_atomic
from operations.model import prompts
from operations.model.tasks import Task

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
INDEX = "index.json"
NOTHING = -1
"""Stands in ``tokens`` where a place has fewer tokens, or a path fewer places, than the array has room for."""
SHARED = ("ids", "offsets", "events")


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task: its labels, the tokens of each one's answer, places on a path at most, tokens kept at a place."""

    labels: tuple[str, ...]
    answers: tuple[tuple[int, ...], ...]
    places: int
    kept: int


class Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``index.json``. ``teacher`` and ``dataset`` are the SHA-256 of what the soft labels are of; ``length`` is in
    tokens of an input."""

    teacher: str
    dataset: str
    file: str
    rows: int
    length: int
    tasks: dict[Task, Known]


@dataclass(frozen=True, slots=True)
class Place:
    """Where labels part on the way to one, after ``prefix`` tokens of its answer; ``next`` may follow there."""

    prefix: int
    next: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taught:
    """One task's arrays, a row a sample.

    ``label`` (rows,) is the sample's own label by index. ``tokens`` and ``logits`` (rows, places, kept) are the
    label set's likeliest tokens at each place and the teacher's logits of them; ``logsumexp`` (rows, places) is taken
    over the whole vocabulary, so that exp(logits - logsumexp) are probabilities, and what they lack of 1 is the tail.
    """

    label: Array
    tokens: Array
    logits: Array
    logsumexp: Array


class Store:
    """Soft labels that were written, their arrays mapped, never read whole."""

    def __init__(self, path: Path) -> None:
        """Raises Refusal, naming the file, if anything is missing or not as the index says."""
        self._path = path
        try:
            self.index = msgspec.json.decode((path / INDEX).read_bytes(), type=Index)
        except (OSError, msgspec.DecodeError) as error:
            raise Refusal(f"{path.name} holds no soft labels: {error}") from None
        self.ids, self.offsets, self.events = (self._array(name) for name in SHARED)
        if len(self.ids) != self.index.rows or len(self.offsets) != self.index.rows + 1:
            raise Refusal(f"{path.name} is not whole: {len(self.ids)} samples of {self.index.rows}")

    def task(self, task: Task) -> Taught:
        """The arrays of a task. Raises Refusal if the teacher was not asked for it."""
        if task not in self.index.tasks:
            raise Refusal(f"{self._path.name} has no soft labels for {task}; it has {', '.join(self.index.tasks)}")
        found = Taught(*(self._array(name) for name in names(task)))
        if any(len(array) != self.index.rows for array in (found.label, found.tokens, found.logits, found.logsumexp)):
            raise Refusal(f"{self._path.name} is not whole: {task} has other rows than the index")
        return found

    def event(self, row: int) -> list[int]:
        """The tokens of a sample's event."""
        tokens: list[int] = self.events[self.offsets[row] : self.offsets[row + 1]].tolist()
        return tokens

    def _array(self, name: str) -> Array:
        try:
            found: Array = np.load(self._path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise Refusal(f"{self._path.name}/{name}.npy can't be read: {error}") from None
        return found


def names(task: Task) -> tuple[str, str, str, str]:
    """The files' names of a task's arrays, in the order of `Taught`."""
    return f"{task}-label", f"{task}-tokens", f"{task}-logits", f"{task}-logsumexp"


def paths(answers: Sequence[Sequence[int]]) -> list[tuple[Place, ...]]:
    """The places on the way to each answer, the root first. Raises ValueError if two answers are equal."""
    branches = prompts.branches(answers)
    return [
        tuple(Place(len(b.prefix), b.next) for b in branches if any(label in members for members in b.members))
        for label in range(len(answers))
    ]


def assemble(path: Path, index: Index, chunks: Sequence[Path]) -> None:
    """Fills the directory from chunks (``.npz`` of the same arrays, ``offsets`` each from 0), one at a time."""
    sizes = [_shapes(chunk) for chunk in chunks]
    made: dict[str, Array] = {}
    for name in sizes[0]:
        shape, dtype = sizes[0][name]
        length = index.rows + 1 if name == "offsets" else sum(found[name][0][0] for found in sizes)
        widest = max((found[name][1] for found in sizes), key=lambda d: d.itemsize)
        made[name] = np.lib.format.open_memmap(
            path / f"{name}.npy", mode="w+", dtype=widest if name == "ids" else dtype, shape=(length, *shape[1:])
        )
    at, tokens = 0, 0
    for chunk, found in zip(chunks, sizes, strict=True):
        for name, array in _arrays(chunk):
            if name == "offsets":
                made[name][at : at + len(array)] = array + tokens
            elif name == "events":
                made[name][tokens : tokens + len(array)] = array
            else:
                made[name][at : at + len(array)] = array
        at, tokens = at + found["ids"][0][0], tokens + found["events"][0][0]
    for array in made.values():
        array.flush()  # type: ignore[attr-defined]  # it is a memmap
    write_atomic(path / INDEX, msgspec.json.format(msgspec.json.encode(index), indent=1))


def twice(ids: Array) -> str:
    """A sample id that stands there more than once, or ""."""
    ordered = np.sort(np.asarray(ids))
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    return bytes(ordered[same[0]]).decode("utf-8", "replace") if len(same) else ""


def _shapes(chunk: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    return {name: (array.shape, array.dtype) for name, array in _arrays(chunk)}


def _arrays(chunk: Path) -> Iterator[tuple[str, Array]]:
    with np.load(chunk, allow_pickle=False) as found:
        for name in found.files:
            if name != "made_with":
                yield name, found[name]


def pack(arrays: Mapping[str, Array], made_with: Mapping[str, str]) -> bytes:
    """A chunk's bytes: its arrays, and what they were made with."""
    stream = io.BytesIO()
    described = np.array(msgspec.json.encode(dict(made_with)).decode())
    np.savez(stream, made_with=described, **arrays)  # type: ignore[arg-type]  # names are those of arrays
    return stream.getvalue()


def made_with(chunk: Path) -> dict[str, str]:
    """What a chunk was made with. Raises OSError or ValueError if it is none."""
    with np.load(chunk, allow_pickle=False) as found:
        return msgspec.json.decode(str(found["made_with"]), type=dict[str, str])
