"""The stream of rows and tasks, and what is learnt of a step however it is cut."""

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest

from operations.contract import Refusal
from operations.model import configuration, tasks
from operations.model.learning import streams
from operations.model.learning import tokens as stores
from operations.model.learning.training import Parts, Training, collate

WEIGHTS = {"attack_type": 0.5, "anomaly": 0.3, "severity": 0.2}


@pytest.fixture
def store(host, tokens):
    return stores.Store(host.path(tokens))


@pytest.fixture
def stream(host, store):
    """Makes streams over the small dataset's rows."""
    tokenizer = mlx_lm.load(str(host.root / "base"))[1]
    asking = streams.Asking(tokenizer, 48, store.index.labels)

    def made(size=8, seed=1, **changed):
        return streams.Stream(store.train, asking, WEIGHTS, size=size, seed=seed, **changed)

    return made


def test_every_row_comes_once_an_epoch_whoever_asks_for_which_step_first(stream):
    forwards, backwards = stream(size=20, window=5), stream(size=20, window=5)
    steps = {step: forwards.rows(step) for step in range(1, 21)}
    for step in reversed(range(1, 21)):
        for mine, theirs in zip(steps[step], backwards.rows(step), strict=True):
            assert mine.tolist() == theirs.tolist()
    for epoch in (range(1, 11), range(11, 21)):
        assert sorted(row for step in epoch for row in steps[step][0]) == list(range(200))
    assert [steps[1][0].tolist()] != [stream(size=20, seed=2, window=5).rows(1)[0].tolist()]


def test_rows_of_like_length_come_together(stream):
    def padded(window):
        some = stream(size=8, window=window)
        batches = [some.batch(step) for step in range(1, 26)]
        return sum(batch.ids.size for batch in batches), sum(batch.tokens for batch in batches)

    alone, tokens = padded(1)
    together, same = padded(25)
    assert tokens == same
    assert together < 0.9 * alone


def test_the_order_of_steps_in_a_window_is_not_that_of_their_lengths(stream):
    widths = [stream(size=8, window=25).batch(step).ids.shape[1] for step in range(1, 26)]
    assert widths != sorted(widths)


def test_tasks_have_their_shares_and_a_row_is_asked_what_it_has_labels_of():
    rows = np.arange(20_000)
    labels = np.zeros((len(rows), len(tasks.TASKS)), np.int16)
    labels[::2, 4] = stores.NONE
    weights = np.array([0.5, 0.25, 0.0, 0.0, 0.25])
    drawn = streams.drawn(1, np.zeros_like(rows), rows, labels, weights)
    again = streams.drawn(1, np.zeros_like(rows), rows[::-1].copy(), labels[::-1], weights)
    assert drawn.tolist() == again[::-1].tolist()
    whole, half = np.bincount(drawn[1::2], minlength=5) / 10_000, np.bincount(drawn[::2], minlength=5) / 10_000
    assert whole == pytest.approx([0.5, 0.25, 0, 0, 0.25], abs=0.02)
    assert half == pytest.approx([2 / 3, 1 / 3, 0, 0, 0], abs=0.02)
    assert half[4] == 0
    other = streams.drawn(1, np.ones_like(rows), rows, labels, weights)
    assert 0.3 < (other == drawn).mean() < 0.7


def _trained(host, source, steps=4, **changed):
    model, _ = mlx_lm.load(str(host.root / "base"))
    settings = configuration.Configuration(
        model=configuration.Model(method="full"),
        hyperparameters=configuration.Hyperparameters(learning_rate=0.01, clip=0.5),
    )
    training = Training(model, settings, source, **changed)
    return training, [(step.loss, step.norm, step.tokens) for step in training.steps(steps)]


def test_parts_of_a_step_are_learnt_from_as_one_large_batch(host, stream):
    whole, expected = _trained(host, stream(size=24))
    for parts in (2, 8, 24):
        cut, found = _trained(host, stream(size=24, parts=parts))
        assert isinstance(stream(size=24, parts=parts).batch(1), Parts)
        assert np.array(found) == pytest.approx(np.array(expected), abs=1e-5)
        for name, array in whole.weights().items():
            assert mx.allclose(array, cut.weights()[name], atol=1e-5).item(), name


def test_a_mean_over_parts_that_is_not_weighed_would_differ(host, stream):
    whole = stream(size=24).batch(1)
    parts = stream(size=24, parts=24).batch(1)
    model, _ = mlx_lm.load(str(host.root / "base"))
    training = Training(model, configuration.Configuration(), stream())
    losses = [training.loss(model, training.head, *part.arrays).item() for part in parts.parts]
    expected = training.loss(model, training.head, *whole.arrays).item()
    weighed = sum(loss * share for loss, share in zip(losses, parts.shares, strict=True))
    assert weighed == pytest.approx(expected, abs=1e-5)
    assert sum(losses) / len(losses) != pytest.approx(expected, abs=1e-4)


def test_ranks_have_all_rows_of_a_step_between_them(stream):
    whole = stream(size=24).batch(3)
    ranks = [stream(size=24, rank=rank, ranks=3).batch(3) for rank in range(3)]
    assert sum(part.tokens for part in ranks) == whole.tokens
    assert sum(sum(part.shares) for part in ranks) == pytest.approx(1)


def test_sizes_that_do_not_divide_are_refused(stream):
    with pytest.raises(Refusal, match="8 rows a step can't be shared evenly by 3 batches on 1 ranks"):
        stream(size=8, parts=3)


def test_shares_without_the_first_task_are_refused(data, tokens):
    with pytest.raises(Refusal, match="nothing to learn of attack_type"):
        data.train(tokens, tasks={"severity": 1.0})


def test_the_loss_in_half_precision_leaves_weights_and_optimizer_as_they_are(host, stream):
    whole, expected = _trained(host, stream())
    half, found = _trained(host, stream(), precision=mx.bfloat16)
    assert [loss for loss, _, _ in found] == pytest.approx([loss for loss, _, _ in expected], rel=0.02)
    assert found != expected
    assert {array.dtype for array in half.weights().values()} == {mx.float32}
    assert {a.dtype for name, a in half.optimizer_state().items() if name.endswith((".m", ".v"))} == {mx.float32}
    made = collate([whole.source._asking.example([5, 6], "attack_type", 0)])
    assert half.loss(half.model, half.head, *made.arrays).dtype == mx.float32
