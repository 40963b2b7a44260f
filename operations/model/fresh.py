"""A model asked in a process of its own: ``python -P -m operations.model.fresh MODEL QUESTIONS ANSWERS``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from operations import blas
from operations.contract import Refusal
from operations.files import write_atomic
from operations.model.tasks import Task

BATCH = 64


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: events of a task, the label set, and how many tokens an input has at most."""

    events: tuple[str, ...]
    labels: tuple[str, ...]
    task: Task
    length: int


def log_probabilities(model: Path, asked: Questions) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(events, labels) natural logarithms, asked in this process. Raises Refusal if it is no model."""
    from operations.model import models, prompts, scoring

    loaded = models.load(model)
    form = prompts.format_for(loaded.tokenizer, asked.length, asked.task)
    scorer = scoring.Scorer(loaded.model, form, asked.labels)
    ids = [made for made, _ in form.prompts(asked.events)]
    return np.concatenate([scorer.log_probabilities(ids[at : at + BATCH]) for at in range(0, len(ids), BATCH)])


def in_a_fresh_process(model: Path, asked: Questions, beside: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The same, asked in a new process; ``beside`` is a directory for what passes between the two.

    Raises Refusal with the last line that the process said, if it fails.
    """
    questions, answers = beside / "questions.json", beside / "answers.npy"
    write_atomic(questions, msgspec.json.encode(asked))
    command = [sys.executable, "-P", "-m", "operations.model.fresh", str(model), str(questions), str(answers)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise Refusal(f"{model.name} does not answer in a fresh process: {said[-1] if said else 'it said nothing'}")
    found: np.ndarray[Any, np.dtype[np.float64]] = np.load(answers, allow_pickle=False)
    questions.unlink()
    answers.unlink()
    return found


def main(model: str, questions: str, answers: str) -> None:
    """Answers the questions in a file."""
    blas.preload()
    asked = msgspec.json.decode(Path(questions).read_bytes(), type=Questions)
    np.save(answers, log_probabilities(Path(model), asked))


if __name__ == "__main__":
    main(*sys.argv[1:])
