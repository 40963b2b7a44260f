"""An evaluation: rows asked chunk by chunk, of the model and of whom it is held against, and what follows from it."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import msgspec
import numpy as np

from operations.contract import Artefact, Context, Refusal
from operations.dataset import ngrams
from operations.model import machine, models, prompts, rows, tasks
from operations.model.evaluation import answerers, parts, results
from operations.model.evaluation.answerers import Answerer, Answers
from operations.model.evaluation.sampling import Sample, Training, split_file
from operations.model.evaluation.telling import report
from operations.model.evaluation.trying import LENGTH

if TYPE_CHECKING:
    from operations.model.evaluate import Parameters

CHOSEN_BY = 20_000
"""Rows of validation by which the rival's C is chosen, at most."""
HELD_OUT = 10
"""Where there are no such rows, every tenth training row is kept apart for that."""


class Stopped(Exception):
    """The job was asked to end."""


class Evaluation:
    """One model, and whom it is held against, asked about rows."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        self.start = time.perf_counter()
        # Rows of a reality check carry the label to learn as their completion, whatever their fields say.
        self.task = None if parameters.validation and parameters.task == tasks.FIRST else parameters.task
        self._files()
        self.loaded = self._load(parameters.model)
        context.measure("load_seconds", time.perf_counter() - self.start)
        self.start = time.perf_counter()
        self.sample = Sample(self.path, self.task, parameters.samples)
        self.shift = Sample(context.input(parameters.shift), self.task) if parameters.shift else None
        self.training = Training(self.train, self.task, self.sample) if self.train else None
        known = {*self.loaded.tasks.get(parameters.task, ()), *self.sample.labels}
        known |= self.shift.labels if self.shift else set()
        known |= self.training.labels if self.training else set()
        self.labels = tuple(sorted(known))
        self.made_with = self._made_with()
        self.finished = parts.finished(context, self.made_with)
        self.told = 0
        self.resumed = 0

    def _files(self) -> None:
        parameters, context = self.parameters, self.context
        if bool(parameters.validation) == bool(parameters.dataset):
            raise Refusal("an evaluation is of rows or of a data set's split: give validation or dataset")
        self.train = context.input(parameters.train) if parameters.train else None
        self.tuned_on = None
        if parameters.validation:
            self.path = context.input(parameters.validation)
        elif parameters.dataset:
            directory = context.input(parameters.dataset)
            self.path = split_file(directory, parameters.split)
            self.train = self.train or split_file(directory, "training")
            # What the rival's C is chosen by must not be what it is judged by.
            self.tuned_on = split_file(directory, "validation") if parameters.split == "test" else None
        if parameters.rival and not self.train:
            raise Refusal("the rival has nothing to learn from: give train, or a data set")

    def _load(self, artefact: Artefact) -> models.Loaded:
        return models.load(self.context.input(artefact))

    def _given(self) -> dict[str, Artefact]:
        given = {
            name: getattr(self.parameters, name) for name in ("model", "validation", "dataset", "train", "teacher")
        }
        return {name: artefact for name, artefact in given.items() if artefact is not None}

    def _made_with(self) -> dict[str, str]:
        """All that an answer depends on, beside the parameters, which a resumed job shares with the one before."""
        library = machine.blas()
        return {
            **{name: artefact.sha256 for name, artefact in self._given().items()},
            "labels": str(self.labels),
            "rows": f"{self.sample.total} of {self.path.name} by {self.parameters.chunk}",
            "device": machine.device(),
            "BLAS": f"{library.name}, threads {self.context.threads or library.threads}",
            "mlx": importlib.metadata.version("mlx"),
        }

    def go(self) -> None:
        """Asks all, reports, writes the results."""
        context, parameters = self.context, self.parameters
        before = sum(parts.read(path).description.seconds for path in self.finished.values())
        first = self._answerer(self.loaded, parameters.generations)
        how, length = answerers.PLAN_RULE, 0
        if isinstance(first, answerers.Scoring):
            how, length = first.scorer.scored_by, first.form.length
        context.log(f"{self.sample.total:,} rows by {len(self.labels)} labels, {how}")
        asked = [self._ask("model", "rows", first)]
        shift = self._shift(first)
        # Two large models need not fit beside each other.
        del first, self.loaded
        mx.clear_cache()
        teacher, rival = None, None
        if parameters.teacher:
            asked.append(self._ask("teacher", "rows, the teacher", self._teacher(parameters.teacher)))
            teacher = results.beside(self._about(asked[-1]), self._right(asked[0]), self._right(asked[-1]))
        if parameters.rival and self.training and len(self.training.labels) > 1:
            asked.append(self._ask("rival", "rows, the rival", answerers.Rivalling(self._fit, self.labels)))
            rival = results.beside(self._about(asked[-1]), self._right(asked[0]), self._right(asked[-1]))
        losses = [parts.read(path).description for path in asked[0]]
        tokens = sum(part.tokens for part in losses)
        finite = all(part.loss is not None for part in losses)
        found = results.summarise(
            self._answers(asked[0]),
            labels=self.labels,
            shift=shift,
            loss=sum(part.loss or 0.0 for part in losses) / tokens if tokens and finite else None,
            errors=int(not finite),
            scored_by=how,
            device=machine.device(),
            seconds=before + time.perf_counter() - self.start,
            inputs={name: artefact.sha256 for name, artefact in self._given().items()},
            kept=parameters.failures,
        )
        found = msgspec.structs.replace(
            found,
            task=parameters.task,
            split=parameters.split if parameters.dataset else "",
            length=length,
            method=parameters.method,
            leaked=self.training.leaked if self.training else None,
            teacher=teacher,
            rival=rival,
        )
        path = context.output(f"{parameters.name}_results.json")
        results.write(path, found)
        report(context, found, losses)
        context.measure("resumed", self.resumed)
        if self.training:
            context.measure("training_rows", self.training.rows)
        else:
            context.measure("training_rows", None, reason="no training rows were given")
        context.artefact("results", path)

    def _answerer(self, loaded: models.Loaded, generations: int) -> Answerer:
        parameters = self.parameters
        if parameters.method == "generate":
            return answerers.Generating(loaded, self.labels)
        form = prompts.format_for(loaded.tokenizer, parameters.length or loaded.length or LENGTH, parameters.task)
        return answerers.Scoring(loaded, form, self.labels, parameters.batch, generations, parameters.tokens)

    def _teacher(self, artefact: Artefact) -> Answerer:
        return self._answerer(self._load(artefact), 0)

    def _fit(self) -> ngrams.Rival:
        training, limit = self.training, self.parameters.rival_rows
        assert training is not None, "there is no rival without it"
        count = min(limit, training.rows) if limit else training.rows
        if self.tuned_on:
            tuned = Sample(self.tuned_on, self.task, CHOSEN_BY)
            chosen_by = [(row.shown, row.completion) for row in tuned]
            learnt: Callable[[], Iterator[ngrams.Example]] = lambda: training.examples(count)  # noqa: E731
        else:
            if count < HELD_OUT:
                raise Refusal(f"{count} training rows are too few for the rival")
            chosen_by = [e for i, e in enumerate(training.examples(count)) if i % HELD_OUT == 0][:CHOSEN_BY]
            learnt = lambda: (e for i, e in enumerate(training.examples(count)) if i % HELD_OUT)  # noqa: E731
            count -= -(-count // HELD_OUT)
        self.context.log(f"the rival learns from {count:,} rows")
        start = time.perf_counter()
        rival = ngrams.fit(
            learnt, chosen_by, sorted(training.labels), count, self._learning, machine.blas().threads or 1
        )
        self.context.log(f"{rival.about}, {time.perf_counter() - start:.1f} s")
        return rival

    def _learning(self, done: int, total: int) -> None:
        self.context.progress(done, total, "rows the rival learns from")
        if self.context.stopping:
            raise Stopped

    def _ask(self, who: str, unit: str, answerer: Answerer) -> list[Path]:
        """The files of the answers, a chunk each, told of as they come."""
        paths: list[Path] = []
        right = done = 0
        size = self.parameters.chunk
        for number, some in enumerate(self.sample.chunks(size)):
            path = self.finished.get((who, number))
            if path is None:
                path = self._chunk(who, unit, number, some, answerer, (done, right))
            else:
                self.resumed += len(some)
            paths.append(path)
            done += len(some)
            right += int(self._hits(path, some).sum())
            self.context.progress(done, self.sample.total, unit)
        return paths

    def _chunk(
        self, who: str, unit: str, number: int, some: list[rows.Row], answerer: Answerer, so_far: tuple[int, int]
    ) -> Path:
        start, found = time.perf_counter(), None
        done, right = so_far
        seen: set[int] = set()
        try:
            for found, indices in answerer.answer(some, number * self.parameters.chunk):
                for index in indices:
                    seen.add(index)
                    right += self._is(int(found.predicted[index]), some[index])
                    self._tell(who, unit, done + len(seen), right)
                self.context.progress(done + len(seen), self.sample.total, unit)
                if self.context.stopping:
                    raise Stopped
        except ArithmeticError as error:
            self.context.measure("errors", 1)
            raise Refusal(f"the model is broken: {error}") from None
        assert isinstance(found, Answers), "a chunk has rows"
        described = parts.Description(
            who=who,
            chunk=number,
            made_with=self.made_with,
            cut=found.cut,
            loss=found.loss,
            tokens=found.tokens,
            seconds=time.perf_counter() - start,
            generating=found.generating,
            said=tuple(found.said),
            about=found.about,
        )
        path = self.context.output(f"state/{who}-{number:06d}.npz")
        parts.save(path, parts.Part(described, found.predicted, found.probability))
        self.told += 1
        self.context.artefact(parts.NAME, path, step=self.told)
        return path

    def _tell(self, who: str, unit: str, done: int, right: int) -> None:
        total = self.sample.total
        every = max(10, total // 1_000 * 10) if who == "model" else self.parameters.chunk
        if done % every and done != total:
            return
        self.context.log(f"{done:,} of {total:,} {unit}: {right / done:.1%} right")
        if who == "model":
            self.context.metric("accuracy", right / done, done)

    def _hits(self, path: Path, some: list[rows.Row]) -> Any:
        predicted = parts.read(path).predicted
        names = np.array([*self.labels, ""])
        return names[predicted] == np.array([row.completion for row in some])

    def _right(self, paths: list[Path]) -> Any:
        chunks = self.sample.chunks(self.parameters.chunk)
        return np.concatenate([self._hits(path, some) for path, some in zip(paths, chunks, strict=True)])

    def _about(self, paths: list[Path]) -> str:
        return parts.read(paths[0]).description.about

    def _shift(self, answerer: Answerer) -> results.Share | None:
        if self.shift is None:
            return None
        # No loss and no free answer: these belong to the first rows.
        beyond = max(answerers.LOSS_ROWS, self.parameters.generations)
        flags: list[bool] = []
        for some in self.shift.chunks(self.parameters.chunk):
            *_, (found, _) = answerer.answer(some, beyond)
            flags += [self._is(int(p), row) for p, row in zip(found.predicted, some, strict=True)]
        return results.share(flags)

    def _is(self, predicted: int, row: rows.Row) -> bool:
        return predicted >= 0 and self.labels[predicted] == row.completion

    def _answers(self, paths: list[Path]) -> Iterator[results.Answer]:
        chunks = self.sample.chunks(self.parameters.chunk)
        for path, some in zip(paths, chunks, strict=True):
            part = parts.read(path)
            said = part.description.said
            for index, row in enumerate(some):
                at = int(part.predicted[index])
                predicted = self.labels[at] if at >= 0 else results.NO_LABEL
                probability = float(part.probability[index]) if len(part.probability) else None
                yield results.answer(row, predicted, probability, said[index] if index < len(said) else None)


def evaluate(context: Context, parameters: Parameters) -> None:
    """Scores the rows and writes the results."""
    try:
        Evaluation(context, parameters).go()
    except Stopped:
        context.stopped("asked to end; the chunks that are finished are kept")
