"""Specialists as models: loaded, held to their one task, and asked in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from operations.contract import Artefact, Context, Refusal
from operations.dataset.language import ATTACK, BENIGN
from operations.model import models, prompts, scoring
from operations.model.evaluation.trying import LENGTH
from operations.model.production.pipeline import SPECIALISTS, Specialist
from operations.model.tasks import Task


def title(name: str) -> str:
    """The specialist's name as the plan writes it: Silent-Analyzer of silent_analyzer."""
    return name.replace("_", "-").title()


class Model:
    """A specialist that is a model; see `operations.model.production.pipeline.Specialist`."""

    def __init__(self, name: str, loaded: models.Loaded, batch: int) -> None:
        """Raises Refusal, naming the specialist, if the model's task is another, or more than its one."""
        task = SPECIALISTS[name]
        self.name, self._batch = title(name), batch
        known = loaded.tasks
        if set(known) != {task}:
            what = f"answers {', '.join(known)}" if known else f"has no {models.LABELS}, so that its task is unknown"
            raise Refusal(f"{self.name} is to answer {task} alone, but {loaded.path.name} {what}")
        self.labels = known[task]
        if task == "anomaly" and set(self.labels) != {BENIGN, ATTACK}:
            raise Refusal(f"{self.name} is to say {BENIGN} or {ATTACK}; {loaded.path.name} says {self.labels}")
        self._form = prompts.format_for(loaded.tokenizer, loaded.length or LENGTH, task)
        self._scorer = scoring.Scorer(loaded.model, self._form, self.labels)
        self._room = self._form.length - len(self._form.before) - len(self._form.after)

    def pieces(self, text: str) -> list[str]:
        """The text, or pieces of an input's length, each beginning half an input after the one before."""
        tokens = self._form.encode(text)
        if len(tokens) <= self._room:
            return [text]
        step = self._room // 2
        starts = range(0, len(tokens) - self._room + step, step)
        return [self._form.tokenizer.decode(tokens[start : start + self._room]) for start in starts]

    def answer(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text. Raises Refusal at a score that is not finite."""
        asked = [self._form.prompt(text)[0] for text in texts]
        found = [""] * len(asked)
        try:
            for scores in self._scorer.score(asked, self._batch):
                for score in scores:
                    found[score.index] = self.labels[score.label]
        except ArithmeticError as error:
            raise Refusal(f"{self.name} is broken: {error}") from None
        return found


def load(context: Context, given: Mapping[str, Artefact], batch: int) -> dict[Task, Specialist]:
    """The four by task. Raises Refusal, naming the specialist that is missing, broken or of another task."""
    found: dict[Task, Specialist] = {}
    for name, task in SPECIALISTS.items():
        try:
            path = context.input(given[name])
            loaded = models.load(path)
        except Refusal as refusal:
            raise Refusal(f"{title(name)}: {refusal}") from None
        found[task] = Model(name, loaded, batch)
        context.log(f"{title(name)} loaded: {task}, {len(loaded.tasks[task])} labels")
    return found
