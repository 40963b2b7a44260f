"""A training's configuration: one object, and the two files that it is read from. An unknown key is an error.

The reality check's file has this program's own sections. That of the blue team's training has the plan's six sections
with exactly the plan's keys, and what the plan has no key for in a section of its own, ``ours``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from operations.contract import Refusal
from operations.files import write_atomic
from operations.model import tasks
from operations.model.tasks import Task

Method: TypeAlias = Literal["lora", "full"]
Schedule: TypeAlias = Literal["constant", "cosine"]
Shares: TypeAlias = dict[Task, Annotated[float, Meta(ge=0, le=1)]]
AtLeast1: TypeAlias = Annotated[int, Meta(ge=1)]
PLANNED = ("monitoring", "hardware", "ours")
"""Sections that only a file of the plan's form has."""


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trained: the base, by digest, and which of its weights."""

    sha256: str = ""
    method: Method = "lora"
    rank: AtLeast1 = 16
    adapted_layers: AtLeast1 = 16
    length: Annotated[int, Meta(ge=16)] = 512


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it is trained on, by digest. ``labels`` are the first task's; ``tasks`` each task's share of the samples."""

    train_sha256: str = ""
    rows: int = 0
    labels: tuple[str, ...] = ()
    dataset_sha256: str = ""
    """Of the directory with all splits, where the data is one."""
    validation_rows: int = 0
    tasks: Shares = msgspec.field(default_factory=lambda: {tasks.FIRST: 1.0})


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights are changed. A step is ``gradient_accumulation_steps`` batches; ``max_steps`` ends the training.

    ``num_epochs`` is what was meant, 0 where only the steps say it.
    """

    learning_rate: Annotated[float, Meta(gt=0)] = 1e-4
    batch_size: AtLeast1 = 32
    max_steps: Annotated[int, Meta(ge=0)] = 100
    warmup_steps: Annotated[int, Meta(ge=0)] = 0
    schedule: Schedule = "constant"
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    clip: Annotated[float, Meta(ge=0)] = 1.0
    seed: Annotated[int, Meta(ge=0)] = 1
    num_epochs: Annotated[int, Meta(ge=0)] = 0
    gradient_accumulation_steps: AtLeast1 = 1


class Checkpointing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the run is saved, in steps: models to keep, and states to resume from. ``keep_last_n`` 0 keeps all."""

    save_every: AtLeast1 = 50
    resume_every: AtLeast1 = 10
    keep_last_n: Annotated[int, Meta(ge=0)] = 0


class Monitoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told of it, in steps; ``validation_samples`` rows at most are scored each time, always the same."""

    log_every: AtLeast1 = 100
    eval_every: AtLeast1 = 1_000
    tensorboard: bool = True
    validation_samples: AtLeast1 = 10_000


class Hardware(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it is to be computed on."""

    gpu: bool = True
    mixed_precision: bool = True
    distributed: bool = False


class Names(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names and paths of the plan's form, for people: jobs find their inputs by digest, never by these."""

    name: str = ""
    path: str = ""
    output_name: str = ""
    output_path: str = ""
    train: str = ""
    validation: str = ""
    test: str = ""
    checkpoint_dir: str = ""
    tensorboard_dir: str = ""


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All of it; the defaults are the plan's reality check, and of what only the large training has that one's."""

    model: Model = Model()
    data: Data = Data()
    hyperparameters: Hyperparameters = Hyperparameters()
    checkpointing: Checkpointing = Checkpointing()
    monitoring: Monitoring = Monitoring()
    hardware: Hardware = Hardware()
    names: Names = Names()


class _Planned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of the plan's form: every key must be there."""


class _Model(_Planned, frozen=True, kw_only=True):
    name: str
    path: str
    output_name: str
    output_path: str


class _Data(_Planned, frozen=True, kw_only=True):
    train: str
    validation: str
    test: str


class _Hyperparameters(_Planned, frozen=True, kw_only=True):
    learning_rate: Annotated[float, Meta(gt=0)]
    batch_size: AtLeast1
    num_epochs: AtLeast1
    warmup_steps: Annotated[int, Meta(ge=0)]
    max_steps: Annotated[int, Meta(ge=0)]
    gradient_accumulation_steps: AtLeast1


class _Checkpointing(_Planned, frozen=True, kw_only=True):
    save_every: AtLeast1
    checkpoint_dir: str
    keep_last_n: AtLeast1


class _Monitoring(_Planned, frozen=True, kw_only=True):
    log_every: AtLeast1
    eval_every: AtLeast1
    tensorboard: bool
    tensorboard_dir: str


class _Ours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the plan has no key for."""

    model_sha256: str = ""
    dataset_sha256: str = ""
    train_sha256: str = ""
    rows: int = 0
    validation_rows: int = 0
    labels: tuple[str, ...] = ()
    tasks: Shares = msgspec.field(default_factory=lambda: {tasks.FIRST: 1.0})
    method: Method = "lora"
    rank: AtLeast1 = 16
    adapted_layers: AtLeast1 = 16
    length: Annotated[int, Meta(ge=16)] = 512
    schedule: Schedule = "constant"
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    clip: Annotated[float, Meta(ge=0)] = 1.0
    seed: Annotated[int, Meta(ge=0)] = 1
    resume_every: AtLeast1 = 10
    validation_samples: AtLeast1 = 10_000


class _PlanForm(_Planned, frozen=True, kw_only=True):
    model: _Model
    data: _Data
    hyperparameters: _Hyperparameters
    checkpointing: _Checkpointing
    monitoring: _Monitoring
    hardware: Hardware
    ours: _Ours = _Ours()


def read(path: Path) -> Configuration:
    """The configuration in a JSON file of either form. Raises Refusal, naming key and what was expected."""
    try:
        data = path.read_bytes()
        sections = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if any(section in sections for section in PLANNED):
            return _of_plan(msgspec.json.decode(data, type=_PlanForm))
        return msgspec.json.decode(data, type=Configuration)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"{path.name} is no configuration: {error}") from None


def write(path: Path, configuration: Configuration) -> None:
    """Writes it as JSON, for people too."""
    _write(path, configuration)


def write_planned(path: Path, configuration: Configuration) -> None:
    """Writes it in the plan's form: what `read` gives back is equal."""
    _write(path, _to_plan(configuration))


def learning_rate(step: int, settings: Hyperparameters) -> float:
    """The learning rate of a step (the first is 1): a rise from zero, then constant or half a cosine to zero."""
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    length = max(1, settings.max_steps - settings.warmup_steps)
    done = min(1.0, (step - 1 - settings.warmup_steps) / length)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _write(path: Path, form: msgspec.Struct) -> None:
    write_atomic(path, msgspec.json.format(msgspec.json.encode(form), indent=2) + b"\n")


def _to_plan(whole: Configuration) -> _PlanForm:
    """The same value by the plan's keys; each of ours is taken from the section that has it."""
    flat = _flat(whole)
    flat["model_sha256"] = whole.model.sha256
    return msgspec.convert({section: {k: flat[k] for k in keys} for section, keys in _keys().items()}, _PlanForm)


def _of_plan(form: _PlanForm) -> Configuration:
    flat = _flat(form)
    flat["sha256"] = form.ours.model_sha256
    given = {}
    for section in msgspec.structs.fields(Configuration):
        names = (key.name for key in msgspec.structs.fields(section.type))
        given[section.name] = {name: flat[name] for name in names}
    return msgspec.convert(given, Configuration)


def _flat(form: msgspec.Struct) -> dict[str, object]:
    """All keys of all sections: no two sections have one of the same name."""
    sections = (getattr(form, section.name) for section in msgspec.structs.fields(form))
    return {key: value for section in sections for key, value in msgspec.structs.asdict(section).items()}


def _keys() -> dict[str, list[str]]:
    sections = msgspec.structs.fields(_PlanForm)
    return {section.name: [key.name for key in msgspec.structs.fields(section.type)] for section in sections}
