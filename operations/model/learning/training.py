"""The training loop: label-only loss, AdamW, full or low-rank, every random choice kept so that it can go on exactly.

It knows neither jobs nor files: whoever drives it takes its steps one by one, looks at them, and saves when due.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from mlx import nn
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from operations.contract import Refusal
from operations.model import configuration as configurations
from operations.model import models

PAD_TO = 8
"""Sequences are padded to a multiple of this many tokens, answers to twice as many: few shapes to compile for."""
LORA_SCALE = 20.0


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens of a prompt, and of the answer to learn; only the answer's count in the loss."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """``ids`` (rows, tokens) right-padded; at (``row``, ``column``) the model should say ``target`` if ``weight`` is 1.

    A causal model never sees the padding after a row's end, so that no mask is needed.
    """

    ids: mx.array
    row: mx.array
    column: mx.array
    target: mx.array
    weight: mx.array
    tokens: int

    @property
    def arrays(self) -> tuple[mx.array, ...]:
        """What `answers_loss` takes after model and head."""
        return self.ids, self.row, self.column, self.target, self.weight


@dataclass(frozen=True, slots=True)
class Parts:
    """A batch in parts, which take turns on the device, or of which other processes have theirs.

    A part's loss is a mean over its own answers' tokens; ``shares`` weigh it, so that with all the parts of all
    processes the sum is the mean over the whole batch.
    """

    parts: tuple[Batch, ...]
    shares: tuple[float, ...]

    @property
    def tokens(self) -> int:
        """Tokens that go in here, padding not counted."""
        return sum(part.tokens for part in self.parts)


class Taken(Protocol):
    """What a step is taken on: the arrays that its loss takes, and how many tokens go in, padding not counted."""

    @property
    def arrays(self) -> tuple[mx.array, ...]: ...
    @property
    def tokens(self) -> int: ...


class Source(Protocol):
    """Where steps get their batches."""

    def batch(self, step: int) -> Taken | Parts:
        """The batch of a step, the first being 1: always the same one, whatever was asked before."""


class Examples:
    """Batches of examples held in memory, in an order by seed and epoch. Raises Refusal if there are none."""

    def __init__(self, examples: Sequence[Example], size: int, seed: int) -> None:
        if not examples:
            raise Refusal("there is nothing to train on")
        self._examples, self._size, self._seed = examples, size, seed

    def batch(self, step: int) -> Batch:
        chosen = order(self._seed, len(self._examples), (step - 1) * self._size, self._size)
        return collate([self._examples[i] for i in chosen])


Loss: TypeAlias = Callable[..., mx.array]
"""A scalar, in nats, of the model, its head (see `models.head`) and a batch's arrays."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken. ``loss`` is that of its batch before the step, ``norm`` the gradient's before clipping."""

    step: int
    loss: float
    norm: float
    tokens: int
    seconds: float


def collate(examples: Sequence[Example]) -> Batch:
    """The examples as one batch."""
    longest = max(len(e.prompt) + len(e.answer) - 1 for e in examples)
    answers = sum(len(e.answer) for e in examples)
    ids = np.zeros((len(examples), _up(longest, PAD_TO)), np.int32)
    row, column, target = (np.zeros(_up(answers, 2 * PAD_TO), np.int32) for _ in range(3))
    weight = np.zeros(len(row), np.float32)
    weight[:answers] = 1
    at = 0
    for number, example in enumerate(examples):
        tokens = (*example.prompt, *example.answer[:-1])
        ids[number, : len(tokens)] = tokens
        size = len(example.answer)
        row[at : at + size] = number
        column[at : at + size] = np.arange(size) + len(example.prompt) - 1
        target[at : at + size] = example.answer
        at += size
    tokens_in = sum(len(e.prompt) + len(e.answer) - 1 for e in examples)
    return Batch(mx.array(ids), mx.array(row), mx.array(column), mx.array(target), mx.array(weight), tokens_in)


def order(seed: int, rows: int, start: int, count: int) -> list[int]:
    """``count`` rows from number ``start`` of an endless stream: a permutation an epoch, each by (seed, epoch)."""
    found: list[int] = []
    while len(found) < count:
        epoch, offset = divmod(start + len(found), rows)
        found += _permutation(seed, epoch, rows)[offset : offset + count - len(found)].tolist()
    return found


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, rows: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng([seed, epoch]).permutation(rows)


def loss_of(model: Any, batch: Batch, head: Any) -> mx.array:
    """Mean cross-entropy over the answers' tokens, a scalar in nats."""
    return answers_loss(model, head, *batch.arrays)


def answers_loss(
    model: Any, head: Any, ids: mx.array, row: mx.array, column: mx.array, target: mx.array, weight: mx.array
) -> mx.array:
    """Mean cross-entropy over the answers' tokens of a `Batch`, in nats."""
    # The vocabulary's logits are made where a label stands, not at every token.
    logits = model(ids)[row, column] if head is None else head(model.model(ids)[row, column])
    losses: mx.array = nn.losses.cross_entropy(logits.astype(mx.float32), target)
    return (losses * weight).sum() / weight.sum()


def mean_loss(model: Any, head: Any, examples: Sequence[Example], batch: int) -> float:
    """The loss over examples that are not trained on, in nats a token of the answer."""
    total, weights = 0.0, 0
    for start in range(0, len(examples), batch):
        made = collate(examples[start : start + batch])
        size = sum(len(e.answer) for e in examples[start : start + batch])
        total += _float(loss_of(model, made, head)) * size
        weights += size
    return total / weights


class Training:
    """A model under training: its weights, its optimizer's state, and where in the stream of rows it is.

    With ``group`` several processes take each step together, each on its own parts of the batch. ``precision`` is the
    type that the loss is computed in while weights, gradients' sums and optimizer keep theirs.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: configurations.Configuration,
        source: Source,
        loss: Loss = answers_loss,
        *,
        group: mx.distributed.Group | None = None,
        precision: mx.Dtype | None = None,
    ) -> None:
        self.model = model
        self.settings = settings
        self.source = source
        self.loss = loss if precision is None else partial(_in_precision, loss, precision)
        self.done = 0
        self._group = group
        self.head = models.head(model)
        mx.random.seed(settings.hyperparameters.seed)
        if settings.model.method == "lora":
            adapt(model, settings.model.rank, settings.model.adapted_layers)
        elif any(isinstance(module, nn.QuantizedLinear) for module in model.modules()):
            raise Refusal("a quantised model can't be trained in full: train adapters, or take it unquantised")
        else:
            model.unfreeze()
        if precision is not None:
            model.update(tree_map(lambda array: array.astype(mx.float32), model.trainable_parameters()))
        # Without the correction MLX's first steps are several times too long: a short run never recovers from them.
        self.optimizer = optim.AdamW(
            learning_rate=settings.hyperparameters.learning_rate,
            weight_decay=settings.hyperparameters.weight_decay,
            bias_correction=True,
        )
        self.optimizer.init(model.trainable_parameters())
        mx.eval(model.parameters(), self.optimizer.state)
        self._compiled: Any = None
        self._compiled_parts: Any = None

    @property
    def trained(self) -> int:
        """How many weights training changes."""
        return sum(int(array.size) for _, array in tree_flatten(self.model.trainable_parameters()))

    def steps(self, until: int) -> Iterator[Step]:
        """Takes steps up to number ``until`` (the first is 1), yielding each once its result is in the weights."""
        while self.done < until:
            start = time.perf_counter()
            made = self.source.batch(self.done + 1)
            loss, norm = self._take(made)
            self.done += 1
            yield Step(self.done, loss, norm, made.tokens, time.perf_counter() - start)

    def _take(self, batch: Taken | Parts) -> tuple[float, float]:
        self.optimizer.learning_rate = mx.array(
            configurations.learning_rate(self.done + 1, self.settings.hyperparameters), mx.float32
        )
        self.model.train()
        if isinstance(batch, Parts):
            loss, norm = self._take_parts(batch)
        else:
            if self._compiled is None:
                self._compiled = self._compile()
            loss, norm = self._compiled(*batch.arrays)
        mx.eval(loss, norm, self.model.parameters(), self.optimizer.state)
        self.model.eval()
        return _float(loss), _float(norm)

    def _take_parts(self, batch: Parts) -> tuple[mx.array, mx.array]:
        if self._compiled_parts is None:
            self._compiled_parts = self._compile_parts()
        measure, update = self._compiled_parts
        loss, gradient = mx.array(0.0), None
        for part, share in zip(batch.parts, batch.shares, strict=True):
            found, of_part = measure(mx.array(share), *part.arrays)
            loss = loss + found
            gradient = of_part if gradient is None else tree_map(mx.add, gradient, of_part)
            # Each part is done with before the next takes its room.
            mx.eval(loss, gradient)
        if self._group is not None:
            loss, gradient = _summed(self._group, loss, gradient)
        return loss, update(gradient)

    def _compile(self) -> Any:
        state = [self.model.state, self.optimizer.state, mx.random.state]
        value_and_grad = nn.value_and_grad(self.model, partial(self.loss, self.model, self.head))

        def take(*arrays: mx.array) -> tuple[mx.array, mx.array]:
            loss, gradient = value_and_grad(*arrays)
            return loss, self._update(gradient)

        return mx.compile(take, inputs=state, outputs=state)

    def _compile_parts(self) -> Any:
        state = [self.model.state, self.optimizer.state, mx.random.state]
        value_and_grad = nn.value_and_grad(self.model, partial(self.loss, self.model, self.head))

        def measure(share: mx.array, *arrays: mx.array) -> tuple[mx.array, Any]:
            loss, gradient = value_and_grad(*arrays)
            return loss * share, tree_map(lambda array: array * share, gradient)

        return mx.compile(measure, inputs=state, outputs=state), mx.compile(self._update, inputs=state, outputs=state)

    def _update(self, gradient: Any) -> mx.array:
        norm: mx.array
        gradient, norm = optim.clip_grad_norm(gradient, self.settings.hyperparameters.clip or math.inf)
        self.optimizer.update(self.model, gradient)
        return norm

    def weights(self) -> dict[str, mx.array]:
        """The weights under training, by name."""
        return dict(tree_flatten(self.model.trainable_parameters()))

    def optimizer_state(self) -> dict[str, mx.array]:
        """The optimizer's state, by name."""
        return dict(tree_flatten(self.optimizer.state))

    def restore(
        self, weights: dict[str, mx.array], optimizer: dict[str, mx.array], random: Sequence[int], done: int
    ) -> None:
        """Puts it back to where it was after step ``done``. Raises Refusal if the arrays are of another model."""
        for mine, theirs in ((self.weights(), weights), (self.optimizer_state(), optimizer)):
            if {k: (a.shape, a.dtype) for k, a in mine.items()} != {k: (a.shape, a.dtype) for k, a in theirs.items()}:
                raise Refusal("the state is of a model with other weights")
        self.model.load_weights(list(weights.items()), strict=False)
        self.optimizer.state = tree_unflatten(list(optimizer.items()))
        mx.random.seed((random[0] << 32) | random[1])
        mx.eval(self.model.parameters(), self.optimizer.state)
        self.done = done
        self._compiled = self._compiled_parts = None


def _in_precision(loss: Loss, precision: mx.Dtype, model: nn.Module, *given: Any) -> mx.array:
    """The loss with the weights under training cast for its computation only; gradients reach the uncast ones."""
    kept = model.trainable_parameters()
    model.update(tree_map(lambda array: array.astype(precision), kept))
    try:
        return loss(model, *given)
    finally:
        model.update(kept)


def _summed(group: mx.distributed.Group, loss: mx.array, gradient: Any) -> tuple[mx.array, Any]:
    """Loss and gradient summed over all processes, in one message."""
    named = tree_flatten(gradient)
    flat = mx.concatenate([loss.reshape(1), *(array.reshape(-1).astype(mx.float32) for _, array in named)])
    whole = mx.distributed.all_sum(flat, group=group, stream=mx.cpu)
    at, found = 1, []
    for name, array in named:
        found.append((name, whole[at : at + array.size].reshape(array.shape).astype(array.dtype)))
        at += array.size
    return whole[0], tree_unflatten(found)


def adapt(model: nn.Module, rank: int, layers: int) -> None:
    """Freezes the model and gives its last layers low-rank adapters, which alone are trained."""
    from mlx_lm.tuner.utils import linear_to_lora_layers

    model.freeze()
    linear_to_lora_layers(model, layers, {"rank": rank, "scale": LORA_SCALE, "dropout": 0.0})


def random_state() -> list[int]:
    """MLX's global random state as two integers."""
    key: list[int] = mx.random.state[0].tolist()  # type: ignore[index]  # a list, declared as any object
    return key


def _float(scalar: mx.array) -> float:
    value = scalar.item()
    assert isinstance(value, float)
    return value


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
