"""One side of the test: the contrast of the two losses at one margin, and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from lossgate.stats.evidence import Look
from lossgate.stats.ladder import Ladder, Sums
from lossgate.stats.mixture import bound, log_evidence, normal_from_t, scales, t_from_normal


@dataclass(frozen=True, slots=True)
class Moments:
    """What both sides share: labels, losses and within-look variances of both versions, and the weights so far."""

    weight: float = 0.0
    canary_weight: float = 0.0
    stable_weight: float = 0.0
    canary_spread: float = 0.0
    canary_df: float = 0.0
    stable_spread: float = 0.0
    stable_df: float = 0.0
    canary_n: float = 0.0
    canary_total: float = 0.0
    stable_n: float = 0.0
    stable_total: float = 0.0
    stable_level: float = 0.0
    """Weighted sum of the stable version's means: what the contrast is relative to, look by look."""

    def add(self, look: Look, weight: float) -> Moments:
        """Return the moments with one look added; both versions have labels in it."""
        stable, canary = look.stable, look.canary
        return Moments(
            self.weight + weight,
            self.canary_weight + weight * weight / canary.n,
            self.stable_weight + weight * weight / stable.n,
            self.canary_spread + max(canary.squares - canary.total * canary.total / canary.n, 0.0),
            self.canary_df + max(canary.n - 1.0, 0.0),
            self.stable_spread + max(stable.squares - stable.total * stable.total / stable.n, 0.0),
            self.stable_df + max(stable.n - 1.0, 0.0),
            self.canary_n + canary.n,
            self.canary_total + canary.total,
            self.stable_n + stable.n,
            self.stable_total + stable.total,
            self.stable_level + weight * stable.total / stable.n,
        )

    def variance(self, ratio: float) -> float:
        """Return the variance of the summed contrast if labels were independent.

        The canary's variance is at least the stable version's: a canary that has not yet seen its rare large losses
        looks good and precise at once.
        """
        stable = self.stable_spread / max(self.stable_df, 1.0)
        canary = max(self.canary_spread / max(self.canary_df, 1.0), stable)
        return canary * self.canary_weight + ratio * ratio * stable * self.stable_weight


class Estimate(NamedTuple):
    """The mean contrast (loss units; above 0 the canary is beyond the margin), its noise, and what it amounts to."""

    theta: float
    variance: float
    design_effect: float
    df: float
    z: float
    information: float


@dataclass(frozen=True, slots=True)
class Side:
    """The summed contrast at one margin and its ladder."""

    total: float = 0.0
    ladder: Ladder = Ladder()  # noqa: RUF009 - immutable

    def add(self, looks: int, contrast: float, weight: float, moments: Moments, ratio: float) -> Side:
        """Return the side after look number `looks`, whose weighted contrast is `contrast`."""
        total = self.total + contrast
        sums = Sums(total, moments.weight, moments.variance(ratio))
        return Side(total, self.ladder.climb(looks, contrast, weight, sums))

    def estimate(self, moments: Moments, ratio: float) -> Estimate | None:
        """Return the estimate, or None while there is no noise to compare it with."""
        effect, df = self.ladder.design_effect()
        variance = effect * moments.variance(ratio) / moments.weight**2 if moments.weight > 0 else 0.0
        if variance <= 0:
            return None
        theta = self.total / moments.weight
        z = normal_from_t(theta / math.sqrt(variance), df)
        return Estimate(theta, variance, effect, df, z, 1.0 / variance)


def evidence(estimate: Estimate, effect: float, direction: float) -> float:
    """Return the log evidence that theta is above 0 (`direction` 1) or below it (-1)."""
    return log_evidence(direction * estimate.z, estimate.information, scales(effect))


def reach(estimate: Estimate, effect: float, log_threshold: float) -> float | None:
    """Return the distance (loss units) from the estimate to its bound; None while there is too little to bound it."""
    z = bound(estimate.information, scales(effect), log_threshold)
    return None if z is None else t_from_normal(z, estimate.df) * math.sqrt(estimate.variance)
