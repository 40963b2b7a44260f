"""How fast a training goes beside mlx_lm's: a step on the identical batch, and a whole training on the same short rows.

Prints a table. A step: tokens a second (padding not counted) of ours and of `mlx_lm.tuner.trainer`'s loss with the same
optimizer, in turns, with its compilation and without; the losses must be equal to 1e-5. End to end: the seconds of
`mlx_lm.lora` as a command, and of the jobs model.prepare and model.train, on the same rows, adapters and steps. Then
how long a stopped training takes from its start to its next step, beside loading the model.

    python -P tests/benchmarks/training_speed.py [--rounds 30] [--pairs 3] [--steps 150] [--width 64] [--layers 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from operations import blas, events, job
from operations.contract import Artefact
from operations.dataset import generate

blas.preload()

import mlx.core as mx  # noqa: E402
import mlx.optimizers as optim  # noqa: E402
import numpy as np  # noqa: E402
from mlx import nn  # noqa: E402
from mlx_lm.tuner.trainer import default_loss  # noqa: E402

from operations.files import digest  # noqa: E402
from operations.model import configuration, models  # noqa: E402
from operations.model.learning import streams, tokens  # noqa: E402
from operations.model.learning.training import LORA_SCALE, Example, Training, collate  # noqa: E402

ROWS, BATCH, RATE, LENGTH, RANK = 3_000, 32, 1e-3, 48, 8
LORA = "from operations import blas; blas.preload(); from mlx_lm.lora import main; main()"


class Bench:
    """Jobs on one root, one after the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def run(self, operation: str, resume: tuple[Artefact, ...] = (), **parameters: Any) -> tuple[float, dict, dict]:
        """A real job's seconds, measures, and artefacts by name. Raises SystemExit if it does not end well."""
        self.count += 1
        plain = {name: msgspec.to_builtins(value) for name, value in parameters.items()}
        name = f"job-{self.count}"
        directory = job.claim(
            self.root, job.JobFile(id=name, task="B", operation=operation, parameters=plain, resume=resume)
        )
        start = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-m", "operations", "run", str(directory)], check=False)
        seconds = time.perf_counter() - start
        measures: dict[str, Any] = {"first_step": None}
        made: dict[str, list[Artefact]] = {}
        for line in (directory / job.EVENTS).read_bytes().splitlines():
            event = events.decode(line)
            if isinstance(event, events.Measured):
                measures[event.name] = event.value
            elif isinstance(event, events.Metric) and measures["first_step"] is None:
                measures["first_step"] = event.t
            elif isinstance(event, events.Made):
                made.setdefault(event.name, []).append(Artefact(event.path, event.sha256, event.size, name, event.name))
            elif isinstance(event, events.Finished) and event.outcome == "failed":
                raise SystemExit(f"{operation}: {event.reason}")
        return seconds, measures, made


def spread(values: list[float], unit: str = "") -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.2f} [{low:,.2f} to {high:,.2f}]{unit}"


def theirs(batch: Any, examples: list[Example]) -> tuple[mx.array, mx.array]:
    """The same rows as mlx_lm's loss takes them. It counts one token of padding a row unless the length is one less."""
    whole = np.zeros((batch.ids.shape[0], batch.ids.shape[1] + 1), np.int32)
    lengths = []
    for row, example in enumerate(examples):
        said = (*example.prompt, *example.answer)
        whole[row, : len(said)] = said
        lengths.append((len(example.prompt), len(said) - 1))
    return mx.array(whole), mx.array(lengths)


def their_step(model: Any) -> Any:
    """mlx_lm's step as its trainer makes it, with the optimizer of ours."""
    optimizer = optim.AdamW(learning_rate=RATE, weight_decay=0.01, bias_correction=True)
    value_and_grad = nn.value_and_grad(model, default_loss)
    state = [model.state, optimizer.state, mx.random.state]

    def step(ids: mx.array, lengths: mx.array) -> mx.array:
        (loss, _), gradient = value_and_grad(model, ids, lengths)
        optimizer.update(model, gradient)
        return loss

    compiled = mx.compile(step, inputs=state, outputs=state)

    def take(ids: mx.array, lengths: mx.array) -> float:
        model.train()
        loss = compiled(ids, lengths)
        mx.eval(state, loss)
        return loss.item()

    return take


def steps(base: Path, store: tokens.Store, rounds: int) -> None:
    """Steps of both in turns on the same batches, from the same weights, with the same losses."""
    settings = configuration.Configuration(
        model=configuration.Model(method="full", length=LENGTH),
        hyperparameters=configuration.Hyperparameters(learning_rate=RATE, batch_size=BATCH, clip=0.0),
    )
    loaded = models.load(base)
    asking = streams.Asking(loaded.tokenizer, LENGTH, store.index.labels)
    stream = streams.Stream(store.train, asking, streams.WEIGHTS, size=BATCH, seed=1)
    ours = Training(loaded.model, settings, stream)
    others = {name: models.load(base).model for name in ("mlx_lm", "mlx_lm, compiled")}
    takers = {}
    for name, model in others.items():
        model.unfreeze()
        takers[name] = their_step(model)
    rates: dict[str, list[float]] = {"ours": [], **{name: [] for name in takers}}
    worst = 0.0
    for step in range(1, rounds + 6):
        rows, asked = stream.rows(step)
        examples = [stream._example(int(row), int(task)) for row, task in zip(rows, asked, strict=True)]
        given = theirs(collate(examples), examples)
        losses, seconds = {}, {}
        for name in list(rates) if step % 2 else list(reversed(rates)):
            if name == "ours":
                found = next(ours.steps(step))
                losses[name], seconds[name] = found.loss, found.seconds
                count = found.tokens
                continue
            (mx.enable_compile if name.endswith("compiled") else mx.disable_compile)()
            start = time.perf_counter()
            losses[name] = takers[name](*given)
            seconds[name] = time.perf_counter() - start
            mx.disable_compile()
        worst = max(worst, *(abs(losses["ours"] - losses[name]) for name in takers))
        if step > 5:
            for name, values in rates.items():
                values.append(count / seconds[name])
    print(f"step on {BATCH} rows, loss differs by at most {worst:.1e} (bound 1e-5)")
    for name, values in rates.items():
        ratios = [ours_ / theirs_ for ours_, theirs_ in zip(rates["ours"], values, strict=True)]
        print(f"  {name:18} {spread(values, ' tokens/s'):42} ours over it {spread(ratios)} (bound 0.95)")
    if worst > 1e-5:
        raise SystemExit("the losses differ")


def whole(bench: Bench, base: Artefact, dataset: Artefact, patterns: list[dict], count: int, pairs: int) -> Artefact:
    """Both trainings as commands, in turns."""
    data = bench.root / "lora"
    data.mkdir()
    text = "".join(json.dumps({"prompt": p["payload"], "completion": p["attack_type"]}) + "\n" for p in patterns)
    for name in ("train", "valid"):
        (data / f"{name}.jsonl").write_text(text)
    (data / "lora.yaml").write_text(
        f"lora_parameters: {{rank: {RANK}, scale: {LORA_SCALE}, dropout: 0.0}}\nmask_prompt: true\noptimizer: adamw\n"
    )
    command = [sys.executable, "-P", "-c", LORA, "--model", str(bench.root / base.path), "--train", "--data", str(data)]
    command += ["--iters", str(count), "--batch-size", str(BATCH), "--learning-rate", str(RATE), "--num-layers", "-1"]
    command += ["--val-batches", "1", "--steps-per-eval", str(count), "--save-every", str(count)]
    command += ["--steps-per-report", str(count), "--adapter-path", str(bench.root / "adapters")]
    command += ["-c", str(data / "lora.yaml")]
    settings = configuration.Configuration(
        model=configuration.Model(method="lora", rank=RANK, adapted_layers=64, length=LENGTH),
        data=configuration.Data(tasks={"attack_type": 1.0}),
        hyperparameters=configuration.Hyperparameters(
            learning_rate=RATE, batch_size=BATCH, max_steps=count, num_epochs=1
        ),
        checkpointing=configuration.Checkpointing(save_every=count, resume_every=count, keep_last_n=5),
        monitoring=configuration.Monitoring(log_every=count, eval_every=count, validation_samples=BATCH),
    )
    path = bench.root / "configuration.json"
    configuration.write_planned(path, settings)
    sha256, size = digest(path)
    configured = Artefact(path.name, sha256, size, "given", "configuration")
    taken: dict[str, list[float]] = {"mlx_lm.lora": [], "mlx_lm.lora, not compiled": [], "ours": [], "prepare": []}
    for _ in range(pairs):
        for name, environment in (("mlx_lm.lora", {}), ("mlx_lm.lora, not compiled", {"MLX_DISABLE_COMPILE": "1"})):
            start = time.perf_counter()
            subprocess.run(command, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
            taken[name].append(time.perf_counter() - start)
        seconds, _, made = bench.run("model.prepare", model=base, dataset=dataset, configuration=configured)
        taken["prepare"].append(seconds)
        prepared = made["tokens"][0]
        seconds, _, _ = bench.run("model.train", model=base, tokens=prepared, configuration=configured)
        taken["ours"].append(seconds)
    print(f"{count} steps of {BATCH} rows with adapters, whole commands")
    for name, values in taken.items():
        print(f"  {name:26} {spread(values, ' s')}")
    faster = [min(pair) for pair in zip(taken["mlx_lm.lora"], taken["mlx_lm.lora, not compiled"], strict=True)]
    alone = [theirs_ / ours for theirs_, ours in zip(faster, taken["ours"], strict=True)]
    both = [t / (o + p) for t, o, p in zip(faster, taken["ours"], taken["prepare"], strict=True)]
    print(
        f"  the faster of mlx_lm's over model.train {spread(alone)} (bound 1.5), over prepare and train {spread(both)}"
    )
    return prepared


def resumed(bench: Bench, base: Artefact, prepared: Artefact) -> None:
    """From a resumed job's start to its first new step, beside a job that loads the model."""
    given = {"model": base, "tokens": prepared, "method": "full", "batch": BATCH, "length": LENGTH, "resume_every": 10}
    given |= {"steps": 20, "validation_samples": 10, "save_every": 20}
    _, _, made = bench.run("model.train", **given)
    state = made["state"][0]
    first, loading = [], []
    for _ in range(3):
        seconds, _, _ = bench.run("model.load", model=base)
        loading.append(seconds)
        start = time.time()
        _, measures, _ = bench.run("model.train", resume=(state,), **given)
        assert measures["resumed_from"] == 10
        first.append(measures["first_step"] - start)
    print(
        f"resume to the next step {spread(first, ' s')}, loading alone {spread(loading, ' s')} (bound: loading + 3 s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("rounds", 30), ("pairs", 3), ("steps", 150), ("width", 64), ("layers", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    print(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {blas.preload() or 'the wheel' + chr(39) + 's BLAS'}"
    )
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root).resolve())
        patterns = msgspec.to_builtins(generate.batch(1, 0, 0, ROWS))
        directory = bench.root / "dataset"
        directory.mkdir()
        for file, some in (("training_8m", patterns), ("validation_1m", patterns[:200])):
            (directory / f"{file}.jsonl").write_text("".join(json.dumps(p) + "\n" for p in some))
        sha256, size = digest(directory)
        dataset = Artefact("dataset", sha256, size, "given", "dataset")
        train = directory / "training_8m.jsonl"
        source = Artefact("dataset/training_8m.jsonl", *digest(train), "given", "train")
        _, _, made = bench.run(
            "model.base", source=source, layers=asked.layers, width=asked.width, heads=2, vocabulary=600
        )
        base = made["model"][0]
        prepared = whole(bench, base, dataset, patterns, asked.steps, asked.pairs)
        steps(bench.root / base.path, tokens.Store(bench.root / prepared.path), asked.rounds)
        resumed(bench, base, prepared)


if __name__ == "__main__":
    main()
