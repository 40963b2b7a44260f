"""Quantises a model, writes it, and compares what was written with what there was, sample by sample."""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten

from operations.contract import Context, Refusal
from operations.model import exported, machine, models, prompts
from operations.model.distillation.answering import Samples
from operations.model.tasks import Task

if TYPE_CHECKING:
    from operations.model.quantise import Parameters

GROUPS = (128, 64, 32)
"""Group sizes that MLX has kernels for."""


def quantise(context: Context, parameters: Parameters) -> None:
    """Quantises, writes, loads what was written, compares."""
    began = time.perf_counter()
    path = context.input(parameters.model)
    if kept := written_bits(path):
        raise Refusal(f"{path.name} is quantised already, to {kept} bits: quantise the model it was made from")
    # On a CPU it is in float32 now, whatever the file holds: scales in float16 would be slow there.
    loaded = models.load(path)
    task = only_task(loaded, parameters.task)
    labels = loaded.tasks[task]
    form = prompts.format_for(loaded.tokenizer, loaded.length, task)
    file = exported.file(context.input(parameters.dataset), exported.TEST)
    samples = Samples(file, task, parameters.samples, form, labels)
    before = samples.score(loaded.model)
    size = sum(array.nbytes for _, array in tree_flatten(loaded.model.parameters()))
    group = parameters.group or fitting(loaded.model)
    config = _quantised(loaded, group, parameters.bits)
    weights = dict(tree_flatten(loaded.model.parameters()))
    target = context.output("model")
    made = models.Loaded(loaded.model, loaded.tokenizer, config, path, loaded.tasks, loaded.length)
    models.save(target, made, weights, loaded.tasks, loaded.length)
    digest = models.weights_digest(weights)
    again = read_weights(target)
    equal = models.weights_digest(again) == digest
    served = models.load(target)
    after = samples.score(served.model)
    context.artefact("model", target)
    context.measure("bits", written_bits(target))
    total, _ = models.count(served.model)
    context.measure("bits_in_all", 8 * sum(array.nbytes for array in again.values()) / total)
    context.measure("group", group)
    context.measure("equal", equal)
    context.measure("accuracy", after.accuracy, n=after.total, count=after.right)
    context.measure("accuracy_before", before.accuracy, n=before.total, count=before.right)
    context.measure("lost", 100 * (before.accuracy - after.accuracy))
    pairs = list(zip(before.correct, after.correct, strict=True))
    context.measure("broken", pairs.count((True, False)))
    context.measure("mended", pairs.count((False, True)))
    context.measure("weights", digest)
    context.measure("size", sum(file.stat().st_size for file in target.glob("*.safetensors")) / 1e6)
    context.measure("size_before", size / 1e6)
    context.measure("duration", time.perf_counter() - began)
    context.measure("device", machine.device())
    context.log(f"{before.right} of {before.total} right before, {after.right} after, to {written_bits(target)} bits")
    if not equal:
        raise Refusal(f"{target.name} holds other weights than were made: the disk or the writing is at fault")


def only_task(loaded: models.Loaded, named: Task | None) -> Task:
    """The task to ask: the named one, or the only one. Raises Refusal if there is no such, or no telling which."""
    known = ", ".join(loaded.tasks) or "none"
    if named is None:
        if len(loaded.tasks) != 1:
            raise Refusal(f"{loaded.path.name} answers more or less than one task ({known}): name one")
        return next(iter(loaded.tasks))
    if named not in loaded.tasks:
        raise Refusal(f"{loaded.path.name} was not trained on {named}; {models.LABELS} of it names {known}")
    return named


def fitting(model: nn.Module) -> int:
    """The largest group that divides the width of every layer that can be quantised. Raises Refusal if none does."""
    widths = sorted({int(m.weight.shape[-1]) for _, m in _layers(model)})
    for group in GROUPS:
        if all(width % group == 0 for width in widths):
            return group
    raise Refusal(f"no group of {', '.join(map(str, GROUPS))} divides the layers' widths {', '.join(map(str, widths))}")


def written_bits(path: Path) -> int:
    """Bits a weight of a written model, by what its file holds: the most of any matrix; 0 if one is not quantised.

    A quantised matrix is packed into 32-bit integers with a scale for each group, so that its bits follow from the two
    shapes and the group size, whatever the configuration says.
    """
    config = json.loads((path / "config.json").read_bytes())
    described = config.get("quantization") or config.get("quantization_config")
    if not isinstance(described, dict):
        return 0
    arrays, most = read_weights(path), 0
    for name, array in arrays.items():
        owner, _, part = name.rpartition(".")
        if part != "weight" or array.ndim < 2:
            continue
        scales = arrays.get(f"{owner}.scales")
        if scales is None or array.dtype != mx.uint32:
            return 0
        most = max(most, 32 * int(array.shape[-1]) // (int(scales.shape[-1]) * int(described["group_size"])))
    return most


def read_weights(path: Path) -> dict[str, mx.array]:
    """A model directory's arrays by name, as the files hold them."""
    found: dict[str, mx.array] = {}
    for file in sorted(path.glob("*.safetensors")):
        part = mx.load(str(file))
        assert isinstance(part, dict)
        found |= part
    return found


def _layers(model: nn.Module) -> list[tuple[str, Any]]:
    return [(name, module) for name, module in model.named_modules() if hasattr(module, "to_quantized")]


def _quantised(loaded: models.Loaded, group: int, bits: int) -> dict[str, Any]:
    """Quantises every layer of the model in place and returns its configuration. Raises Refusal if one can't be."""
    from mlx_lm.utils import quantize_model

    before = {name for name, _ in _layers(loaded.model)}
    with contextlib.redirect_stdout(io.StringIO()):
        _, config = quantize_model(loaded.model, loaded.config, group, bits)
    left = [name for name, module in loaded.model.named_modules() if name in before and hasattr(module, "to_quantized")]
    if left:
        raise Refusal(f"groups of {group} do not divide the width of {left[0]}: it would be left as it is")
    mx.eval(loaded.model.parameters())
    found: dict[str, Any] = config
    return found
