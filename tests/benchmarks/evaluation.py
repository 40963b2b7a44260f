"""Scoring beside the plan's evaluation, one `generate` of 50 tokens a sample: time a row, accuracy on the same rows.

Two cases: the base after the plan's own prompt, where it does not stop by itself; and the tuned model after the prompt
it was tuned on, where it says its label and stops. Pairs on the same rows, interleaved; medians and quartiles. Ours
tokenises and scores (the loss is of an evaluation's first 10,000 rows, and left out here); answers are held against
those of one row at a time.

    python -P tests/benchmarks/evaluation.py [--pairs 7] [--rows 100] [--steps 200]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from operations import blas

blas.preload()

import mlx_lm  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from corpus_learnability import Bench  # noqa: E402

from operations.contract import Artefact  # noqa: E402
from operations.dataset import generate  # noqa: E402
from operations.files import digest  # noqa: E402
from operations.model import models, prompts  # noqa: E402
from operations.model.evaluation import answerers  # noqa: E402
from operations.model.rows import Row  # noqa: E402

TRAINED_ON = 2_000


def tuned(root: Path, steps: int) -> tuple[Path, Path]:
    """The rehearsal's base, and it after so many steps on the synthetic store."""
    patterns = generate.batch(1, 0, 0, TRAINED_ON)
    path = root / "train.jsonl"
    lines = [json.dumps({"prompt": p.payload, "completion": p.attack_type, "id": p.id}) + "\n" for p in patterns]
    path.write_text("".join(lines))
    sha256, size = digest(path)
    train = Artefact("train.jsonl", sha256, size, "given", "train")
    bench = Bench(root)
    _, base = bench.run("model.base", source=train, layers=3, heads=2, vocabulary=600)
    given = {"method": "full", "learning_rate": 6e-3, "batch": 32, "length": 48, "save_every": steps, "steps": steps}
    _, made = bench.run("model.finetune", model=base["model"], train=train, **given)
    return root / base["model"].path, root / made["checkpoint"].path


def plans_loop(loaded: models.Loaded, rows: Sequence[Row], ask: Callable[[Row], object]) -> tuple[int, int]:
    """The plan's loop, a sample at a time: rows right by its substring rule, and tokens said."""
    right = said = 0
    for row in rows:
        answer = mlx_lm.generate(loaded.model, loaded.tokenizer, prompt=ask(row), max_tokens=50, verbose=False)
        right += row.completion.lower() in answer.lower()
        said += len(loaded.tokenizer.encode(answer, add_special_tokens=False))
    return right, said


def scored(scoring: answerers.Scoring, rows: Sequence[Row]) -> list[int]:
    """Ours: the label of each row."""
    *_, (found, _) = scoring.answer(rows, answerers.LOSS_ROWS)
    return [int(label) for label in found.predicted]


def spread(values: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:10.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        base, trained = map(models.load, tuned(Path(directory), asked.steps))
    form = prompts.format_for(trained.tokenizer, trained.length)
    fresh = generate.batch(2, 7, 10_000_000, asked.pairs * asked.rows)
    rows = [Row(prompt=p.payload, payload=p.payload, completion=p.attack_type, id=p.id) for p in fresh]
    cases: dict[str, tuple[models.Loaded, Callable[[Row], object]]] = {
        "base, plan's prompt": (base, lambda row: answerers.PLAN_PROMPT.format(row.shown)),
        "tuned, own prompt": (trained, lambda row: form.prompt(row.prompt)[0]),
    }
    print(f"load {os.getloadavg()[0]:.1f}; {asked.pairs} pairs of {asked.rows} rows; BLAS {blas.preload()}")
    head = "".join(f"{name:>27}" for name in ("plan ms/row", "ours ms/row", "times", "times, CPU seconds"))
    print(f"{'case':24}{head}  plan right  ours right  tokens/answer")
    for case, (loaded, ask) in cases.items():
        scoring = answerers.Scoring(loaded, form, trained.labels, 64, 0, 16)
        plans_loop(loaded, rows[:3], ask)
        scored(scoring, rows[: asked.rows])
        ratios, of_cpu, theirs, ours, right, mine, tokens = [], [], [], [], 0, 0, 0
        for at in range(0, len(rows), asked.rows):
            some = rows[at : at + asked.rows]
            start, cpu = time.perf_counter(), time.process_time()
            hits, said = plans_loop(loaded, some, ask)
            between, cpu_between = time.perf_counter(), time.process_time()
            labels = scored(scoring, some)
            end, cpu_end = time.perf_counter(), time.process_time()
            of_cpu.append((cpu_between - cpu) / (cpu_end - cpu_between))
            theirs.append((between - start) / len(some) * 1e3)
            ours.append((end - between) / len(some) * 1e3)
            ratios.append(theirs[-1] / ours[-1])
            right, tokens = right + hits, tokens + said
            mine += sum(scoring.scorer.labels[label] == row.completion for label, row in zip(labels, some, strict=True))
            alone = [scored(scoring, [row])[0] for row in some[:5]]
            assert alone == labels[:5], "batching changed an answer"
        print(
            f"{case:24} {spread(theirs):>26} {spread(ours):>26} {spread(ratios):>26} {spread(of_cpu):>26}"
            f"  {right / len(rows):9.1%}  {mine / len(rows):9.1%}  {tokens / len(rows):.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
