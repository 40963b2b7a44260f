"""A training's configuration: the plan's sections and keys, and ours. An unknown key is an error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import Refusal
from operations.files import write_atomic


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trained: the base, by digest, and which of its weights."""

    sha256: str = ""
    method: Literal["lora", "full"] = "lora"
    rank: Annotated[int, Meta(ge=1)] = 16
    adapted_layers: Annotated[int, Meta(ge=1)] = 16
    length: Annotated[int, Meta(ge=16)] = 512


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it is trained on, by digest."""

    train_sha256: str = ""
    rows: int = 0
    labels: tuple[str, ...] = ()


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights are changed."""

    learning_rate: Annotated[float, Meta(gt=0)] = 1e-4
    batch_size: Annotated[int, Meta(ge=1)] = 32
    max_steps: Annotated[int, Meta(ge=0)] = 100
    warmup_steps: Annotated[int, Meta(ge=0)] = 0
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    clip: Annotated[float, Meta(ge=0)] = 1.0
    seed: Annotated[int, Meta(ge=0)] = 1


class Checkpointing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the run is saved, in steps: models to keep, and states to resume from."""

    save_every: Annotated[int, Meta(ge=1)] = 50
    resume_every: Annotated[int, Meta(ge=1)] = 10


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it; the defaults are the plan's reality check."""

    model: Model = Model()
    data: Data = Data()
    hyperparameters: Hyperparameters = Hyperparameters()
    checkpointing: Checkpointing = Checkpointing()


def read(path: Path) -> Configuration:
    """The configuration in a JSON file. Raises Refusal, naming key and what was expected."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Configuration)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"{path.name} is no configuration: {error}") from None


def write(path: Path, configuration: Configuration) -> None:
    """Writes it as JSON, for people too."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(configuration), indent=2) + b"\n")


def learning_rate(step: int, settings: Hyperparameters) -> float:
    """The learning rate of a step (the first is 1): a rise from zero, then constant or half a cosine to zero."""
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    length = max(1, settings.max_steps - settings.warmup_steps)
    done = min(1.0, (step - 1 - settings.warmup_steps) / length)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
