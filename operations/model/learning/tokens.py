"""Tokenised events as a directory that is mapped into memory, never held whole.

Of each set (``train``, ``validation``) there are three plain little-endian arrays: NAME.ids, the events' tokens one
after another (uint16, or uint32 for a vocabulary that needs it); NAME.offsets, where each event begins, and the end
(uint64, rows + 1); NAME.labels, the label's number by row and task, -1 where a row has none (int16, rows x tasks).
``index.json`` says what the numbers are of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from operations.contract import Refusal
from operations.files import sha256_file, write_atomic
from operations.model import rows, scoring, tasks
from operations.model.tasks import Task

INDEX = "index.json"
SETS: dict[str, str] = {"train": "training_8m.jsonl", "validation": "validation_1m.jsonl"}
"""The sets, and the file of a dataset that each is made of."""
AT_ONCE = 2_048
"""Rows tokenised together: enough for every core, and all that is ever held."""
NONE = -1
Width: TypeAlias = Literal["uint16", "uint32"]


class Set(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set: its rows, its tokens, the longest event in tokens before cutting, how many were cut, and its source."""

    rows: int
    tokens: int
    longest: int
    cut: int
    source: str
    sha256: str


class Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``index.json``. ``labels`` are sorted; a label's place is its number. Events were cut to ``length`` tokens."""

    schema: Literal[1] = 1
    tokenizer: str
    dataset: str
    width: Width
    length: int
    labels: dict[Task, tuple[str, ...]]
    sets: dict[str, Set]


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 over all that decides an event's tokens and the prompt around them: vocabulary, template, end token."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    told = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    described = "\0".join((told, str(tokenizer.chat_template), str(tokenizer.eos_token_id)))
    return hashlib.sha256(described.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """One set, mapped: rows by number."""

    def __init__(self, path: Path, name: str, index: Index) -> None:
        described = index.sets[name]
        self.rows = described.rows
        self.labels: NDArray[np.int16] = _mapped(path / f"{name}.labels", "<i2", described.rows * len(tasks.TASKS))
        self.labels = self.labels.reshape(described.rows, len(tasks.TASKS))
        self._offsets = _mapped(path / f"{name}.offsets", "<u8", described.rows + 1)
        self._ids = _mapped(path / f"{name}.ids", _TYPES[index.width], described.tokens)
        if int(self._offsets[-1]) != described.tokens:
            raise Refusal(f"{path.name}/{name}.offsets ends at another token than the last")

    def event(self, row: int) -> list[int]:
        """The tokens of a row's event."""
        found: list[int] = self._ids[int(self._offsets[row]) : int(self._offsets[row + 1])].tolist()
        return found

    def lengths(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens of the events of these rows."""
        found: NDArray[np.int64] = (self._offsets[chosen + 1] - self._offsets[chosen]).astype(np.int64)
        return found


class Store:
    """A tokens directory that was opened: its index and its sets. Raises Refusal, naming the file, if one is amiss."""

    def __init__(self, path: Path) -> None:
        try:
            self.index = msgspec.json.decode((path / INDEX).read_bytes(), type=Index)
        except FileNotFoundError:
            raise Refusal(f"{path.name} holds no tokens: it has no {INDEX}") from None
        except (OSError, msgspec.DecodeError) as error:
            raise Refusal(f"{path.name}/{INDEX} is broken: {error}") from None
        if missing := set(SETS) - set(self.index.sets):
            raise Refusal(f"{path.name} has no set {', '.join(sorted(missing))}")
        self.train, self.validation = (Tokens(path, name, self.index) for name in ("train", "validation"))

    def check(self, tokenizer: Any, length: int) -> None:
        """Raises Refusal if the tokens are another tokenizer's, or were cut shorter than the length asked for."""
        if tokenizer_digest(tokenizer) != self.index.tokenizer:
            raise Refusal(
                "the tokens were made with another tokenizer than the model's: run model.prepare with the model"
            )
        if length > self.index.length:
            raise Refusal(f"the tokens were cut to {self.index.length}, an input of {length} is asked for")


def write(path: Path, dataset: Path, sha256: str, tokenizer: Any, length: int, told: Any) -> Index:
    """Tokenises the sets of a dataset directory into ``path``, a directory that exists, in constant memory.

    ``sha256`` is the dataset's digest; events are cut to ``length`` tokens; ``told(set, rows)`` hears how far it is.
    Raises Refusal, naming file and line, at a row without an event or without a label of the first task.
    """
    width: Width = "uint16" if len(tokenizer) <= 1 << 16 else "uint32"
    numbers: dict[Task, dict[str, int]] = {task: {} for task in tasks.TASKS}
    sets = {}
    for name, file in SETS.items():
        if not (dataset / file).is_file():
            raise Refusal(f"{dataset.name} has no {file}")
        sets[name] = _write_set(path, name, dataset / file, tokenizer, length, width, numbers, told)
    labels = {task: tuple(sorted(known)) for task, known in numbers.items() if known}
    for name in SETS:
        _renumber(path / f"{name}.labels", [numbers[task] for task in tasks.TASKS])
    index = Index(
        tokenizer=tokenizer_digest(tokenizer), dataset=sha256, width=width, length=length, labels=labels, sets=sets
    )
    write_atomic(path / INDEX, msgspec.json.format(msgspec.json.encode(index), indent=1))
    return index


def _write_set(
    path: Path,
    name: str,
    source: Path,
    tokenizer: Any,
    length: int,
    width: Width,
    numbers: dict[Task, dict[str, int]],
    told: Any,
) -> Set:
    count = tokens = longest = cut = 0
    with (
        (path / f"{name}.ids").open("wb") as ids,
        (path / f"{name}.offsets").open("wb") as offsets,
        (path / f"{name}.labels").open("wb") as labels,
    ):
        offsets.write(bytes(8))
        for some in _chunks(rows.each(source, tasks.FIRST)):
            encoded = encode(tokenizer, [row.event for row in some])
            sizes = np.array([len(event) for event in encoded], np.int64)
            longest, cut = max(longest, int(sizes.max())), cut + int((sizes > length).sum())
            kept = np.minimum(sizes, length)
            ids.write(np.array([t for event in encoded for t in event[:length]], _TYPES[width]).tobytes())
            offsets.write((tokens + np.cumsum(kept)).astype("<u8").tobytes())
            numbered = [_numbered(row, numbers) for row in some]
            for task, known in numbers.items():
                if len(known) > scoring.LABELS:
                    raise Refusal(f"{source.name} has over {scoring.LABELS} labels of {task}: that is no label set")
            labels.write(np.array(numbered, "<i2").tobytes())
            tokens += int(kept.sum())
            count += len(some)
            told(name, count)
    if not count:
        raise Refusal(f"{source.name} has no rows")
    return Set(rows=count, tokens=tokens, longest=longest, cut=cut, source=source.name, sha256=sha256_file(source)[0])


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of bare texts: by a fast tokenizer on all cores at once, by another one by one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return [list(tokenizer.encode(text, add_special_tokens=False)) for text in texts]
    return [found.ids for found in backend.encode_batch_fast(list(texts), add_special_tokens=False)]


def _chunks(some: Iterable[rows.Row]) -> Iterator[list[rows.Row]]:
    stream = iter(some)
    while chunk := list(islice(stream, AT_ONCE)):
        yield chunk


def _numbered(row: rows.Row, numbers: dict[Task, dict[str, int]]) -> list[int]:
    """The row's labels in the order in which they were first seen."""
    return [
        numbers[task].setdefault(label, len(numbers[task])) if (label := getattr(row, task)) else NONE
        for task in tasks.TASKS
    ]


def _renumber(path: Path, numbers: list[dict[str, int]]) -> None:
    """Puts the labels' places in the sorted list for the order in which they were first seen."""
    places = []
    for known in numbers:
        ordered = {label: place for place, label in enumerate(sorted(known))}
        # The last is for -1, which numpy takes from the end.
        places.append(np.array([*(ordered[label] for label in known), NONE], "<i2"))
    mapped = np.memmap(path, "<i2", "r+")
    table = mapped.reshape(-1, len(numbers))
    for start in range(0, len(table), AT_ONCE * 64):
        part = table[start : start + AT_ONCE * 64]
        for column, place in enumerate(places):
            part[:, column] = place[part[:, column]]
    mapped.flush()


def permute_labels(path: Path, seed: int) -> int:
    """Gives each training row of a tokens directory the labels of another one; how many of the first task changed."""
    mapped = np.memmap(path / "train.labels", "<i2", "r+")
    table = mapped.reshape(-1, len(tasks.TASKS))
    moved = table[np.random.default_rng([seed, 3]).permutation(len(table))]
    first = tasks.TASKS.index(tasks.FIRST)
    changed = int((moved[:, first] != table[:, first]).sum())
    table[:] = moved
    mapped.flush()
    return changed


def _mapped(path: Path, kind: str, size: int) -> NDArray[Any]:
    wanted = np.dtype(kind).itemsize * size
    try:
        found = path.stat().st_size
    except OSError as error:
        raise Refusal(f"{path.parent.name}/{path.name} can't be read: {error}") from None
    if found != wanted:
        raise Refusal(f"{path.parent.name}/{path.name} has {found} bytes, not {wanted}")
    return np.memmap(path, kind, "r") if size else np.zeros(0, kind)


_TYPES: dict[Width, str] = {"uint16": "<u2", "uint32": "<u4"}
