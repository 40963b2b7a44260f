"""The stream of a training on several tasks: which row, which task of it, with which others, by step alone.

Rows come in a permutation an epoch. Each is asked one task, drawn by (seed, epoch, row) with the tasks' shares. A
window of the stream is sorted by length and cut into steps, whose order is drawn anew: rows of like length come
together and little is padded. All of it follows from the step's number: the cursor is one integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from operations.contract import Refusal
from operations.model import prompts, tasks
from operations.model.learning.tokens import NONE, Tokens
from operations.model.learning.training import Batch, Example, Parts, collate, order
from operations.model.tasks import Task

WINDOW = 64
"""Steps whose rows are sorted by length together."""
WEIGHTS: dict[Task, float] = {"attack_type": 0.4, "anomaly": 0.15, "family": 0.15, "evidence": 0.15, "severity": 0.15}
"""The tasks' shares where nothing else is asked for."""
_Rows: TypeAlias = NDArray[np.int64]


class Asking:
    """How each task is asked of a model, and the tokens of its labels."""

    def __init__(self, tokenizer: Any, length: int, labels: Mapping[Task, Sequence[str]]) -> None:
        self.forms = {task: prompts.format_for(tokenizer, length, task) for task in labels}
        self.labels = {task: tuple(labels[task]) for task in tasks.TASKS if task in labels}
        self._answers = {
            task: [tuple(self.forms[task].label(label)) for label in known] for task, known in self.labels.items()
        }
        self.around = np.array(
            [len(f.before) + len(f.after) if (f := self.forms.get(task)) else 0 for task in tasks.TASKS], np.int64
        )
        """Tokens of a prompt that are not the event's, by the task's number."""
        self.length = length

    def prompt(self, event: list[int], task: Task) -> tuple[int, ...]:
        """The prompt's tokens; a longer event loses its end."""
        form = self.forms[task]
        room = self.length - len(form.before) - len(form.after)
        return (*form.before, *event[:room], *form.after)

    def example(self, event: list[int], task: Task, label: int) -> Example:
        """The event's tokens and the label's number as what is learnt."""
        return Example(self.prompt(event, task), self._answers[task][label])


class Stream:
    """Steps' batches of mapped tokens. ``size`` is the rows of a step, in ``parts`` batches one after the other.

    With ``ranks`` only every ``ranks``-th row of each batch is this process's, from number ``rank``; ``answers`` tells
    of all of them. Raises Refusal if the sizes don't divide, or if no row has a task that is asked for.
    """

    def __init__(
        self,
        tokens: Tokens,
        asking: Asking,
        weights: Mapping[Task, float],
        *,
        size: int,
        seed: int,
        parts: int = 1,
        window: int = WINDOW,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if size % (parts * ranks):
            raise Refusal(f"{size} rows a step can't be shared evenly by {parts} batches on {ranks} ranks")
        self._tokens, self._asking, self._size, self._seed, self._parts = tokens, asking, size, seed, parts
        self._rank, self._ranks = rank, ranks
        self._window = max(1, min(window, tokens.rows // size))
        self._weights = np.array([weights.get(task, 0.0) for task in tasks.TASKS])
        known = [task for task in asking.labels if weights.get(task)]
        if not known or tasks.FIRST not in known:
            raise Refusal(f"the tasks' shares leave out {tasks.FIRST}, which every row has")
        self._kept = -1
        self._steps: list[tuple[_Rows, _Rows]] = []

    def batch(self, step: int) -> Batch | Parts:
        """This process's part of the batch of a step, the first being 1."""
        chosen, asked = self.rows(step)
        share = self._size // self._parts
        whole = [self._example(int(row), int(task)) for row, task in zip(chosen, asked, strict=True)]
        mine = [whole[start + self._rank : start + share : self._ranks] for start in range(0, self._size, share)]
        if self._parts == self._ranks == 1:
            return collate(whole)
        answers = sum(len(example.answer) for example in whole)
        return Parts(
            tuple(collate(some) for some in mine), tuple(sum(len(e.answer) for e in some) / answers for some in mine)
        )

    def rows(self, step: int) -> tuple[_Rows, _Rows]:
        """Rows of a step and the number of the task each is asked, the shortest first."""
        number, place = divmod(step - 1, self._window)
        if number != self._kept:
            self._steps, self._kept = self._cut(number), number
        return self._steps[place]

    def _cut(self, window: int) -> list[tuple[_Rows, _Rows]]:
        count = self._window * self._size
        start = window * count
        chosen = np.array(order(self._seed, self._tokens.rows, start, count), np.int64)
        epochs = np.arange(start, start + count) // self._tokens.rows
        asked = drawn(self._seed, epochs, chosen, self._tokens.labels[chosen], self._weights)
        lengths = np.minimum(self._tokens.lengths(chosen) + self._asking.around[asked], self._asking.length)
        by_length = np.argsort(lengths, kind="stable").reshape(self._window, self._size)
        places = np.random.default_rng([self._seed, window, 1]).permutation(self._window)
        return [(chosen[by_length[place]], asked[by_length[place]]) for place in places]

    def _example(self, row: int, task: int) -> Example:
        return self._asking.example(self._tokens.event(row), tasks.TASKS[task], int(self._tokens.labels[row, task]))


def drawn(seed: int, epochs: _Rows, chosen: _Rows, labels: NDArray[np.int16], weights: NDArray[np.float64]) -> _Rows:
    """The number of the task that each row is asked in its epoch: by the shares of the tasks that it has labels for.

    ``labels`` (rows, tasks) are those of the chosen rows. It depends on seed, epoch and row, on nothing drawn before.
    """
    shares = np.where(labels != NONE, weights, 0.0)
    edges = np.cumsum(shares, axis=1)
    # The product may round up to the whole, which is no task's.
    at = np.minimum(_uniform(seed, epochs, chosen) * edges[:, -1], np.nextafter(edges[:, -1], 0))
    found: _Rows = (at[:, None] >= edges[:, :-1]).sum(axis=1)
    return found


def _uniform(seed: int, epochs: _Rows, chosen: _Rows) -> NDArray[np.float64]:
    """A number in [0, 1) of each row and epoch: SplitMix64's mixing, thrice."""
    with np.errstate(over="ignore"):
        found = _mixed(np.full(len(chosen), seed, np.uint64))
        for part in (epochs, chosen):
            found = _mixed(found ^ part.astype(np.uint64))
    return (found >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def bounded(tokens: Tokens, limit: int, seed: int) -> list[int]:
    """At most ``limit`` rows, always the same ones, ascending."""
    if tokens.rows <= limit:
        return list(range(tokens.rows))
    # Drawn without a permutation of all rows.
    found: list[int] = sorted(np.random.default_rng([seed, 2]).choice(tokens.rows, limit, replace=False, shuffle=False))
    return [int(row) for row in found]


def asked_once(tokens: Tokens, chosen: Sequence[int], weights: Mapping[Task, float], seed: int) -> list[int]:
    """The number of the task that each of these rows draws by the tasks' shares."""
    some = np.array(chosen, np.int64)
    shares = np.array([weights.get(task, 0.0) for task in tasks.TASKS])
    found: list[int] = drawn(seed, np.zeros_like(some), some, tokens.labels[some], shares).tolist()
    return found
