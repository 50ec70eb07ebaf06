"""The early guard: finds a canary far above the margin from the first look on, by an empirical-Bernstein e-process.

exp(l x - psi(l) x^2) <= 1 + l x for x >= -1 (Fan, Grama, Liu, EJP 20, 2015), mixed over five bets on the effect. In the
direction of harm a canary label can be low by its mean only, and a stable label counts with the canary's share, so the
bound of one label is small where the share is.
"""

from __future__ import annotations

import math

import numpy as np

from lossgate.stats.arrays import Array
from lossgate.stats.config import GUARD_EFFECTS

_EFFECTS = np.array(GUARD_EFFECTS)[:, None, None]
_MAX_STAKE = 0.9


def start(tests: int) -> Array:
    """Return the log wealth of each bet before the first look, shape (bets, tests)."""
    return np.zeros((len(GUARD_EFFECTS), tests))


def winnings(moments: Array, share: Array, stable_mean: Array, ratio: Array, stakes: Array, clip: float) -> Array:
    """Return what one look adds to the log wealth of each bet, shape (bets, tests).

    Args:
        moments: Labels, sums and sums of squares of canary and stable version, shape (2, 3, strata, tests).
        share: Share of the other version in the labels of both, shape (2, strata, tests).
        stable_mean: Mean stable loss before this look, shape (strata, tests).
        ratio: The canary is harmful above this multiple of the stable loss, shape (tests,).
        stakes: Mean over variance of the baseline, shape (tests,): sets the size of the bets.
        clip: Largest loss of one label.
    """
    n, total, squares = moments[:, 0], moments[:, 1], moments[:, 2]
    ratios = np.ones((2, 1, len(ratio)))
    ratios[1] = ratio
    factor, expected = ratios * share, ratios[::-1] * stable_mean
    gains = factor * total
    spreads = factor * factor * (squares - expected * (2.0 * total - n * expected))
    variation = np.maximum(spreads[0] + spreads[1], 0.0)
    bound = np.maximum(factor[0] * expected[0], factor[1] * (clip - stable_mean))
    bound += bound == 0  # only where there is nothing to win
    stake = np.minimum(_EFFECTS * (stakes * bound), _MAX_STAKE)
    won = stake * ((gains[0] - gains[1]) / bound) + (np.log1p(-stake) + stake) * (variation / (bound * bound))
    growth: Array = np.add.reduce(won, axis=1)
    return growth


def log_evidence(wealth: Array) -> Array:
    """Return the log of the mean wealth of each test."""
    largest: Array = np.maximum.reduce(wealth)
    mean: Array = np.log(np.add.reduce(np.exp(wealth - largest))) - math.log(len(wealth))
    return largest + mean
