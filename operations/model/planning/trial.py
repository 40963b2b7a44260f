"""One training step in a process of its own, told in lines of JSON: what ends it ends nobody else.

It loads the base model, asks it once, builds the training by its configuration, and takes two steps: one on the first
rows, and one on a batch in which every input is as long as the configuration allows. Only then is it known whether
the batch fits the memory.
"""

from __future__ import annotations

import itertools
import math
import resource
import sys
from pathlib import Path
from typing import Any

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """What comes on standard input; the values are paths."""

    model: str
    train: str
    configuration: str


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The base is loaded and has answered. Sizes in bytes; ``limit`` is what a GPU may take, None without one."""

    device: str
    gpu: bool
    weights: int
    size: int
    layers: int | None
    width: int | None
    heads: int | None
    limit: int | None


class Built(msgspec.Struct, frozen=True, tag="built"):
    """The training is built: bytes of a checkpoint, of the weights that are trained, and of the optimizer's state."""

    checkpoint: int
    trained: int
    optimizer: int
    size: int
    """Of all weights, adapters among them."""


class Stepped(msgspec.Struct, frozen=True, tag="stepped"):
    """Both steps were taken: the first one's loss and norm, the second one's seconds, the peak of memory in bytes.

    A loss that is not finite is None.
    """

    loss: float | None
    norm: float | None
    seconds: float
    peak: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """It can't be done, and why."""

    reason: str


Said = Loaded | Built | Stepped | Refused


def main() -> int:
    """Does what standard input asks and tells on standard output."""
    from operations import blas
    from operations.contract import Refusal

    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    blas.preload()
    try:
        _try(asked)
    except Refusal as refusal:
        _say(Refused(str(refusal)))
    return 0


def _try(asked: Asked) -> None:
    import mlx.core as mx

    from operations.contract import Refusal
    from operations.model import configuration as configurations
    from operations.model import machine, models, prompts, rows, tasks
    from operations.model.learning import tuning
    from operations.model.learning.training import Example, Training, collate

    loaded = models.load(Path(asked.model))
    settings = configurations.read(Path(asked.configuration))
    hyper = settings.hyperparameters
    form = prompts.format_for(loaded.tokenizer, settings.model.length)
    some = list(itertools.islice(rows.each(Path(asked.train), tasks.FIRST), hyper.batch_size))
    if not some:
        raise Refusal(f"{Path(asked.train).name} has no rows")
    if not mx.isfinite(loaded.model(mx.array([form.prompt(some[0].prompt)[0]]))).all().item():
        raise Refusal("what the base model answers is not finite")
    gpu = machine.has_gpu()
    device = mx.device_info() if gpu else {}
    limit = device.get("max_recommended_working_set_size") or device.get("memory_size")
    _say(
        Loaded(
            device=machine.device(),
            gpu=gpu,
            weights=models.count(loaded.model)[0],
            size=_bytes(loaded.model.parameters()),
            layers=loaded.config.get("num_hidden_layers"),
            width=loaded.config.get("hidden_size"),
            heads=loaded.config.get("num_attention_heads"),
            limit=int(limit) if limit else None,
        )
    )
    examples = tuning.examples(form, some)
    examples = list(itertools.islice(itertools.cycle(examples), hyper.batch_size))
    longest = [Example(tuple(itertools.islice(itertools.cycle(e.prompt), form.length)), e.answer) for e in examples]

    class Two:
        """The real batch, and the longest possible."""

        def batch(self, step: int) -> Any:
            return collate(examples if step == 1 else longest)

    mixed = gpu and settings.hardware.mixed_precision
    training = Training(loaded.model, settings, Two(), precision=mx.bfloat16 if mixed else None)
    _say(
        Built(
            checkpoint=_bytes(models.weights_of(training.model)),
            trained=_bytes(training.weights()),
            optimizer=_bytes(training.optimizer_state()),
            size=_bytes(loaded.model.parameters()),
        )
    )
    first, last = training.steps(2)
    fine = math.isfinite(first.loss) and math.isfinite(first.norm)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1_024)
    peak = max(int(mx.get_peak_memory()), 0 if gpu and sys.platform != "darwin" else used)
    _say(Stepped(first.loss if fine else None, first.norm if fine else None, last.seconds, peak))


def _bytes(arrays: Any) -> int:
    from mlx.utils import tree_flatten

    return sum(int(array.nbytes) for _, array in tree_flatten(arrays))


def _say(said: Said) -> None:
    # Libraries print too: a line of ours is one that begins with a brace and can be read.
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
