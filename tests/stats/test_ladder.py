from __future__ import annotations

import math

import pytest

from lossgate.stats.ladder import NO_CORRECTION_DF, Ladder, Sums


def climbed(looks: int) -> Ladder:
    """The ladder of golden value 8: t = sin k + k/50, weights 1, variance k."""
    ladder, total = Ladder(), 0.0
    for k in range(1, looks + 1):
        t = math.sin(k) + k / 50
        total += t
        ladder = ladder.climb(k, t, 1.0, Sums(total, float(k), float(k)))
    return ladder


@pytest.mark.parametrize(
    ("looks", "effect", "df"),
    [
        (5, 1.0, NO_CORRECTION_DF),
        (10, 1.26052193675, 4),
        (20, 1.24540953562, 9),
        (40, 1.32913866856, 19),
    ],
)
def test_design_effect(looks: int, effect: float, df: float) -> None:
    found = climbed(looks).design_effect()
    assert found[0] == pytest.approx(effect, abs=1e-10)
    assert found[1] == df


def test_independent_looks_of_the_assumed_variance_have_no_design_effect() -> None:
    ladder, total = Ladder(), 0.0
    for k in range(1, 65):
        t = 0.5 if (k * 2654435761 >> 7) % 2 else -0.5
        total += t
        ladder = ladder.climb(k, t, 1.0, Sums(total, float(k), float(k)))
    assert ladder.design_effect() == (1.0, NO_CORRECTION_DF)


def test_slow_noise_is_seen_at_long_blocks() -> None:
    ladder, total = Ladder(), 0.0
    for k in range(1, 257):
        t = 1.0 if (k - 1) // 16 % 2 else -1.0
        total += t
        ladder = ladder.climb(k, t, 1.0, Sums(total, float(k), float(k)))
    effect, df = ladder.design_effect()
    assert effect > 16, "blocks of 16 equal looks are 16 times as noisy as their looks would be alone"
    assert df == 15


def test_levels_grow_with_the_logarithm_of_the_looks() -> None:
    assert [len(climbed(looks).levels) for looks in (1, 2, 3, 4, 7, 8, 1024)] == [1, 2, 2, 3, 3, 4, 11]
