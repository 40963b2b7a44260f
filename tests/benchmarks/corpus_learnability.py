"""How hard the synthetic store is and how well the small base learns it: real jobs of the shipped operations.

Prints a table, a row a seed: accuracy after the reality check on its own validation rows and on 2,000 fresh rows of the
same make (a seventh from templates that training has not), beside the rivals fitted on the same training rows.

    python -P tests/benchmarks/corpus_learnability.py [--seeds 1 2 3] [--samples 1000] [--steps 500] [--rate 8e-3]
    GLADIATOR_NO_BLAS=1 python -P tests/benchmarks/corpus_learnability.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from operations import events, job
from operations.contract import Artefact
from operations.dataset import records, rivals

FRESH = 2_000


class Bench:
    """Jobs on one root, one after the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def run(self, operation: str, **parameters: Any) -> tuple[dict[str, Any], dict[str, Artefact]]:
        """A real job's measures and last artefacts by name. Raises SystemExit if it does not end done."""
        self.count += 1
        plain = {name: msgspec.to_builtins(value) for name, value in parameters.items()}
        described = job.JobFile(id=f"job-{self.count}", task="B", operation=operation, parameters=plain)
        directory = job.claim(self.root, described)
        subprocess.run([sys.executable, "-P", "-m", "operations", "run", str(directory)], check=False)
        measures: dict[str, Any] = {}
        made: dict[str, Artefact] = {}
        for line in (directory / job.EVENTS).read_bytes().splitlines():
            event = events.decode(line)
            if isinstance(event, events.Measured):
                measures[event.name] = event.value
            elif isinstance(event, events.Made):
                made[event.name] = Artefact(event.path, event.sha256, event.size, described.id, event.name)
            elif isinstance(event, events.Finished) and event.outcome != "done":
                raise SystemExit(f"{operation}: {event.outcome}: {event.reason}")
        return measures, made


def rows(bench: Bench, artefact: Artefact) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bench.root / artefact.path).read_bytes().splitlines()]


def fresh(bench: Bench, seed: int, training: list[dict[str, Any]]) -> Artefact:
    """Validation rows of another store, none of which is in training."""
    _, made = bench.run("dataset.corpus", patterns=40 * FRESH, shift=0, seed=seed)
    _, made = bench.run("dataset.sample", source=made["patterns"], samples=10 * FRESH, seed=seed, name="fresh")
    _, made = bench.run(
        "dataset.split", dataset=made["dataset"], validation=FRESH, seed=seed, rival_rows=100, name="fresh"
    )
    known = {records.normal(row["prompt"]) for row in training}
    kept = [row for row in rows(bench, made["validation"]) if records.normal(row["prompt"]) not in known]
    path = bench.root / f"fresh-{seed}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    return Artefact(path.name, *msgspec.to_builtins(_digest(path)), "given", "validation")


def _digest(path: Path) -> tuple[str, int]:
    from operations.files import digest

    return digest(path)


def beside(training: list[dict[str, Any]], asked: list[dict[str, Any]]) -> dict[str, float]:
    """The rivals' accuracy on ``asked``."""
    payloads = [row["prompt"] for row in training]
    labels = [row["completion"] for row in training]
    found = {}
    for name, rival in (
        ("majority", rivals.majority(labels)),
        ("keyword", rivals.keyword(labels)),
        ("ngrams", rivals.ngrams(payloads, labels)),
    ):
        assert rival
        answers = rival([row["prompt"] for row in asked])
        found[name] = sum(a == row["completion"] for a, row in zip(answers, asked, strict=True)) / len(asked)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rate", type=float, default=8e-3)
    parser.add_argument("--schedule", default="cosine")
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=1_000)
    given = parser.parse_args()
    head = (
        "seed train steps   own n   own  fresh n  fresh  plain   hard   comb  shift major  kword ngrams   loss train s"
    )
    print(head, flush=True)
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as directory:
            bench = Bench(Path(directory))
            _, store = bench.run("dataset.corpus", patterns=20 * given.samples, shift=200, seed=seed)
            _, sample = bench.run("dataset.sample", source=store["patterns"], samples=given.samples, seed=seed)
            _, split = bench.run(
                "dataset.split", dataset=sample["dataset"], shift=store["shift"], seed=seed,
                validation=given.samples // 10, rival_rows=100,
            )  # fmt: skip
            training = rows(bench, split["train"])
            unseen = fresh(bench, seed + 1_000, training)
            _, base = bench.run(
                "model.base",
                source=split["train"],
                seed=seed,
                layers=given.layers,
                heads=given.heads,
                vocabulary=given.vocabulary,
            )
            _, setting = bench.run(
                "model.configure", model=base["model"], train=split["train"], method="full", learning_rate=given.rate,
                steps=given.steps, save_every=given.steps, resume_every=given.steps, length=48, seed=seed,
                schedule=given.schedule, warmup=given.warmup, weight_decay=given.decay,
            )  # fmt: skip
            began = time.perf_counter()
            trained, tuned = bench.run(
                "model.finetune", model=base["model"], train=split["train"], configuration=setting["configuration"]
            )
            seconds = time.perf_counter() - began
            score = {"model": tuned["checkpoint"], "generations": 0}
            own, _ = bench.run("model.evaluate", validation=split["validation"], shift=split["shift"], **score)
            far, _ = bench.run("model.evaluate", validation=unseen, **score)
            asked = rows(bench, unseen)
            other = beside(training[:20_000], asked)
            hard = sum(bool(row["hard"]) for row in asked)
            plain = (far["correct"] - far["hard"] * hard) / (len(asked) - hard)
            print(
                f"{seed:4} {len(training):5} {given.steps:5} {own['total']:7} {own['accuracy']:.3f} {len(asked):8} "
                f"{far['accuracy']:6.3f} {plain:6.3f} {far['hard']:6.3f} {far['combination']:6.3f} {own['shift']:6.3f} "
                f"{other['majority']:5.3f} {other['keyword']:6.3f} {other['ngrams']:6.3f} {trained['final_loss']:6.3f} "
                f"{seconds:7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
