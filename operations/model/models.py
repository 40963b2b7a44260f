"""Model directories: loading, saving whole, counting, digesting."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten

from operations.contract import Refusal
from operations.files import fsync_directory
from operations.model import machine, tasks
from operations.model.tasks import Task

LABELS = "labels.json"
"""In a checkpoint: the label set of each task it was trained on, and the length of its inputs."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that can answer. ``tasks`` (labels by task) and ``length`` are what its checkpoint says, or {} and 0."""

    model: Any
    tokenizer: Any
    config: dict[str, Any]
    path: Path
    tasks: Mapping[Task, tuple[str, ...]]
    length: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the first task, or () where the checkpoint names none."""
        return self.tasks.get(tasks.FIRST, ())


def load(path: Path) -> Loaded:
    """Loads a directory with mlx_lm, offline; on a CPU in float32, where nothing else is fast.

    Raises Refusal, naming the directory, if it is no model.
    """
    if not (path / "config.json").is_file():
        raise Refusal(f"{path.name} is no model: it has no config.json")
    if not machine.has_gpu():
        # On a CPU each fused kernel is built with g++ first: 14 s for a training step, to save a fifth of its time.
        mx.disable_compile()
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    import mlx_lm
    from mlx_lm.utils import dequantize_model

    try:
        model, tokenizer, config = mlx_lm.load(str(path), return_config=True)
    except Exception as error:
        # mlx_lm raises whatever its parts do at a broken directory; none of it is a fault of ours.
        raise Refusal(f"{path.name} can't be loaded as a model: {_one_line(error)}") from error
    if not machine.has_gpu():
        if "quantization" in config:
            model = dequantize_model(model)
            for key in ("quantization", "quantization_config"):
                config.pop(key, None)
        model.set_dtype(mx.float32)
    model.eval()
    mx.eval(model.parameters())
    known, length = labels_of(path)
    return Loaded(model, tokenizer, config, path, known, length)


def count(model: nn.Module) -> tuple[int, int]:
    """The number of weights, and of those that are not token embeddings (input or output)."""
    from mlx_lm.utils import get_total_parameters

    embedding = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding | nn.QuantizedEmbedding) or name == "lm_head"
    ]
    total = int(get_total_parameters(model))
    return total, total - sum(map(_size, embedding))


def head(model: Any) -> Callable[[mx.array], mx.array] | None:
    """What turns the last hidden states (..., width) into logits (..., vocabulary), if the model is so made.

    Checked on one input against the whole model; None if the two differ, as where logits are scaled or capped.
    """
    body = getattr(model, "model", None)
    embedding = getattr(body, "embed_tokens", None)
    if body is None or embedding is None:
        return None
    found: Callable[[mx.array], mx.array] = model.lm_head if "lm_head" in model else embedding.as_linear
    ids = mx.array([[1, 2, 3]])
    whole, ours = model(ids), found(body(ids))
    if whole.shape != ours.shape or not mx.allclose(whole, ours, rtol=1e-3, atol=1e-3).item():
        return None
    return found


def weights_digest(weights: Mapping[str, mx.array]) -> str:
    """SHA-256 over name, type, shape and bytes of each array, in the names' order."""
    hasher = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name]
        hasher.update(f"{name} {array.dtype} {list(array.shape)}\n".encode())
        hasher.update(memoryview(mx.contiguous(array).view(mx.uint8)))  # type: ignore[arg-type]  # it is a buffer
    return hasher.hexdigest()


def weights_of(model: nn.Module) -> dict[str, mx.array]:
    """The weights as a checkpoint holds them: low-rank adapters, if there are any, added in."""
    from mlx_lm.tuner.lora import LoRALinear

    adapted = {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}
    found: dict[str, mx.array] = {}
    for name, array in tree_flatten(model.parameters()):
        owner = next((a for a in adapted if name.startswith(f"{a}.")), None)
        if owner is None:
            found[name] = array
    for name, module in adapted.items():
        for part, array in tree_flatten(module.fuse(dequantize=True).parameters()):
            found[f"{name}.{part}"] = array
    return found


def save(
    path: Path, loaded: Loaded, weights: Mapping[str, mx.array], known: Mapping[Task, tuple[str, ...]], length: int
) -> None:
    """Writes a directory that mlx_lm loads, whole or not at all: config, weights in shards, the base's tokenizer."""
    from mlx_lm.utils import make_shards, save_config

    with whole_directory(path) as new:
        shards = make_shards(dict(weights))
        index: dict[str, str] = {}
        for number, shard in enumerate(shards, 1):
            name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            mx.save_safetensors(str(new / name), shard, metadata={"format": "mlx"})
            index |= dict.fromkeys(shard, name)
        size = sum(array.nbytes for array in weights.values())
        described = {"metadata": {"total_size": size}, "weight_map": dict(sorted(index.items()))}
        (new / "model.safetensors.index.json").write_text(json.dumps(described, indent=1))
        save_config(dict(loaded.config), new / "config.json")
        for file in sorted(loaded.path.iterdir()):
            if (
                file.is_file()
                and file.suffix not in {".safetensors", ".gguf", ".bin"}
                and not (new / file.name).exists()
            ):
                shutil.copyfile(file, new / file.name)
        if known:
            (new / LABELS).write_text(json.dumps({"length": length, "tasks": dict(known)}, indent=1))


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """A directory to fill that takes ``path``'s place, flushed to the disk, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        for file in new.rglob("*"):
            if file.is_file():
                with file.open("rb+") as stream:
                    os.fsync(stream.fileno())
        fsync_directory(new)
        if path.exists():
            shutil.rmtree(path)
        new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    fsync_directory(path.parent)


def _size(module: Any) -> int:
    # A quantised module packs several weights into one number.
    packed = 32 // module.bits if isinstance(module, nn.QuantizedEmbedding | nn.QuantizedLinear) else 1
    return int(module.weight.size) * packed


def labels_of(path: Path) -> tuple[dict[Task, tuple[str, ...]], int]:
    """The labels of each task a checkpoint was trained on, and its inputs' length; {} and 0 where it tells none.

    Raises Refusal if its labels.json is broken.
    """
    try:
        found = json.loads((path / LABELS).read_bytes())
        named = found["tasks"]
        if strange := set(named) - set(tasks.TASKS):
            raise ValueError(f"no such task: {', '.join(sorted(strange))}")
        return {task: tuple(map(str, named[task])) for task in tasks.TASKS if task in named}, int(found["length"])
    except FileNotFoundError:
        return {}, 0
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path.name}/{LABELS} is broken: {_one_line(error)}") from None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:300]
