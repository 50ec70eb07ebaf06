from __future__ import annotations

import math

import pytest

from lossgate.stats import Increment
from lossgate.stats import guard as early_guard
from tests.stats.evidence_builders import A_BASELINE, CLIP, an_increment

THREE_LOOKS = [
    (Increment(190, 57, 150), Increment(10, 9.5, 40.25)),
    (Increment(201.5, 62.125, 160.5), Increment(8.5, 7.25, 30)),
    (Increment(188, 55.5, 140.25), Increment(12, 14.75, 66)),
]


def test_wealth() -> None:
    guard, mean, n, total = early_guard.START, A_BASELINE.mean, 0.0, 0.0
    for stable, canary in THREE_LOOKS:
        guard = early_guard.bet(guard, stable, canary, mean, 1.1, A_BASELINE, CLIP)
        n, total = n + stable.n, total + stable.total
        mean = total / n
    assert guard == pytest.approx(
        (1.3241486146873, 1.7363274989378, -0.81001999483079, -27.454993194632, -210.50926473386), rel=1e-10
    )
    assert early_guard.log_evidence(guard) == pytest.approx(0.6811040641679, abs=1e-10)


def test_no_evidence_before_the_first_look() -> None:
    assert early_guard.log_evidence(early_guard.START) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("canary_mean", [0.3, 0.9])
def test_stays_finite_over_a_hundred_thousand_looks(canary_mean: float) -> None:
    guard, stable, canary = early_guard.START, an_increment(3800), an_increment(200, canary_mean)
    for _ in range(100_000):
        guard = early_guard.bet(guard, stable, canary, 0.3, 1.25, A_BASELINE, CLIP)
    evidence = early_guard.log_evidence(guard)
    assert math.isfinite(evidence)
    assert (evidence > 0) == (canary_mean > 0.3)
