"""Holds four specialists against one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations.contract import Context, Refusal
from operations.files import sha256_file
from operations.model import models
from operations.model.distillation import quantising
from operations.model.production.pipeline import SPECIALISTS

if TYPE_CHECKING:
    from operations.model.compare import Parameters


def compare(context: Context, parameters: Parameters) -> None:
    """Reads the four directories, loads none of them as a model. Raises Refusal, naming the one that is no model."""
    digests: list[str] = []
    tokenizers: set[str] = set()
    bits: dict[str, int | float | None] = {}
    sizes: dict[str, int | float | None] = {}
    own = 0
    for name, task in SPECIALISTS.items():
        path = context.input(getattr(parameters, name))
        arrays = quantising.read_weights(path)
        if not arrays or not (path / "config.json").is_file():
            raise Refusal(f"{name}: {path.name} is no model: it has no weights or no config.json")
        digests.append(models.weights_digest(arrays))
        context.measure(name, digests[-1])
        bits[name] = quantising.written_bits(path)
        sizes[name] = sum(array.nbytes for array in arrays.values()) / 1e6
        known = tuple(models.labels_of(path)[0])
        own += known == (task,)
        if known != (task,):
            context.log(f"{name} answers {', '.join(known) or 'no task'}, its own is {task}", "warning")
        words = path / "tokenizer.json"
        tokenizers.add(sha256_file(words)[0] if words.is_file() else "")
    context.measure("distinct", len(set(digests)))
    context.measure("own_task", own)
    context.measure("one_tokenizer", len(tokenizers) == 1 and "" not in tokenizers)
    context.measure("bits", bits)
    context.measure("sizes", sizes)
    context.log(f"{len(set(digests))} different weights among {len(digests)} models, {own} with a task of their own")
