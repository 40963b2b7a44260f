"""A job's events file turned into the row that ends the job: measures, artefacts, and the file pinned by its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec

from console.journal.entries import JobFinished
from console.text import clean
from operations.events import Finished, Made, Measured, decode


@dataclass(slots=True)
class Evidence:
    """What an events file holds up to its last whole line."""

    measures: dict[tuple[str, int | None], Measured] = field(default_factory=dict)
    artefacts: list[Made] = field(default_factory=list)
    finished: Finished | None = None
    bytes: int = 0
    sha256: str = ""


def read(path: Path) -> Evidence:
    """The evidence in the file, foreign text cleaned; nothing if there is no file. Raises OSError.

    Lines that are no events are part of the digest and say nothing else. What follows a last event is not read.
    """
    found = Evidence()
    if not path.exists():
        return found
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                break
            hasher.update(line)
            found.bytes += len(line)
            _take(found, line)
            if found.finished:
                break
    found.sha256 = hasher.hexdigest()
    return found


def _take(found: Evidence, line: bytes) -> None:
    try:
        event = decode(line)
    except msgspec.DecodeError:
        return
    if isinstance(event, Measured):
        found.measures[event.name, event.step] = _cleaned(event)
    elif isinstance(event, Made) and _inside(event.path):
        found.artefacts.append(event)
    elif isinstance(event, Finished):
        found.finished = event


def end(job: str, found: Evidence, lost: str = "") -> JobFinished:
    """The row for the end of the job: as its last event says, or lost for the given reason."""
    finished = found.finished
    return JobFinished(
        job=job,
        outcome=finished.outcome if finished else "lost",
        reason=clean(finished.reason) if finished else lost,
        signal=clean(finished.signal) if finished else "",
        measures=list(found.measures.values()),
        artefacts=found.artefacts,
        events_bytes=found.bytes,
        events_sha256=found.sha256,
    )


def _cleaned(event: Measured) -> Measured:
    value = event.value
    if isinstance(value, str):
        value = clean(value)
    elif isinstance(value, dict):
        value = {clean(name): number for name, number in value.items()}
    return msgspec.structs.replace(event, value=value, reason=clean(event.reason), unit=clean(event.unit))


def _inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts
