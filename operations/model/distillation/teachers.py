"""A teacher: a model that is asked how likely each label of a task is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import mlx.core as mx
import numpy as np

from operations.contract import Refusal
from operations.model import models, prompts, rows
from operations.model.distillation import soft_store
from operations.model.distillation.soft_store import NOTHING, Array
from operations.model.tasks import Task

PAD_TO = 8


class Teacher:
    """A model asked for its distribution over one task's labels."""

    def __init__(self, loaded: models.Loaded, task: Task, length: int, top: int) -> None:
        """Raises Refusal if the teacher was not trained on the task."""
        if task not in loaded.tasks:
            known = ", ".join(loaded.tasks) or "none"
            raise Refusal(f"the teacher was not trained on {task}; {models.LABELS} of it names {known}")
        self.task, self.labels = task, loaded.tasks[task]
        self.form = prompts.format_for(loaded.tokenizer, length, task)
        self.answers = [self.form.label(label) for label in self.labels]
        self.paths = soft_store.paths(self.answers)
        self.places = max(map(len, self.paths))
        widest = max(len(place.next) for path in self.paths for place in path)
        self.kept = min(top, widest)
        self._widest = widest
        self._model, self._head = loaded.model, models.head(loaded.model)
        self._index = {label: number for number, label in enumerate(self.labels)}

    @property
    def known(self) -> soft_store.Known:
        """What the index says of the task."""
        return soft_store.Known(
            labels=tuple(self.labels), answers=tuple(map(tuple, self.answers)), places=self.places, kept=self.kept
        )

    def index(self, row: rows.Row) -> int:
        """The sample's own label by index. Raises Refusal if the teacher doesn't know it."""
        label = getattr(row, self.task)
        if label not in self._index:
            what = f"knows no {self.task} {label!r}" if label else f"is asked for {self.task}, which has no label"
            raise Refusal(f"sample {row.id}: the teacher {what}")
        return self._index[label]

    def ask(
        self, events: Sequence[Sequence[int]], label: Array, batch: int
    ) -> Iterator[tuple[Array, soft_store.Taught]]:
        """Rows by number and what the teacher thinks of them, a batch at a time, those of like length together."""
        made = [self.form.around(event)[0] for event in events]
        by_length = sorted(range(len(made)), key=lambda row: len(made[row]))
        for start in range(0, len(made), batch):
            some = by_length[start : start + batch]
            chosen = np.array(some)
            yield chosen, self._ask([made[row] for row in some], label[chosen])

    def _ask(self, asked: Sequence[Sequence[int]], label: Array) -> soft_store.Taught:
        paths = [self.paths[one] for one in label]
        ids, row, column, follow = [], [], [], []
        for number, (prompt, one, path) in enumerate(zip(asked, label, paths, strict=True)):
            ids.append([*prompt, *self.answers[one][: path[-1].prefix]])
            for place in path:
                row.append(number)
                column.append(len(prompt) - 1 + place.prefix)
                follow.append([*place.next, *[NOTHING] * (self._widest - len(place.next))])
        logits, whole = self._logits(ids, row, column, np.array(follow))
        if not (np.isfinite(whole).all() and np.isfinite(logits[np.array(follow) >= 0]).all()):
            raise Refusal(f"the teacher is broken: its logits for {self.task} are not finite")
        found = soft_store.Taught(
            label,
            np.full((len(asked), self.places, self.kept), NOTHING, np.int32),
            np.zeros((len(asked), self.places, self.kept), np.float32),
            np.zeros((len(asked), self.places), np.float32),
        )
        at = np.concatenate([np.arange(len(path)) for path in paths])
        tokens, values = _likeliest(np.array(follow, np.int32), logits, self.kept)
        found.tokens[row, at], found.logits[row, at], found.logsumexp[row, at] = tokens, values, whole
        return found

    def _logits(self, ids: list[list[int]], row: list[int], column: list[int], follow: Array) -> tuple[Array, Array]:
        """(places, tokens) logits of the tokens that may follow, and (places,) logsumexp over the vocabulary."""
        width = -(-max(map(len, ids)) // PAD_TO) * PAD_TO
        padded = np.zeros((len(ids), width), np.int32)
        for number, one in enumerate(ids):
            padded[number, : len(one)] = one
        where = mx.array(row), mx.array(column)
        if self._head is None:
            logits = self._model(mx.array(padded))[where]
        else:
            logits = self._head(self._model.model(mx.array(padded))[where])
        logits = logits.astype(mx.float32)
        some = mx.take_along_axis(logits, mx.array(np.maximum(follow, 0)), axis=-1)
        whole = mx.logsumexp(logits, axis=-1)
        mx.eval(some, whole)
        return np.where(follow >= 0, np.array(some), -np.inf).astype(np.float32), np.array(whole)


def right(
    taught: soft_store.Taught, paths: Sequence[Sequence[soft_store.Place]], answers: Sequence[Sequence[int]]
) -> int:
    """Samples whose own label the teacher finds likeliest, token by token on the way to it."""
    best = np.where(taught.tokens >= 0, taught.logits, -np.inf).argmax(axis=-1)
    said = np.take_along_axis(taught.tokens, best[..., None], axis=-1)[..., 0]
    return sum(
        all(answers[label][place.prefix] == token for place, token in zip(paths[label], tokens, strict=False))
        for label, tokens in zip(taught.label.tolist(), said.tolist(), strict=True)
    )


def outside(taught: soft_store.Taught) -> Array:
    """(rows,) the probability, at the first place, of all tokens that are not kept."""
    inside = np.where(taught.tokens >= 0, np.exp(taught.logits - taught.logsumexp[..., None], dtype=np.float64), 0)
    found: Array = np.clip(1 - inside[:, 0].sum(axis=-1), 0, 1)
    return found


def _likeliest(tokens: Array, logits: Array, kept: int) -> tuple[Array, Array]:
    """The ``kept`` likeliest of each row's tokens, in the row's order; a place with nothing there has logit 0."""
    if kept < tokens.shape[1]:
        best = np.sort(np.argpartition(-logits, kept - 1, axis=1)[:, :kept], axis=1)
        tokens, logits = np.take_along_axis(tokens, best, axis=1), np.take_along_axis(logits, best, axis=1)
    return tokens, np.where(tokens >= 0, logits, 0).astype(np.float32)
