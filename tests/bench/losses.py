"""Loss distributions with finitely many values, so that the sums over all labels of a look can be drawn exactly.

If the labels of a look are Poisson and a label has loss v_j with probability p_j, the numbers of labels at v_1, v_2
and so on are independent Poisson numbers. Their weighted sums are the look's labels, losses and squared losses, as
exactly as if every label had been drawn for itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, stats

from lossgate.stats import Baseline
from lossgate.stats.arrays import Array

MEAN, VARIANCE = 0.3, 0.7
CAP = -math.log(1e-6)
"""No loss is larger: predicted probabilities are clipped at 1e-6 before the logarithm."""
BASELINE = Baseline(MEAN, VARIANCE, labels=100_000)
_OCTAVES = 16
_POINTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """Values of one label's loss and their probabilities: mean .30, variance .70, none above the cap."""

    values: Array
    probabilities: Array

    @classmethod
    def like(cls, quantile: Callable[[Array], Array], top: float) -> Loss:
        """Return a distribution with the shape of a continuous one, as far as `top`.

        The probability is halved again and again towards the upper tail, down to 2^-16, and every part becomes one
        value: the mean of the quantiles in it. Scale and a power near 1 then make mean and variance exact. Below
        cap / top, a multiple of the loss stays under the cap, so that the mean is multiplied by just as much.
        """
        tails = np.append(2.0 ** -np.arange(_OCTAVES), 0.0)
        middles = (np.arange(_POINTS) + 0.5) / _POINTS
        raw = quantile(1.0 - tails[:-1, None] + (tails[:-1] - tails[1:])[:, None] * middles).mean(axis=1)
        probabilities = tails[:-1] - tails[1:]

        def shaped(power: float) -> Array:
            powers = raw**power

            def excess(scale: float) -> float:
                return float(probabilities @ np.minimum(powers * scale, top)) - MEAN

            values: Array = np.minimum(powers * float(optimize.brentq(excess, 1e-3, 1e3, xtol=1e-15)), top)
            return values

        def spread(power: float) -> float:
            return float(probabilities @ np.square(shaped(power))) - MEAN**2 - VARIANCE

        return cls(shaped(float(optimize.brentq(spread, 0.5, 2.0, xtol=1e-14))), probabilities)

    def moments(self, factor: float) -> tuple[float, float]:
        """Return mean and variance of one label's loss when every loss is multiplied, then capped."""
        values = np.minimum(self.values * factor, CAP)
        mean = float(self.probabilities @ values)
        return mean, float(self.probabilities @ values**2) - mean * mean

    def factor(self, ratio: float) -> float:
        """Return what every loss must be multiplied by for the mean, after the cap, to be `ratio` times as large."""
        if ratio * self.values.max() <= CAP:
            return ratio
        return float(optimize.brentq(lambda factor: self.moments(factor)[0] - ratio * MEAN, ratio, 100.0 * ratio))


def _cross_entropy(part: Array) -> Array:
    """Quantiles of a classifier's loss: 92 % right answers, small; 8 % wrong ones, from .6 on."""
    right = stats.expon.ppf(np.minimum(part / 0.92, 1.0 - 1e-9), scale=0.1)
    wrong = 0.6 + stats.gamma.ppf(np.clip((part - 0.92) / 0.08, 0.0, 1.0 - 1e-9), 1.6, scale=1.25)
    return np.where(part < 0.92, right, wrong)


@cache
def cross_entropy() -> Loss:
    """Return a 10-class cross-entropy at 92 % accuracy, as far as 8.6: exact up to 1.6 times as much."""
    return Loss.like(_cross_entropy, CAP / 1.6)


@cache
def gamma() -> Loss:
    """Return a gamma distribution (shape .129), as far as 12.5."""
    return Loss.like(lambda part: stats.gamma.ppf(part, MEAN**2 / VARIANCE, scale=VARIANCE / MEAN), CAP / 1.1)


@cache
def lognormal() -> Loss:
    """Return a log-normal distribution (sigma 1.47), as far as 12.5."""
    variance = math.log1p(VARIANCE / MEAN**2)
    scale = MEAN * math.exp(-variance / 2)
    return Loss.like(lambda part: stats.lognorm.ppf(part, math.sqrt(variance), scale=scale), CAP / 1.1)
