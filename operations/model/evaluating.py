"""An evaluation: every row scored by the label set, some answered freely, and all that follows from it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from operations.contract import Context, Refusal
from operations.model import machine, models, prompts, results, rows, scoring
from operations.model.training import Example, mean_loss
from operations.model.trying import LENGTH

if TYPE_CHECKING:
    from operations.model.evaluate import Parameters

PAIRS = 50
GENERATED_AT_ONCE = 32


class Evaluation:
    """One model, asked about rows."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        path, start = context.input(parameters.model), time.perf_counter()
        self.loaded = models.load(path)
        context.measure("load_seconds", time.perf_counter() - start)
        some = rows.read(context.input(parameters.validation))
        self.rows = some[: parameters.samples] if parameters.samples else some
        self.shift = rows.read(context.input(parameters.shift)) if parameters.shift else ()
        train = rows.read(context.input(parameters.train)) if parameters.train else ()
        labels = {*self.loaded.labels, *rows.labels(self.rows, self.shift, train)}
        length = parameters.length or self.loaded.length or LENGTH
        self.form = prompts.format_for(self.loaded.tokenizer, length)
        self.scorer = scoring.Scorer(self.loaded.model, self.form, sorted(labels))

    def go(self) -> None:
        """Scores, generates, reports, writes the results."""
        context, start = self.context, time.perf_counter()
        context.log(f"{len(self.rows):,} rows by {len(self.scorer.labels)} labels, {self.scorer.scored_by}")
        asked, cut = self._asked(self.rows)
        answers = self._score(self.rows, asked, "rows")
        context.measure("cut", cut)
        context.measure("rate", len(answers) / (time.perf_counter() - start))
        answers = self._generate(answers, asked)
        shift = self._score(self.shift, self._asked(self.shift)[0], "shift rows")
        found = results.summarise(
            answers,
            labels=self.scorer.labels,
            shift=results.share(a.right for a in shift),
            loss=self._loss(asked),
            scored_by=self.scorer.scored_by,
            device=machine.device(),
            seconds=time.perf_counter() - start,
            inputs={"model": self.parameters.model.sha256, "validation": self.parameters.validation.sha256},
            kept=self.parameters.failures,
        )
        path = context.output(f"{self.parameters.name}_results.json")
        results.write(path, found)
        _report(context, found)
        context.artefact("results", path)

    def _asked(self, some: Sequence[rows.Row]) -> tuple[list[list[int]], int]:
        made = [self.form.prompt(row.prompt) for row in some]
        return [ids for ids, _ in made], sum(cut for _, cut in made)

    def _score(self, some: Sequence[rows.Row], asked: list[list[int]], unit: str) -> list[results.Answer]:
        """The rows' answers in their order, told of as they come."""
        found: dict[int, results.Answer] = {}
        total, right = len(some), 0
        every = max(10, total // 1_000 * 10)
        try:
            for scores in self.scorer.score(asked, self.parameters.batch):
                for score in scores:
                    answer = results.answer(some[score.index], self.scorer.labels[score.label], score.probability)
                    found[score.index] = answer
                    right += answer.right
                    if len(found) % every == 0 or len(found) == total:
                        self.context.log(f"{len(found):,} of {total:,} {unit}: {right / len(found):.1%} right")
                self.context.progress(len(found), total, unit)
        except ArithmeticError as error:
            self.context.measure("errors", 1)
            raise Refusal(f"the model is broken: {error}") from None
        return [found[i] for i in range(total)]

    def _generate(self, answers: list[results.Answer], asked: list[list[int]]) -> list[results.Answer]:
        """The answers, the first of them with what the model says freely."""
        limit = min(self.parameters.generations, len(answers))
        tokens = max(self.parameters.tokens, *map(len, self.scorer.answers))
        start = time.perf_counter()
        for at in range(0, limit, GENERATED_AT_ONCE):
            until = min(at + GENERATED_AT_ONCE, limit)
            said = scoring.generate(self.loaded.model, self.loaded.tokenizer, asked[at:until], tokens)
            for index, text in zip(range(at, until), said, strict=True):
                shown = text[: results.PAYLOAD_KEPT]
                answers[index] = msgspec.structs.replace(answers[index], generated=shown)
            self.context.progress(until, limit, "generations")
        if limit:
            self.context.measure("generation_rate", limit / (time.perf_counter() - start))
            self.context.log(f"{limit} free generations")
        else:
            self.context.measure("generation_rate", None, reason="no free generation was asked for")
        return answers

    def _loss(self, asked: list[list[int]]) -> float | None:
        examples = [
            Example(tuple(ids), tuple(self.form.label(row.completion)))
            for ids, row in zip(asked, self.rows, strict=True)
        ]
        loss = mean_loss(self.loaded.model, self.scorer.head, examples, self.parameters.batch)
        return loss if math.isfinite(loss) else None


def _report(context: Context, found: results.Results) -> None:
    results.measure_share(context, "accuracy", results.Share(found.total, found.correct, found.accuracy), "")
    for name in ("total", "correct", "incorrect", "macro_accuracy", "scored_by", "errors"):
        context.measure(name, getattr(found, name))
    context.measure("loss", found.loss, reason="" if found.loss is not None else "it is not finite")
    context.measure("classes", len(found.labels))
    context.measure("duration", found.seconds)
    types = found.by_attack_type
    context.measure("by_class", {name: share.accuracy for name, share in types.items()})
    context.measure("by_class_total", {name: share.total for name, share in types.items()})
    context.measure("confusion", dict(list(found.confusion.items())[:PAIRS]))
    missed = {name: share.total - share.correct for name, share in types.items() if share.correct < share.total}
    context.measure("types_missed", missed)
    context.measure("by_hard", {name: share.accuracy for name, share in found.by_hard.items()})
    for name, reason in (
        ("false_alarms", "no row is benign"),
        ("overlooked", "no row is an attack"),
        ("hard", "no row is marked as a hard case"),
        ("combination", "no row is marked as a new combination"),
        ("coherent", "no free generation was asked for"),
        ("generated_accuracy", "no free generation was asked for"),
        ("agreement", "no free generation was asked for"),
        ("shift", "no shift set was given"),
    ):
        results.measure_share(context, name, getattr(found, name), reason)
    low, high = found.interval
    context.log(f"accuracy {found.accuracy:.1%} [{low:.1%}, {high:.1%}], {found.correct} of {found.total}")


def evaluate(context: Context, parameters: Parameters) -> None:
    """Scores the rows and writes the results."""
    Evaluation(context, parameters).go()
