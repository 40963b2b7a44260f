"""The soft loss against plain arithmetic."""

import mlx.core as mx
import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import entropy

from operations.model.distillation import soft_loss

LOGITS = np.array([[2.0, -1.0, 0.5, 3.0, 0.0], [0.1, 0.2, 0.3, 0.4, 0.5]])
TOKENS = np.array([[3, 0], [4, -1]], np.int32)


def bucketed(logits, tokens, temperature):
    """Label tokens and the tail, softened: by the definition."""
    chances = softmax(logits)
    inside = [chances[t] for t in tokens if t >= 0]
    powers = np.array([*inside, 1 - sum(inside)]) ** (1 / temperature)
    return powers / powers.sum()


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_divergence_is_scipys_of_the_softened_distributions(temperature):
    teacher = np.random.default_rng(1).normal(size=LOGITS.shape) * 2
    kept = np.where(TOKENS >= 0, np.take_along_axis(teacher, np.maximum(TOKENS, 0), 1), 0)
    soft = soft_loss.softened(TOKENS, kept, logsumexp(teacher, axis=1), temperature)
    found = soft_loss.kl(mx.array(LOGITS, mx.float32), mx.array(TOKENS), mx.array(soft, mx.float32), temperature)
    for row, tokens in enumerate(TOKENS):
        known = bucketed(teacher[row], tokens, temperature)
        np.testing.assert_allclose(soft[row][soft[row] > 0], known, rtol=1e-6)
        expected = entropy(known, bucketed(LOGITS[row], tokens, temperature))
        assert found[row].item() == pytest.approx(expected, abs=1e-5)


def test_a_student_that_is_the_teacher_has_no_divergence_and_no_gradient():
    soft = soft_loss.softened(
        TOKENS, np.take_along_axis(LOGITS, np.maximum(TOKENS, 0), 1), logsumexp(LOGITS, axis=1), 2
    )

    def loss(logits):
        return soft_loss.kl(logits, mx.array(TOKENS), mx.array(soft, mx.float32), 2.0).sum()

    value, gradient = mx.value_and_grad(loss)(mx.array(LOGITS, mx.float32))
    assert value.item() == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(np.array(gradient), 0, atol=1e-5)


def test_gradient_is_finite_where_the_teacher_leaves_nothing_for_the_tail():
    soft = soft_loss.softened(np.array([[0, 1]]), np.array([[20.0, -20.0]]), np.array([20.0]), 2.0)

    def loss(logits):
        return soft_loss.kl(logits, mx.array([[0, 1]]), mx.array(soft, mx.float32), 2.0).sum()

    value, gradient = mx.value_and_grad(loss)(mx.array([[-30.0, 40.0, -90.0]]))
    assert np.isfinite(value.item())
    assert np.isfinite(np.array(gradient)).all()
