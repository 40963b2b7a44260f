"""What going on exactly needs, as a directory: weights, optimizer, random state, losses so far, and what it is of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import mlx.core as mx
import msgspec
import numpy as np

from operations.contract import Artefact, Context, Refusal
from operations.files import write_atomic
from operations.model.learning.training import Training, random_state
from operations.model.models import whole_directory

NAME = "state"


class Best(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The best checkpoint so far: its step, its accuracy over the tasks' shares, and its validation loss."""

    step: int
    score: float
    loss: float


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``state.json``. ``made_with`` must be equal for a resume to be exact; ``seconds`` and ``tokens`` are sums."""

    step: int
    random: tuple[int, int]
    seconds: float
    tokens: int
    checkpoints: tuple[int, ...]
    best: Best | None = None
    first_gpu: float | None = None
    """GPU utilisation over the first steps, in percent; None where it is unknown."""
    made_with: dict[str, str]


@dataclass(slots=True)
class Record:
    """What a run has behind it, all attempts together."""

    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0
    checkpoints: list[int] = field(default_factory=list)
    best: Best | None = None
    first_gpu: float | None = None


def save(path: Path, training: Training, record: Record, made_with: dict[str, str]) -> None:
    """Writes the state after the last step taken, whole or not at all."""
    first, second = random_state()
    described = Description(
        step=training.done,
        random=(first, second),
        seconds=record.seconds,
        tokens=record.tokens,
        checkpoints=tuple(record.checkpoints),
        best=record.best,
        first_gpu=record.first_gpu,
        made_with=made_with,
    )
    with whole_directory(path) as new:
        mx.save_safetensors(str(new / "weights.safetensors"), training.weights())
        mx.save_safetensors(str(new / "optimizer.safetensors"), training.optimizer_state())
        np.save(new / "losses.npy", np.array(record.losses, np.float64))
        write_atomic(new / "state.json", msgspec.json.encode(described))


def resume(context: Context, training: Training, made_with: dict[str, str]) -> Record | None:
    """Puts the training back to the newest state of the stopped attempts that is whole, and returns what is behind it.

    None if there is none: then it starts from the beginning. Raises Refusal if that state was made with anything else,
    because going on from it would not be the same run.
    """
    for artefact in reversed([a for a in context.resume if a.name == NAME]):
        try:
            path = context.input(artefact)
            described = msgspec.json.decode((path / "state.json").read_bytes(), type=Description)
            weights, optimizer = (_arrays(path / f"{name}.safetensors") for name in ("weights", "optimizer"))
            losses = np.load(path / "losses.npy", allow_pickle=False).tolist()
        except FileNotFoundError:
            context.log(f"{artefact.path} is gone: looking for an older state")
            continue
        except (Refusal, OSError, ValueError, RuntimeError, EOFError, msgspec.DecodeError) as error:
            context.log(f"{artefact.path} is not used: {error}", "warning")
            continue
        check(artefact, described.made_with, made_with)
        if len(losses) != described.step:
            context.log(f"{artefact.path} is not used: {len(losses)} losses for {described.step} steps", "warning")
            continue
        try:
            training.restore(weights, optimizer, described.random, described.step)
        except Refusal as refusal:
            context.log(f"{artefact.path} is not used: {refusal}", "warning")
            continue
        return Record(
            losses,
            described.seconds,
            described.tokens,
            list(described.checkpoints),
            described.best,
            described.first_gpu,
        )
    return None


def check(artefact: Artefact, then: dict[str, str], now: dict[str, str]) -> None:
    """Raises Refusal naming what differs between a state and the run that would go on from it."""
    differing = [
        f"{key} was {then.get(key, 'unset')}, is {now.get(key, 'unset')}"
        for key in sorted(then | now)
        if then.get(key) != now.get(key)
    ]
    if differing:
        raise Refusal(f"{artefact.path} can't be gone on from exactly: " + "; ".join(differing)[:2_000])


def _arrays(path: Path) -> dict[str, mx.array]:
    found = mx.load(str(path))
    assert isinstance(found, dict)
    mx.eval(found)
    return found
