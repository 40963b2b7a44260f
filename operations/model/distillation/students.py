"""Students: small models by seed that share their teacher's tokenizer."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlx.core as mx

from operations.contract import Refusal
from operations.model import making, models
from operations.model.tasks import Task

if TYPE_CHECKING:
    from operations.model.distil import Parameters

TOKENIZER = ("tokenizer", "special_tokens", "added_tokens", "chat_template", "vocab", "merges")
"""How the files that make a tokenizer begin; the rest of a teacher's directory is about the teacher."""


@dataclass(frozen=True, slots=True)
class Student:
    """A fresh student. ``share`` is that of the teacher's weights, embeddings left out on both sides."""

    model: Any
    tokenizer: Any
    config: dict[str, Any]
    share: float
    total: int
    rest: int


def make(teacher: models.Loaded, parameters: Parameters) -> Student:
    """The student before its first step. Raises Refusal if it is larger than the limit, or its shape can't be built."""
    config = making.llama(
        width=parameters.width,
        hidden=parameters.hidden,
        layers=parameters.layers * parameters.times_layers,
        heads=parameters.heads,
        vocabulary=int(teacher.config["vocab_size"]),
        end=teacher.tokenizer.eos_token_id,
        pad=teacher.config.get("pad_token_id"),
    )
    model = making.random_weights(config, parameters.seed)
    model.eval()
    total, rest = models.count(model)
    _, of_teacher = models.count(teacher.model)
    share = rest / of_teacher
    if share > parameters.limit:
        raise Refusal(
            f"{parameters.called} is no small student: {rest:,} weights without embeddings are {share:.1%} of the "
            f"teacher's {of_teacher:,}, at most {parameters.limit:.1%} is allowed; take fewer layers or a smaller width"
        )
    return Student(model, teacher.tokenizer, config, share, total, rest)


def save(path: Path, student: Student, teacher: Path, task: Task, labels: tuple[str, ...], length: int) -> None:
    """Writes a directory that mlx_lm loads, with the teacher's tokenizer to the byte and the labels of its one task."""
    with models.whole_directory(words := path.with_name(f"{path.name}-tokenizer")) as new:
        for file in sorted(teacher.iterdir()):
            if file.is_file() and file.name.startswith(TOKENIZER):
                shutil.copyfile(file, new / file.name)
    try:
        made = models.Loaded(student.model, student.tokenizer, student.config, words, {}, 0)
        weights: Mapping[str, mx.array] = models.weights_of(student.model)
        models.save(path, made, weights, {task: labels}, length)
    finally:
        shutil.rmtree(words)
