from __future__ import annotations

import math

import numpy as np
import pytest

from lossgate.stats import guard as early_guard
from lossgate.stats.arrays import Array
from tests.stats.evidence_builders import A_BASELINE, CLIP, an_increment

THREE_LOOKS = [
    ((10, 9.5, 40.25), (190, 57, 150)),
    ((8.5, 7.25, 30), (201.5, 62.125, 160.5)),
    ((12, 14.75, 66), (188, 55.5, 140.25)),
]
Sums = tuple[float, float, float]


def winnings(canary: Sums, stable: Sums, stable_mean: float, ratio: float) -> Array:
    share = np.array([stable[0], canary[0]]) / (canary[0] + stable[0])
    return early_guard.winnings(
        np.array([canary, stable])[:, :, None, None],
        share[:, None, None],
        np.array([[stable_mean]]),
        np.array([ratio]),
        np.array([A_BASELINE.mean / A_BASELINE.variance]),
        CLIP,
    )


def test_wealth() -> None:
    wealth, mean, n, total = early_guard.start(1), A_BASELINE.mean, 0.0, 0.0
    for canary, stable in THREE_LOOKS:
        wealth = wealth + winnings(canary, stable, mean, 1.1)
        n, total = n + stable[0], total + stable[1]
        mean = total / n
    assert wealth[:, 0] == pytest.approx(
        (1.3241486146873, 1.7363274989378, -0.81001999483079, -27.454993194632, -210.50926473386), rel=1e-10
    )
    assert early_guard.log_evidence(wealth) == pytest.approx(0.6811040641679, abs=1e-10)


def test_no_evidence_before_the_first_look() -> None:
    assert early_guard.log_evidence(early_guard.start(1)) == pytest.approx(0.0, abs=1e-15)


def test_strata_bet_one_after_the_other() -> None:
    one, other = THREE_LOOKS[:2]
    apart = winnings(*one, 0.3, 1.1) + winnings(*other, 0.3, 1.1)
    moments = np.array([[a, b] for a, b in zip(one, other, strict=True)]).transpose(0, 2, 1)[..., None]
    whole = moments[0, 0] + moments[1, 0]
    share = moments[::-1, 0] / whole
    stakes = np.array([A_BASELINE.mean / A_BASELINE.variance])
    together = early_guard.winnings(moments, share, np.full((2, 1), 0.3), np.array([1.1]), stakes, CLIP)
    assert together == pytest.approx(apart, rel=1e-12)


@pytest.mark.parametrize("canary_mean", [0.3, 0.9])
def test_stays_finite_over_a_hundred_million_looks(canary_mean: float) -> None:
    canary, stable = an_increment(200, canary_mean), an_increment(3800)
    one = winnings((canary.n, canary.total, canary.squares), (stable.n, stable.total, stable.squares), 0.3, 1.25)
    evidence = float(early_guard.log_evidence(one * 1e8)[0])
    assert math.isfinite(evidence)
    assert (evidence > 0) == (canary_mean > 0.3)
