"""Soft labels beside asking one at a time: the model's own generation, forced to 50 tokens an answer.

``python tests/benchmarks/soft_labels.py [--samples 2000] [--asked 12] [--rounds 5] [--layers 3] [--width 64]``. The two
take turns, so that what the machine does meanwhile meets both: the operation as a job of its own over all samples and
four tasks (its rate has tokenising, writing and putting the arrays together in it), then ``mlx_lm``'s generation for
some samples and the same tasks, the model loaded, each prompt as tokens already. The first token's log probabilities of
each generation are compared with what was kept. The teacher is random: neither side's time depends on what it knows.
Asked: at least 20 times as many answers a second. Exit status 1 if not.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from operations import blas, events, job

blas.preload()

import mlx.core as mx  # noqa: E402
import msgspec  # noqa: E402
import numpy as np  # noqa: E402
from mlx_lm.generate import generate_step  # noqa: E402

from operations.contract import Artefact  # noqa: E402
from operations.dataset import generate  # noqa: E402
from operations.files import digest  # noqa: E402
from operations.model import exported, making, models, prompts  # noqa: E402
from operations.model.base import Parameters as Shape  # noqa: E402
from operations.model.distillation import soft_store  # noqa: E402
from operations.model.soft_labels import TASKS  # noqa: E402

TOKENS = 50
LENGTH = 64
ASKED = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--asked", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory), given.samples, given.layers, given.width)
        found: dict[str, list[float]] = {"one at a time": [], "soft labels": []}
        for number in range(given.rounds):
            rate, store = bench.labelled(number)
            found["soft labels"].append(rate)
            found["one at a time"].append(bench.generated(store, given.asked, number))
    ratios = [a / b for a, b in zip(found["soft labels"], found["one at a time"], strict=True)]
    load = os.getloadavg()[0]
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {load:.1f}; {bench.device}, {bench.weights:,} weights")
    print(f"{given.samples} samples, {len(TASKS)} tasks, {given.rounds} rounds")
    print("answers/s: median (lowest to highest)")
    for name, rates in found.items():
        print(f"  {name:16} {statistics.median(rates):9.1f}  ({min(rates):.1f} to {max(rates):.1f})")
    ratio = statistics.median(ratios)
    verdict = "met" if ratio >= ASKED else "NOT MET"
    print(
        f"soft labels, times one at a time: {ratio:.1f} ({min(ratios):.1f} to {max(ratios):.1f}), "
        f"asked {ASKED}: {verdict}"
    )
    print(f"largest difference of a log probability: {bench.worst:.1e}")
    return 0 if ratio >= ASKED and bench.worst < 1e-2 else 1


class Bench:
    """A host's root with a random teacher and a dataset."""

    def __init__(self, root: Path, samples: int, layers: int, width: int) -> None:
        self._root = root
        (dataset := root / "dataset").mkdir()
        patterns = generate.batch(1, 0, 0, samples)
        encoder = msgspec.json.Encoder()
        (dataset / exported.TRAINING).write_bytes(b"".join(encoder.encode(p) + b"\n" for p in patterns))
        making.make(root / "base", dataset / exported.TRAINING, Shape(layers=layers, width=width, heads=2))
        base = models.load(root / "base")
        known = {task: tuple(sorted({getattr(p, task) for p in patterns})) for task in TASKS}
        models.save(root / "teacher", base, models.weights_of(base.model), known, LENGTH)
        self._loaded = models.load(root / "teacher")
        self._given = {name: self._artefact(root / name) for name in ("teacher", "dataset")}
        self._payloads = [p.payload for p in patterns]
        self.weights = models.count(self._loaded.model)[0]
        self.device = str(mx.default_device())
        self.worst = 0.0

    def labelled(self, number: int) -> tuple[float, soft_store.Store]:
        """Soft labels a second of a job of its own, and what it left."""
        made = job.JobFile(id=f"soft-{number}", task="T", operation="model.soft_labels", parameters=self._given)
        directory = job.claim(self._root, made)
        subprocess.run([sys.executable, "-P", "-m", "operations", "run", str(directory)], check=True)
        told = [events.decode(line) for line in (directory / job.EVENTS).read_bytes().splitlines()]
        rate = next(e.value for e in told if isinstance(e, events.Measured) and e.name == "rate")
        path = next(e.path for e in told if isinstance(e, events.Made) and e.name == "soft_labels")
        assert isinstance(rate, float)
        return rate, soft_store.Store(self._root / path)

    def generated(self, store: soft_store.Store, asked: int, number: int) -> float:
        """Answers a second of one generation after another."""
        chosen = range(number * asked, (number + 1) * asked)
        forms = {task: prompts.format_for(self._loaded.tokenizer, LENGTH, task) for task in TASKS}
        made = [(task, row, mx.array(forms[task].prompt(self._payloads[row])[0])) for row in chosen for task in TASKS]
        first: list[tuple[Any, int, mx.array]] = []
        start = time.perf_counter()
        for task, row, prompt in made:
            for count, (_, logs) in enumerate(generate_step(prompt, self._loaded.model, max_tokens=TOKENS)):
                if count == 0:
                    first.append((task, row, logs))
        seconds = time.perf_counter() - start
        for task, row, logs in first:
            taught = store.task(task)
            kept = taught.logits[row, 0] - taught.logsumexp[row, 0]
            apart = np.abs(kept - np.array(logs)[taught.tokens[row, 0]]).max()
            self.worst = max(self.worst, float(apart))
        return len(made) / seconds

    def _artefact(self, path: Path) -> dict[str, Any]:
        sha256, size = digest(path)
        found: dict[str, Any] = msgspec.to_builtins(Artefact(path.name, sha256, size, "given", path.name))
        return found


if __name__ == "__main__":
    sys.exit(main())
