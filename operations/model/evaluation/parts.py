"""Answers to one chunk of rows, kept as a file as soon as they are there, so that no chunk is asked twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from operations import files
from operations.contract import Context, Refusal

NAME = "state"


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answered which chunk, by what, and the figures that are sums over it.

    ``loss`` (nats over ``tokens`` tokens of labels) is None where it is not finite; ``said`` are the free answers to
    the first rows, ``about`` who answered in words.
    """

    who: str
    chunk: int
    made_with: dict[str, str]
    cut: int = 0
    loss: float | None = 0.0
    tokens: int = 0
    seconds: float = 0.0
    generating: float = 0.0
    said: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """``predicted`` (rows) are indices into the label set, -1 for none of it; ``probability`` (rows) may be empty."""

    description: Description
    predicted: np.ndarray[Any, np.dtype[np.int16]]
    probability: np.ndarray[Any, np.dtype[np.float64]]


def save(path: Path, part: Part) -> None:
    """Writes it, whole or not at all."""
    described = np.frombuffer(msgspec.json.encode(part.description), np.uint8)
    with files.atomic(path) as stream:
        np.savez(stream, description=described, predicted=part.predicted, probability=part.probability)


def read(path: Path) -> Part:
    """Reads it. Raises Refusal if it is none."""
    try:
        with np.load(path, allow_pickle=False) as found:
            described = msgspec.json.decode(found["description"].tobytes(), type=Description)
            return Part(described, found["predicted"], found["probability"])
    except (OSError, ValueError, KeyError, EOFError, msgspec.DecodeError) as error:
        raise Refusal(f"{path.name} holds no answers: {error}") from None


def finished(context: Context, made_with: dict[str, str]) -> dict[tuple[str, int], Path]:
    """The chunks that interrupted attempts finished with the same inputs and machine, by who and which."""
    found: dict[tuple[str, int], Path] = {}
    for artefact in context.resume:
        if artefact.name != NAME:
            continue
        try:
            path = context.input(artefact)
            described = read(path).description
        except Refusal as refusal:
            context.log(f"asked again: {refusal}", "warning")
            continue
        if described.made_with != made_with:
            then = described.made_with
            differs = sorted(k for k in then | made_with if then.get(k) != made_with.get(k))
            context.log(f"{artefact.path} is not used: {', '.join(differs)} differ", "warning")
            continue
        found[described.who, described.chunk] = path
    return found
