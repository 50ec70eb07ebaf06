"""The test of the canary's share of traffic against its second opinion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import mpf

from lossgate.stats import ShareTest
from tests.stats import reference_share

CASES = {
    "as asked": (0.05, 0.05, 400.0, 0.0),
    "three times as much": (0.05, 0.15, 60.0, 0.0),
    "a fifth of it": (0.25, 0.05, 40.0, 0.0),
    "at the upper limit": (0.1, 0.2, 400.0, 0.0),
    "in sticky batches": (0.05, 0.08, 400.0, 0.8),
    "half, so none is too much": (0.5, 0.95, 100.0, 0.0),
    "nearly all": (0.8, 0.3, 100.0, 0.1),
    "rare": (0.01, 0.04, 3.0, 0.0),
}
"""Weight, true share, mean predictions a look, and the standard deviation of the log of the odds between looks."""


def predictions(
    seed: int, share: float, served: float, stickiness: float, looks: int = 150
) -> list[tuple[float, float]]:
    draw, found = np.random.default_rng(seed), []
    for _ in range(looks):
        odds = share / (1 - share) * math.exp(stickiness * draw.standard_normal())
        n = int(draw.poisson(served))
        canary = int(draw.binomial(n, odds / (1 + odds)))
        found.append((float(canary), float(n - canary)))
    return found


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_plain_calculation(name: str) -> None:
    weight, share, served, stickiness = CASES[name]
    seen = predictions(len(name), share, served, stickiness)
    test = ShareTest(weight)
    for count, (canary, stable) in enumerate(seen, start=1):
        test = test.observe(canary, stable)
        assert test.looks == sum(c + s > 0 for c, s in seen[:count])
        if count in (1, 2, 5, 9, 150) or 10 <= count <= 24 or count % 20 == 0:
            assert test.is_mismatch == reference_share.mismatch(seen[:count], weight), count
            for found, limit, sign in zip(
                test.log_evidence(), (2 * mpf(weight), mpf(weight) / 2), (1, -1), strict=True
            ):
                expected = reference_share.log_evidence(seen[:count], limit, sign)
                assert found == (-math.inf if expected is None else pytest.approx(float(expected), rel=1e-8, abs=1e-10))


@pytest.mark.parametrize(
    ("name", "is_mismatch"),
    [
        ("as asked", False),
        ("three times as much", True),
        ("a fifth of it", True),
        ("at the upper limit", False),
        ("half, so none is too much", False),
        ("rare", False),
    ],
)
def test_reference_tells_a_wrong_share(name: str, is_mismatch: bool) -> None:
    weight, share, served, stickiness = CASES[name]
    seen = predictions(len(name), share, served, stickiness)
    assert reference_share.mismatch(seen, weight) == is_mismatch


def test_reference_says_nothing_before_ten_looks() -> None:
    all_wrong = [(100.0, 0.0)] * 10
    assert not reference_share.mismatch(all_wrong[:9], 0.05)
    assert reference_share.mismatch(all_wrong, 0.05)


def test_mismatch_ends_when_the_share_is_right_again() -> None:
    test = ShareTest(0.1)
    seen = [(40.0, 60.0)] * 20 + [(5.0, 95.0)] * 200
    said, expected = [], []
    for count, (canary, stable) in enumerate(seen, start=1):
        test = test.observe(canary, stable)
        if count in (15, 20, 220):
            said.append(test.is_mismatch)
            expected.append(reference_share.mismatch(seen[:count], 0.1))
    assert said == expected == [True, True, False]
