"""The early guard: finds a canary far above the margin from the first look on, by an empirical-Bernstein e-process.

exp(l x - psi(l) x^2) <= 1 + l x for x >= -1 (Fan, Grama, Liu, EJP 20, 2015), mixed over five bets on the effect. In the
direction of harm a canary label can be low by its mean only, and a stable label counts with the canary's share, so the
bound of one label is small where the share is.
"""

from __future__ import annotations

import math

from lossgate.stats.config import GUARD_EFFECTS
from lossgate.stats.evidence import Baseline, Increment
from lossgate.stats.mixture import log_sum_exp

Guard = tuple[float, ...]
"""Log wealth of each bet."""

START: Guard = (0.0,) * len(GUARD_EFFECTS)
_MAX_BET = 0.9


def bet(
    guard: Guard,
    stable: Increment,
    canary: Increment,
    stable_mean: float,
    ratio: float,
    baseline: Baseline,
    clip: float,
) -> Guard:
    """Return the wealth after one look.

    Args:
        guard: The wealth before it.
        stable: The stable version's labels in this look.
        canary: The canary's labels in this look.
        stable_mean: Mean stable loss before this look.
        ratio: The canary is harmful above this multiple of the stable loss.
        baseline: Sets the size of the bets.
        clip: Largest loss of one label.
    """
    n = canary.n + stable.n
    canary_factor, stable_factor = stable.n / n, canary.n / n
    expected = ratio * stable_mean
    gain = canary_factor * canary.total - ratio * stable_factor * stable.total
    canary_spread = canary.squares - 2.0 * expected * canary.total + canary.n * expected**2
    stable_spread = stable.squares - 2.0 * stable_mean * stable.total + stable.n * stable_mean**2
    variation = canary_factor**2 * canary_spread + (ratio * stable_factor) ** 2 * stable_spread
    bound = max(canary_factor * expected, ratio * stable_factor * (clip - stable_mean))
    wealth = []
    for effect, before in zip(GUARD_EFFECTS, guard, strict=True):
        stake = min(effect * baseline.mean / baseline.variance * bound, _MAX_BET)
        wealth.append(before + stake / bound * gain - (-math.log1p(-stake) - stake) / bound**2 * max(variation, 0.0))
    return tuple(wealth)


def log_evidence(guard: Guard) -> float:
    """Return the log of the mean wealth."""
    return log_sum_exp(list(guard)) - math.log(len(guard))
