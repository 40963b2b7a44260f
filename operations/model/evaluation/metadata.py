"""The finished model's description: the plan's twelve keys, and the source of each."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

from operations.files import write_atomic

NAME = "metadata.json"


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """``model_name`` to ``purpose`` are the plan's keys, in its order; ``sources`` says where each value comes from."""

    model_name: str
    version: str
    base_model: str
    training_data: str
    training_samples: int
    validation_samples: int
    test_samples: int
    test_accuracy: float
    training_duration_days: float | None
    training_date: str | None
    created_by: str
    purpose: str
    sources: dict[str, str]

    @property
    def known(self) -> int:
        """How many of the plan's keys have a value."""
        return sum(getattr(self, key) not in (None, "") for key in KEYS)


KEYS = tuple(name for name in Metadata.__struct_fields__ if name != "sources")


def write(path: Path, metadata: Metadata) -> None:
    """Writes it as JSON, for people too."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(metadata), indent=2) + b"\n")


def days(first: float, last: float) -> str:
    """From the day of one time to the day of another (seconds since 1970, UTC), as the plan writes it."""
    begin, end = (datetime.datetime.fromtimestamp(t, datetime.UTC).date().isoformat() for t in (first, last))
    return f"{begin} to {end}"
