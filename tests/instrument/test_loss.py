"""Cross-entropy from logits: reference values, extreme numbers, and what is refused."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from lossgate.instrument import CLIP, cross_entropy


def exact_loss(logits: list[float], label: int) -> float:
    """Cross-entropy in 60 digits, straight from its definition."""
    with mpmath.workdps(60):
        scores = [mpmath.mpf(score) for score in logits]
        return float(mpmath.log(mpmath.fsum(mpmath.exp(score - scores[label]) for score in scores)))


def test_clip_is_the_loss_of_probability_one_in_a_million() -> None:
    assert pytest.approx(13.815510557964274, abs=1e-15) == CLIP


def test_agrees_with_scipy_and_sklearn() -> None:
    random = np.random.default_rng(7)
    logits = random.normal(scale=3.0, size=(200, 10))
    labels = random.integers(0, 10, size=200)
    losses = cross_entropy(logits, labels)
    assert losses.values == pytest.approx(-log_softmax(logits, axis=1)[np.arange(200), labels], rel=1e-12)
    probabilities = np.exp(log_softmax(logits, axis=1))
    assert losses.values.mean() == pytest.approx(log_loss(labels, probabilities, labels=range(10)), rel=1e-12)
    assert not losses.non_finite.any()


def test_float32_logits_are_computed_in_float64() -> None:
    logits = np.array([[0.1, 2.0, -1.5]], dtype=np.float32)
    assert cross_entropy(logits, [1]).values[0] == pytest.approx(
        exact_loss([float(z) for z in logits[0]], 1), rel=1e-14
    )


@pytest.mark.parametrize("shift", [1e4, -1e4, 1e12])
def test_a_common_shift_of_huge_logits_changes_nothing(shift: float) -> None:
    assert cross_entropy([[shift + 1, shift, shift]], [0]).values[0] == pytest.approx(
        exact_loss([1.0, 0.0, 0.0], 0), rel=1e-10
    )


@given(
    st.lists(st.floats(-40, 40), min_size=2, max_size=6),
    st.integers(0, 5),
)
def test_keeps_its_relative_precision_down_to_losses_next_to_zero(logits: list[float], label: int) -> None:
    label %= len(logits)
    expected = min(exact_loss(logits, label), CLIP)
    assert cross_entropy([logits], [label]).values[0] == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_a_finite_loss_above_the_clip_is_clipped_and_not_counted_as_non_finite() -> None:
    losses = cross_entropy([[1e4, 0.0], [1e4, 0.0]], [1, 0])
    assert losses.values.tolist() == [CLIP, 0.0]
    assert losses.non_finite.tolist() == [False, False]


def test_the_clip_can_be_chosen() -> None:
    assert cross_entropy([[1e4, 0.0]], [1], clip=3.0).values.tolist() == [3.0]


@pytest.mark.parametrize(
    ("logits", "label"),
    [
        pytest.param([0.0, -math.inf, 1.0], 1, id="the true class has probability zero"),
        pytest.param([0.0, math.nan, 1.0], 0, id="a NaN logit of another class"),
        pytest.param([0.0, math.nan, 1.0], 1, id="a NaN logit of the true class"),
        pytest.param([0.0, math.inf, 1.0], 0, id="an infinite logit of another class"),
        pytest.param([0.0, math.inf, 1.0], 1, id="an infinite logit of the true class"),
        pytest.param([-math.inf, -math.inf, -math.inf], 1, id="no class is possible"),
        pytest.param([1.7e308, -1.7e308, 0.0], 1, id="the difference of two logits overflows"),
    ],
)
def test_a_non_finite_loss_stands_at_the_clip_and_is_marked(logits: list[float], label: int) -> None:
    losses = cross_entropy([[2.0, 0.0, 0.0], logits], [0, label])
    assert losses.non_finite.tolist() == [False, True]
    assert losses.values[1] == CLIP
    assert losses.values[0] == pytest.approx(exact_loss([2.0, 0.0, 0.0], 0), rel=1e-14)


def test_an_impossible_other_class_is_no_defect() -> None:
    losses = cross_entropy([[0.0, -math.inf, 0.0]], [0])
    assert losses.values[0] == pytest.approx(math.log(2), rel=1e-15)
    assert not losses.non_finite.any()


def test_an_empty_batch_gives_empty_losses() -> None:
    losses = cross_entropy(np.empty((0, 10)), [])
    assert losses.values.shape == (0,)
    assert losses.non_finite.shape == (0,)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([1.0, 2.0], [0], r"shape \(2,\): give \(examples, classes\)"),
        ([[1.0], [2.0]], [0, 0], r"1 class per row: give two for a binary model"),
        ([[1.0, 2.0]], [0, 1], r"labels have shape \(2,\) for 1 rows"),
        ([[1.0, 2.0]], [[0]], r"labels have shape \(1, 1\)"),
        ([[1.0, 2.0], [1.0, 2.0]], [0, 2], r"label 2 in row 1 is no class: give an index from 0 to 1"),
        ([[1.0, 2.0]], [-1], r"label -1 in row 0"),
        ([[1.0, 2.0]], [0.5], r"labels are float64: give integer class indices"),
        ([[1.0, 2.0]], ["0"], r"give integer class indices"),
        ([[1.0, 2.0], [1.0]], [0, 0], r"not a matrix of numbers"),
        ([["a", "b"]], [0], r"not a matrix of numbers"),
    ],
)
def test_refuses_what_is_no_batch_and_says_why(logits: object, labels: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cross_entropy(logits, labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("clip", [0.0, -1.0, math.inf, math.nan])
def test_refuses_a_clip_that_bounds_nothing(clip: float) -> None:
    with pytest.raises(ValueError, match="clip is"):
        cross_entropy([[1.0, 2.0]], [0], clip=clip)
