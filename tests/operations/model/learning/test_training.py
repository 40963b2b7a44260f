"""The loop's parts against plain arithmetic."""

import mlx.core as mx
import mlx.nn as nn
import mlx_lm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.contract import Refusal
from operations.model import configuration, models
from operations.model.learning import training

tokens = st.lists(st.integers(3, 600), min_size=1, max_size=20).map(tuple)
examples = st.lists(st.builds(training.Example, tokens, tokens), min_size=1, max_size=9)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 200), st.integers(1, 100))
def test_order_is_one_stream_whoever_cuts_it(seed, rows, start, count):
    whole = training.order(seed, rows, 0, start + count)
    assert training.order(seed, rows, start, count) == whole[start:]
    for epoch in range((start + count) // rows):
        assert sorted(whole[epoch * rows : (epoch + 1) * rows]) == list(range(rows))


@given(examples)
def test_batch_holds_each_answer_where_it_is_said(some):
    batch = training.collate(some)
    ids, row, column, target, weight = (
        np.array(a) for a in (batch.ids, batch.row, batch.column, batch.target, batch.weight)
    )
    said = [t for example in some for t in example.answer]
    assert target[weight == 1].tolist() == said
    assert weight.sum() == len(said)
    at = 0
    for number, example in enumerate(some):
        sequence = [*example.prompt, *example.answer]
        for offset in range(len(example.answer)):
            assert row[at] == number
            assert ids[number, : column[at] + 1].tolist() == sequence[: len(example.prompt) + offset]
            at += 1


def test_loss_is_the_mean_cross_entropy_of_the_answers_tokens(made):
    model, _ = mlx_lm.load(str(made / "base"))
    some = [training.Example((5, 6, 7, 8), (9, 1)), training.Example((10, 11), (12, 13, 14, 1))]
    expected = []
    for example in some:
        sequence = [*example.prompt, *example.answer]
        logits = model(mx.array([sequence]))[0]
        logs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        for at in range(len(example.prompt), len(sequence)):
            expected.append(-logs[at - 1, sequence[at]].item())
    for head in (models.head(model), None):
        found = training.mean_loss(model, head, some, 8)
        assert found == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    assert training.mean_loss(model, None, some, 1) == pytest.approx(found, rel=1e-4)


def test_a_head_that_scales_its_logits_is_not_taken_for_a_plain_one(made):
    model, _ = mlx_lm.load(str(made / "base"))
    assert models.head(model) is not None

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model.model

        def __call__(self, ids):
            return model(ids) * 0.5

    assert models.head(Scaled()) is None


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_learning_rate_rises_then_follows_its_schedule(schedule):
    settings = configuration.Hyperparameters(learning_rate=0.1, warmup_steps=4, max_steps=20, schedule=schedule)
    rates = [configuration.learning_rate(step, settings) for step in range(1, 21)]
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert max(rates) == pytest.approx(0.1)
    if schedule == "constant":
        assert set(rates[4:]) == {0.1}
    else:
        assert rates[4] == pytest.approx(0.1)
        assert rates[4:] == sorted(rates[4:], reverse=True)
        assert 0 < rates[-1] < 0.01


def test_clipping_bounds_the_step_and_the_norm_told_is_the_one_before(made):
    some = [training.Example((5, 6, 7), (9, 1))]
    norms = []
    for clip in (0.0, 1e-3):
        model, _ = mlx_lm.load(str(made / "base"))
        settings = configuration.Configuration(
            model=configuration.Model(method="full"),
            hyperparameters=configuration.Hyperparameters(batch_size=1, clip=clip),
        )
        run = training.Training(model, settings, training.Examples(some, settings.hyperparameters.batch_size, 1))
        norms.append(next(run.steps(1)).norm)
    assert norms[0] == norms[1] > 1e-3


def test_nothing_to_train_on_is_refused():
    with pytest.raises(Refusal, match="nothing to train on"):
        training.Examples([], 8, 1)
