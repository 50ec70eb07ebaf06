"""Whether a share of traffic is what its weight says: seldom wrong, and quick where it matters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from lossgate.stats import ShareTest
from lossgate.stats.share import RISK


def first_mismatch(weight: float, looks: list[tuple[float, float]]) -> int | None:
    test = ShareTest(weight)
    for number, (canary, stable) in enumerate(looks, start=1):
        test = test.observe(canary, stable)
        if test.is_mismatch:
            return number
    return None


@pytest.mark.parametrize("weight", [0.01, 0.05, 0.2, 0.5, 0.9])
def test_the_share_that_was_asked_for_is_right_to_the_prediction(weight: float) -> None:
    """A gateway that splits without any chance, as weighted round robin does, has no spread at all."""
    assert first_mismatch(weight, [(4000 * weight, 4000 * (1 - weight))] * 300) is None


@pytest.mark.parametrize(
    ("weight", "canary", "stable"), [(0.05, 0, 4000), (0.05, 4000, 0), (0.2, 400, 3600), (0.5, 0, 9)]
)
def test_one_backend_that_gets_it_all_is_found_at_the_tenth_look(weight: float, canary: float, stable: float) -> None:
    expected = None if (weight, canary) == (0.2, 400) else 10
    assert first_mismatch(weight, [(canary, stable)] * 60) == expected, "half the weight is still within the limits"


def test_everything_to_the_canary_cannot_be_too_much_from_half_of_the_traffic_on() -> None:
    assert first_mismatch(0.5, [(4000, 0)] * 60) is None
    assert first_mismatch(0.49, [(4000, 0)] * 60) == 10


def test_a_look_without_predictions_is_none() -> None:
    test = ShareTest(0.05).observe(0, 0)
    assert (test.looks, test.share, test.is_mismatch) == (0, None, False)


@pytest.mark.parametrize("numbers", [(-1.0, 5.0), (math.nan, 5.0), (5.0, math.inf)])
def test_what_is_no_count_is_refused(numbers: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="finite and at least 0"):
        ShareTest(0.05).observe(*numbers)


@pytest.mark.parametrize("weight", [0.0, 1.0, math.nan])
def test_what_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 1"):
        ShareTest(weight)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("share", [0.1, 0.025])
def test_a_share_exactly_at_a_limit_is_seldom_called_wrong(share: float, batch: int) -> None:
    """Predictions that come in batches are noisier than their number says, and must not pass for a wrong share."""
    draw, repetitions, wrong = np.random.default_rng(771), 150, 0
    for _ in range(repetitions):
        requests = draw.poisson(4000 / batch, 100)
        canary = draw.binomial(requests, share)
        wrong += (
            first_mismatch(0.05, [(batch * c, batch * (n - c)) for c, n in zip(canary, requests, strict=True)])
            is not None
        )
    assert wrong <= binom.ppf(0.9999, repetitions, RISK / 2)
