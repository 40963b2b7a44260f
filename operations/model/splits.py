"""The exported dataset's files by what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from operations.contract import Refusal

Split: TypeAlias = Literal["train", "validation", "test"]
FILES: dict[Split, str] = {
    "train": "training_8m.jsonl",
    "validation": "validation_1m.jsonl",
    "test": "test_1m.jsonl",
}


def file(dataset: Path, split: Split) -> Path:
    """The split's file in the dataset's directory. Raises Refusal if it is not there."""
    path = dataset / FILES[split]
    if not path.is_file():
        raise Refusal(f"{dataset.name} has no {path.name}: it is no exported dataset, or not all of one")
    return path
