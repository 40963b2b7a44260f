"""Chooses the checkpoint by evidence, makes the finished model of it, and asks that model again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlx.core as mx
import numpy as np

from operations import job
from operations.contract import Artefact, Context, Refusal
from operations.model import fresh, models
from operations.model.evaluation import metadata, results
from operations.model.evaluation.sampling import Split, split_file
from operations.model.oversight.attempts import BEST, CHECKPOINT, Run, run_of
from operations.model.oversight.ending import DAY

if TYPE_CHECKING:
    from operations.model.finalise import Parameters

CLOSE = 1e-3
"""Of a probability, and of its logarithm in nats: what other padding and another process may change."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A checkpoint and what is known of it: ``found`` are its results on the test split, ``written`` their SHA-256."""

    artefact: Artefact
    step: int | None
    validation: float | None
    found: results.Results | None
    written: str = ""

    @property
    def about(self) -> str:
        """In words."""
        step = "of a step that no event tells" if self.step is None else f"of step {self.step:,}"
        validation = "not validated" if self.validation is None else f"validation {self.validation:.2%}"
        test = f"test {self.found.accuracy:.2%} of {self.found.total:,}" if self.found else "not evaluated"
        return f"{Path(self.artefact.path).name} {step}: {test}, {validation}"


def finalise(context: Context, parameters: Parameters) -> None:
    """Chooses, copies, describes, compares."""
    run = run_of([context.observed(name) for name in parameters.training.jobs])
    candidates = _candidates(context, parameters, run)
    chosen = _choose(context, candidates)
    found = chosen.found
    assert found is not None, "only what was evaluated is chosen"
    source = context.input(chosen.artefact)
    if (source / "adapters.safetensors").exists():
        raise Refusal(f"{source.name} holds adapters beside its base: fuse them first")
    path = context.output(f"{parameters.model_name.lower()}-v{parameters.version}")
    described = _describe(context, parameters, run, run.attempts[0].directory, chosen, found)
    with models.whole_directory(path) as new:
        # Checkpoints are written with their adapters fused (`models.weights_of`), so that a copy is exact.
        for file in sorted(source.iterdir()):
            shutil.copyfile(file, new / file.name)
        metadata.write(new / metadata.NAME, described)
    _compare(context, source, path, found)
    context.measure("checkpoint", chosen.about)
    context.measure("step", chosen.step, reason="" if chosen.step is not None else "no event of the training tells")
    context.measure("candidates", len(candidates))
    context.measure("test_accuracy", found.accuracy, n=found.total, count=found.correct)
    context.measure("keys", described.known)
    made = context.artefact("model", path)
    context.measure("size", made.size)
    context.artefact("metadata", path / metadata.NAME)


def _candidates(context: Context, parameters: Parameters, run: Run) -> list[Candidate]:
    read = [(a.sha256, results.read(context.input(a))) for a in (parameters.results, parameters.other_results) if a]
    for _, found in read:
        if found.split != "test" or found.method != "score":
            raise Refusal("results that choose a checkpoint must be scores on the test split")
        if found.inputs.get("dataset") != parameters.dataset.sha256:
            raise Refusal("the results are of another data set than the one given")
    steps = {made.sha256: step for name in (CHECKPOINT, BEST) for step, made in run.made(name).items()}
    validation = run.values("val_accuracy")
    made = {}
    for artefact in (parameters.best, parameters.checkpoint):
        if artefact is not None and artefact.sha256 not in made:
            step = steps.get(artefact.sha256)
            value = validation.get(step) if step is not None else None
            written, mine = next((r for r in read if r[1].inputs.get("model") == artefact.sha256), ("", None))
            made[artefact.sha256] = Candidate(artefact, step, value, mine, written)
    return list(made.values())


def _choose(context: Context, candidates: list[Candidate]) -> Candidate:
    """The one with the best accuracy on the test split; of equals the one that was best on validation."""
    for candidate in candidates:
        context.log(candidate.about)
    evaluated = [(c.found.accuracy, -i, c) for i, c in enumerate(candidates) if c.found]
    if not evaluated:
        raise Refusal("no candidate was evaluated: the results are of another model than best and checkpoint")
    return max(evaluated)[2]


def _describe(
    context: Context, parameters: Parameters, run: Run, begun: Path, chosen: Candidate, found: results.Results
) -> metadata.Metadata:
    directory = context.input(parameters.dataset)
    splits: tuple[Split, ...] = ("training", "validation", "test")
    files = {name: split_file(directory, name) for name in splits}
    counted = {name: _lines(path) for name, path in files.items()}
    first = job.read(begun).parameters
    _same_data(parameters, first)
    base = first.get("model", {}).get("sha256", "")
    times = [point.t for point in run.points.values()]
    plan, jobs = "the plan, by this job's parameters", "events of " + ", ".join(a.directory.name for a in run.attempts)
    return metadata.Metadata(
        model_name=parameters.model_name,
        version=parameters.version,
        base_model=f"{parameters.base_model}, SHA-256 {base}" if base else parameters.base_model,
        training_data=f"{sum(counted.values()):,} patterns, SHA-256 {parameters.dataset.sha256}",
        training_samples=counted["training"],
        validation_samples=counted["validation"],
        test_samples=counted["test"],
        test_accuracy=found.accuracy,
        training_duration_days=run.elapsed[run.steps[-1]] / DAY if run.steps else None,
        training_date=metadata.days(min(times), max(times)) if times else None,
        created_by=parameters.created_by,
        purpose=parameters.purpose,
        sources={
            "model_name": plan,
            "version": plan,
            "base_model": f"name: {plan}; digest: what job {begun.name} was given",
            "training_data": "lines of the data set's three files, and the digest of its directory",
            **{f"{name}_samples": f"lines of {path.name}" for name, path in files.items()},
            "test_accuracy": (
                f"{found.correct} of {found.total} rows of {files['test'].name}, results with SHA-256 "
                f"{chosen.written}, of {chosen.artefact.path} with SHA-256 {chosen.artefact.sha256}"
            ),
            "training_duration_days": f"time in steps, pauses left out; {jobs}",
            "training_date": f"first and last step, UTC; {jobs}",
            "created_by": plan,
            "purpose": plan,
        },
    )


def _same_data(parameters: Parameters, first: dict[str, dict[str, str]]) -> None:
    trained = first.get("dataset", {}).get("sha256", parameters.dataset.sha256)
    if trained != parameters.dataset.sha256:
        raise Refusal(f"the training was on another data set, SHA-256 {trained}")


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(bool(line.strip()) for line in stream)


def _compare(context: Context, source: Path, path: Path, found: results.Results) -> None:
    """Asks the finished model, in a fresh process, the rows whose answers the evaluation kept."""
    kept = [a for a in (*found.right, *found.failures) if len(a.payload) < results.PAYLOAD_KEPT]
    if not kept:
        context.measure("same", None, reason="the results hold no whole row to ask again")
        context.measure("compared", 0)
        context.measure("difference", None, reason="no row was compared")
        return
    asked = fresh.Questions(
        events=tuple(a.payload for a in kept), labels=found.labels, task=found.task, length=found.length
    )
    here = fresh.log_probabilities(source, asked)
    mx.clear_cache()
    there = fresh.in_a_fresh_process(path, asked, context.directory)
    difference = float(np.abs(here - there).max())
    chosen = [found.labels[index] for index in there.argmax(axis=1)]
    likeliest = np.exp(there.max(axis=1))
    same = difference <= CLOSE and all(
        label == a.predicted and a.probability is not None and abs(p - a.probability) <= CLOSE
        for label, p, a in zip(chosen, likeliest.tolist(), kept, strict=True)
    )
    context.measure("same", same and bool((here.argmax(axis=1) == there.argmax(axis=1)).all()))
    context.measure("compared", len(kept))
    context.measure("difference", difference)
    context.log(f"{len(kept)} rows asked again in a fresh process: largest difference {difference:.2g} nats")
