from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from lossgate.stats import ladder
from lossgate.stats.arrays import Array


def climbed(looks: int, contrast: Callable[[int], float]) -> tuple[float, float, Array]:
    """The design effect, its degrees of freedom and the ladder; weights are 1, the variance of the sum is k."""
    levels, total = ladder.start(1), 0.0
    for k in range(1, looks + 1):
        t = contrast(k)
        total += t
        sums, variance = np.array([[total], [total], [k]], float), np.full((2, 1), float(k))
        levels = ladder.climb(levels, np.array([k]), np.array([True]), np.full((2, 1), t), np.ones(1), sums, variance)
    effect, df = ladder.design_effect(levels, np.array([looks]))
    assert effect[0] == effect[1], "both sides saw the same"
    return float(effect[0, 0]), float(df[0, 0]), levels


def wave(k: int) -> float:
    """The stream of golden value 8."""
    return math.sin(k) + k / 50


@pytest.mark.parametrize(
    ("looks", "effect", "df"),
    [
        (5, 1.0, ladder.NO_CORRECTION_DF),
        (10, 1.26052193675, 4),
        (20, 1.24540953562, 9),
        (40, 1.32913866856, 19),
    ],
)
def test_design_effect(looks: int, effect: float, df: float) -> None:
    found, found_df, _ = climbed(looks, wave)
    assert found == pytest.approx(effect, abs=1e-10)
    assert found_df == df


def test_independent_looks_of_the_assumed_variance_have_no_design_effect() -> None:
    assert climbed(64, lambda k: 0.5 if (k * 2654435761 >> 7) % 2 else -0.5)[:2] == (1.0, ladder.NO_CORRECTION_DF)


def test_slow_noise_is_seen_at_long_blocks() -> None:
    effect, df, _ = climbed(256, lambda k: 1.0 if (k - 1) // 16 % 2 else -1.0)
    assert effect > 16, "blocks of 16 equal looks are 16 times as noisy as their looks would be alone"
    assert df == 15


def test_levels_grow_with_the_logarithm_of_the_looks() -> None:
    assert [len(climbed(looks, wave)[2]) for looks in (1, 2, 3, 4, 7, 8, 1024)] == [1, 2, 2, 3, 3, 4, 11]


def test_a_test_that_misses_looks_climbs_as_if_they_had_not_been() -> None:
    """Two tests side by side; the second has every third look only, and must equal one that saw nothing else."""
    levels, totals, looks = ladder.start(2), np.zeros(2), np.zeros(2, np.int64)
    for k in range(1, 121):
        seen = np.array([True, k % 3 == 0])
        t = np.where(seen, [wave(k), wave(k // 3)], 0.0)
        totals, looks = totals + t, looks + seen
        sums = np.stack([totals, totals, looks])
        variance = np.stack([looks, looks]).astype(float)
        levels = ladder.climb(levels, looks, seen, np.stack([t, t]), seen.astype(float), sums, variance)
    effect, df = ladder.design_effect(levels, looks)
    assert (effect[0, 1], df[0, 1]) == climbed(40, wave)[:2]
    assert (effect[0, 0], df[0, 0]) == climbed(120, wave)[:2]
