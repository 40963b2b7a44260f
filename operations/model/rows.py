"""Labelled rows as training and evaluation read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from operations.contract import Refusal
from operations.model.tasks import Task

BENIGN = "benign"


class Row(msgspec.Struct, frozen=True):
    """One line of a rows file: what is asked, the label, and what is known about the case.

    ``hard`` names the kind of hard case, "" for a plain one; ``combination`` is true where the row's template is in no
    training row. Rows from another source have neither. A pattern as it was exported has no prompt and no completion,
    but a payload and the labels of its tasks.
    """

    prompt: str = ""
    completion: str = ""
    id: str | int = ""
    payload: str = ""
    hard: str = ""
    combination: bool = False
    attack_type: str = ""
    anomaly: str = ""
    family: str = ""
    evidence: str = ""
    severity: str = ""

    @property
    def event(self) -> str:
        """What the model is given."""
        return self.prompt or self.payload

    @property
    def shown(self) -> str:
        """The event as people see it."""
        return self.payload or self.prompt


def read(path: Path, task: Task | None = None) -> tuple[Row, ...]:
    """All rows of a JSON Lines file, as `each` gives them. Raises Refusal as it does, or if there is none at all."""
    rows = tuple(each(path, task))
    if not rows:
        raise Refusal(f"{path.name} has no rows")
    return rows


def each(path: Path, task: Task | None = None) -> Iterator[Row]:
    """The rows of a JSON Lines file one by one; for a task, with that task's label as the completion.

    Raises Refusal at the first line that has no event or no label.
    """
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Refusal(f"{path.name} line {number} is no row: {error}") from None
            if task is not None:
                row = msgspec.structs.replace(row, prompt=row.event, completion=getattr(row, task))
            if not row.prompt:
                raise Refusal(f"{path.name} line {number} has no event: neither prompt nor payload")
            if not row.completion:
                raise Refusal(f"{path.name} line {number} has no label: {task or 'completion'} is empty")
            yield row


def labels(*sets: tuple[Row, ...]) -> tuple[str, ...]:
    """The completions that occur, sorted."""
    return tuple(sorted({row.completion for rows in sets for row in rows}))


def texts(path: Path, limit: int) -> Iterator[str]:
    """Up to ``limit`` payloads of a store (a directory of ``*.json`` arrays), one such file, or a rows file.

    What can't be read is passed over: a tokenizer learns from the rest. No label is ever returned.
    """
    left = limit
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        for record in _records(file):
            text = record.get("payload") or record.get("prompt")
            if isinstance(text, str) and text:
                yield text
                left -= 1
                if not left:
                    return


def _records(path: Path) -> Iterator[dict[str, object]]:
    try:
        if path.suffix == ".jsonl":
            with path.open("rb") as stream:
                found = [json.loads(line) for line in stream if line.strip()]
        else:
            found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    if isinstance(found, list):
        yield from (record for record in found if isinstance(record, dict))


_decoder = msgspec.json.Decoder(Row)
