"""Many one-sided tests side by side: what they have summed up, and what it amounts to.

Arrays end in the axes strata and tests. A stratum is a label age; the contrast of the two losses is taken within look
and stratum, never between totals (Simpson, J. R. Stat. Soc. B 13, 1951). A gate is one test of the whole and one for
each listed class; a simulation is thousands of equal ones.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossgate.stats import guard as early_guard
from lossgate.stats import ladder
from lossgate.stats.arrays import Array
from lossgate.stats.config import (
    MIN_BUCKET_LABELS,
    MIN_COVERAGE,
    MIN_LOOKS_HARM,
    MIN_LOOKS_HARM_WITH_PODS,
    MIN_LOOKS_SAFE,
    MIN_LOOKS_SAFE_WITH_PODS,
    MIN_PODS,
    MIN_PODS_FOR_FEWER_LOOKS,
    Noise,
)
from lossgate.stats.ladder import TINY
from lossgate.stats.mixture import log_evidence, normal_from_t
from lossgate.stats.rules import Rules

SUMS = slice(0, 2)
WEIGHT = 2
ARM_WEIGHTS = slice(3, 5)
"""Sum of w^2 / n: what a label's variance is multiplied by in the variance of the summed contrast."""
STABLE_LEVEL = 5
"""Weighted sum of the stable version's means: what the contrast is relative to, look by look."""
SPREADS = slice(6, 8)
DFS = slice(8, 10)
LABELS = slice(10, 14, 2)
TOTALS = slice(11, 14, 2)
_LABELS_AND_TOTALS = slice(10, 14)
SCATTERS = slice(14, 16)
"""Per side, sum of T^2 / w: the noise, where squared losses are not known."""
LOOKS = 16
ROWS = 17
_TOWARDS = np.array([[1.0], [-1.0]])
"""Sign of z that speaks for harm, and for safety."""


class Pods(NamedTuple):
    """One look of the pods: how each stable pod differs from all, and how many pods each version has.

    `residual` and `df` as in `PodIncrement`, shape (pods, tests); the numbers of pods have shape (tests,).
    """

    residual: Array
    df: Array
    stable_pods: Array
    canary_pods: Array


class Estimates(NamedTuple):
    """Per side and test, shape (2, tests): NaN where nothing can be told yet.

    `theta` is the mean contrast in loss units (above 0 the canary is beyond the margin), `df` the degrees of freedom of
    its variance, `coverage` the share of the stable version's labels whose ages the canary has too, shape (tests,).
    """

    theta: Array
    variance: Array
    design_effect: Array
    df: Array
    z: Array
    coverage: Array
    shares: Array
    """What the sums of each stratum are multiplied by, shape (2, strata, tests)."""
    has_pods: NDArray[np.bool_]


class _Contrast(NamedTuple):
    """What the evidence would amount to if looks were independent and pods alike; as in `Estimates`."""

    theta: Array
    variance: Array
    shares: Array
    coverage: Array


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Tests after some looks; immutable, `advance` returns the next state.

    Attributes:
        rules: What they are decided by.
        strata: Sums by stratum, shape (17, strata, tests).
        levels: The ladders.
        guard: Log wealth of the early guards' bets.
        looks: Looks of each test in which both versions had labels.
        pods: Sums of residuals and of df of each pod, shape (2, pods, tests).
        pod_looks: Sums over the looks of stable pods, of canary pods, and of stable labels, shape (3, tests).
        by_guard: Tests whose early guard found harm, at any look so far.
        by_main_rule: Tests whose main rule found harm, at any look so far.
        safe: Tests that found non-inferiority, at any look so far.
    """

    rules: Rules
    strata: Array
    levels: Array
    guard: Array
    looks: NDArray[np.int64]
    pods: Array
    pod_looks: Array
    by_guard: NDArray[np.bool_]
    by_main_rule: NDArray[np.bool_]
    safe: NDArray[np.bool_]

    @classmethod
    def start(cls, rules: Rules, strata: int, pods: int = 0) -> Bank:
        """Return tests without evidence."""
        tests = len(rules.mean)
        never = np.zeros(tests, bool)
        return cls(
            rules=rules,
            strata=np.zeros((ROWS, strata, tests)),
            levels=ladder.start(tests),
            guard=early_guard.start(tests),
            looks=np.zeros(tests, np.int64),
            pods=np.zeros((2, pods, tests)),
            pod_looks=np.zeros((3, tests)),
            by_guard=never,
            by_main_rule=never,
            safe=never,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bank):
            return NotImplemented
        names = [field.name for field in fields(self) if field.name != "rules"]
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    __hash__ = None  # type: ignore[assignment]

    @property
    def harm(self) -> NDArray[np.bool_]:
        """Tests that found harm, by either rule."""
        return self.by_guard | self.by_main_rule

    def advance(self, look: Array, pods: Pods | None = None) -> Bank:
        """Return the tests after one look.

        Args:
            look: Labels, sums and sums of squares of the canary, then of the stable version, shape
                (6, strata, tests); all finite, none negative.
            pods: The pods in this look; as many as there were before.
        """
        moments, rules = look.reshape(2, 3, *look.shape[1:]), self.rules
        both = np.minimum(moments[0, 0], moments[1, 0]) > 0
        some_empty = np.count_nonzero(both) < both.size
        if some_empty:
            moments = moments.copy()
            moments[0] *= both
        seen = np.logical_or.reduce(both)
        n, total = moments[:, 0], moments[:, 1]
        known_n = n + (n == 0) if some_empty else n
        mean, whole = total / known_n, known_n[0] + known_n[1]
        share = n[::-1] / whole
        weight = n[0] * share[0]
        contrast = weight * (mean[0] - rules.ratio * mean[1] - rules.offset)

        added = np.zeros(self.strata.shape)
        added[SUMS], added[WEIGHT], added[LOOKS] = contrast, weight, both
        added[_LABELS_AND_TOTALS] = moments[:, :2].reshape(4, *look.shape[1:])
        np.multiply(weight, share, out=added[ARM_WEIGHTS])
        np.multiply(weight, mean[1], out=added[STABLE_LEVEL])
        guard = self.guard
        if rules.noise.has_squares:
            np.maximum(moments[:, 2] - total * mean, 0.0, out=added[SPREADS])
            np.maximum(n - 1.0, 0.0, out=added[DFS])
            expected = self._stable_mean()
            guard = guard + early_guard.winnings(moments, share, expected, rules.guard_ratio, rules.stakes, rules.clip)
        else:
            np.divide(contrast * contrast, weight, out=added[SCATTERS], where=both)

        strata, looks = self.strata + added, self.looks + seen
        variance, sums, of_look = _variance(rules, strata), _over_strata(strata), _over_strata(added[: WEIGHT + 1])
        levels = ladder.climb(
            self.levels, looks, seen, of_look[SUMS], of_look[WEIGHT], sums[: WEIGHT + 1], _over_strata(variance)
        )
        sums_of_pods, pod_looks = self.pods, self.pod_looks
        if pods is not None:
            sums_of_pods = sums_of_pods + np.stack([pods.residual, pods.df]) * seen
            stable_labels = np.add.reduce(n[1])
            pod_looks = pod_looks + np.stack([pods.stable_pods, pods.canary_pods, stable_labels]) * seen
        latched = (self.by_guard, self.by_main_rule, self.safe)
        return Bank(rules, strata, levels, guard, looks, sums_of_pods, pod_looks, *latched)._latch(variance, sums)

    def estimates(self) -> Estimates:
        """Return what the evidence amounts to."""
        variance = _variance(self.rules, self.strata)
        return self._estimates(variance, self._contrast(variance, _over_strata(self.strata)))

    def log_evidence(self, estimates: Estimates) -> Array:
        """Return the main rule's log evidence for harm and for safety, shape (2, tests)."""
        return log_evidence(estimates.z * _TOWARDS, 1.0 / estimates.variance, self.rules.scales)

    def min_looks(self) -> NDArray[np.int64]:
        """Return the looks below which the main rule says nothing, shape (2, tests)."""
        harm, safe = MIN_LOOKS_HARM, MIN_LOOKS_SAFE
        if self.rules.noise is Noise.MEANS_ONLY:
            harm = safe
        least = np.empty((2, len(self.looks)), np.int64)
        least[0], least[1] = harm, safe
        if self.pods.shape[1]:
            enough = np.rint(self._mean_pods()[0]) >= MIN_PODS_FOR_FEWER_LOOKS
            least[0, enough], least[1, enough] = MIN_LOOKS_HARM_WITH_PODS, MIN_LOOKS_SAFE_WITH_PODS
        return least

    def guard_log_evidence(self) -> Array:
        """Return the log evidence of the early guards; None of them has any where squared losses are not known."""
        return early_guard.log_evidence(self.guard)

    def _stable_mean(self) -> Array:
        n, total = self.strata[LABELS][1], self.strata[TOTALS][1]
        mean: Array = np.empty_like(n)
        mean[:] = self.rules.mean
        np.divide(total, n, out=mean, where=n > 0)
        return mean

    def _mean_pods(self) -> Array:
        """Return the pods a look of stable version and canary, shape (2, tests)."""
        return self.pod_looks[:2] / np.maximum(self.looks, 1)

    def _pod_variance(self) -> tuple[Array, Array]:
        """Return the variance of the summed contrasts if pods differ as they do, and its degrees of freedom.

        0 for tests with too few pods.
        """
        residual, df = self.pods
        pods = np.count_nonzero(df > 0, axis=0)
        canary, stable = _spreads(self.strata)
        within = self.strata[SPREADS][1].sum(axis=0) / np.maximum(self.strata[DFS][1].sum(axis=0), 1.0)
        expected = within * df.sum(axis=0)
        known = (pods >= MIN_PODS) & (expected > 0)
        effect = np.maximum(np.square(residual).sum(axis=0) / np.where(known, expected, 1.0), 1.0)
        canary_n, stable_n = self.strata[LABELS][0].sum(axis=0), self.pod_looks[2]
        stable_pods, canary_pods = np.maximum(self._mean_pods(), 1.0)
        size = (canary_n / canary_pods) / np.where(stable_n > 0, stable_n / stable_pods, 1.0)
        canary_noise, stable_noise = self.strata[ARM_WEIGHTS]
        canary_effect = 1.0 + (effect - 1.0) * size
        stable_variance = self.rules.ratio_squared * (effect * stable * stable_noise)
        variance = canary_effect * canary * canary_noise + stable_variance
        return np.where(known, variance, 0.0), pods - 1.0

    def _contrast(self, variance: Array, sums: Array) -> _Contrast:
        """Return the mean contrast, given the variance of the summed contrasts and the sums over all strata."""
        shares, coverage = self._shares(sums)
        theta = _over_strata(shares * self.strata[SUMS])
        return _Contrast(theta, _over_strata(shares * shares * variance), shares, coverage)

    def _estimates(self, variance: Array, contrast: _Contrast) -> Estimates:
        theta, independent, shares, coverage = contrast
        effect, df = ladder.design_effect(self.levels, self.looks)
        var = effect * independent
        has_pods = np.zeros(len(self.looks), bool)
        if not self.rules.noise.has_squares:
            df = np.minimum(df, np.maximum(self.looks - 1.0, 1.0))
        elif self.pods.shape[1]:
            of_pods, pod_df = self._pod_variance()
            by_pods = _over_strata(shares * shares * of_pods)
            has_pods, larger = of_pods[0].any(axis=0), by_pods > var
            effect = np.where(larger & (var > 0), effect * by_pods / np.where(var > 0, var, 1.0), effect)
            var, df = np.where(larger, by_pods, var), np.where(larger, pod_df, df)
        var[var <= 0] = np.nan
        z = normal_from_t(theta / np.sqrt(var), df)
        return Estimates(theta, var, effect, df, z, coverage, shares, has_pods)

    def _shares(self, sums: Array) -> tuple[Array, Array]:
        """Return what the sums of the strata are multiplied by, and how much of the stable age mix is covered.

        For harm, strata count by their weight (overlap); for safety by the stable version's labels, over the strata
        that the canary has enough labels in (post-stratification). NaN where there is nothing to multiply.
        """
        weight, (canary, stable) = self.strata[WEIGHT], self.strata[LABELS]
        least = 1.0 if self.rules.noise is Noise.MEANS_ONLY else MIN_BUCKET_LABELS
        covered = stable * ((canary >= least) & (weight > 0))
        labels, whole = np.add.reduce(covered), sums[WEIGHT]
        shares = np.full((2, *weight.shape), np.nan)
        np.divide(1.0, whole, out=shares[0], where=whole > 0)
        np.divide(covered, labels * np.maximum(weight, TINY), out=shares[1], where=labels > 0)
        return shares, labels / np.maximum(sums[LABELS][1], TINY)

    def _latch(self, variance: Array, sums: Array) -> Bank:
        """Return the tests with what this look has shown, which is remembered; arguments as in `_contrast`."""
        rules = self.rules
        # What costs little is asked first. No bet's wealth is above the largest, and the design effect, few degrees of
        # freedom and the pods only ever take from z.
        by_guard = np.maximum.reduce(self.guard) >= rules.guard_log_bound
        if np.count_nonzero(by_guard):
            by_guard = self.guard_log_evidence() >= rules.guard_log_bound
        shown = self.looks >= self.min_looks()
        shown &= sums[LABELS][0] >= rules.min_labels
        if np.count_nonzero(shown):
            contrast = self._contrast(variance, sums)
            shown &= contrast.theta * _TOWARDS >= rules.least_z * np.sqrt(contrast.variance)
            if np.count_nonzero(shown):
                estimates = self._estimates(variance, contrast)
                shown &= self.log_evidence(estimates) >= rules.log_bounds
                shown[1] &= estimates.coverage >= MIN_COVERAGE
        if not (np.count_nonzero(shown) or np.count_nonzero(by_guard)):
            return self
        return replace(
            self,
            by_guard=self.by_guard | (by_guard & ~self.by_main_rule),
            by_main_rule=self.by_main_rule | (shown[0] & ~self.by_guard & ~by_guard),
            safe=self.safe | (shown[1] & ~self.harm),
        )


def _over_strata(parts: Array) -> Array:
    sums: Array = np.add.reduce(parts, axis=1)
    return sums


def _spreads(strata: Array) -> Array:
    """Return the variance of one label's loss, canary and stable, shape (2, strata, tests).

    The canary's is at least the stable version's: a canary that has not yet seen its rare large losses looks good and
    precise at once.
    """
    spreads = strata[SPREADS] / np.maximum(strata[DFS], 1.0)
    np.maximum(spreads[0], spreads[1], out=spreads[0])
    return spreads


def _variance(rules: Rules, strata: Array) -> Array:
    """Return the variance of the summed contrasts if looks were independent, shape (2, strata, tests)."""
    if rules.noise.has_squares:
        noise = _spreads(strata) * strata[ARM_WEIGHTS]
        within: Array = noise[0] + rules.ratio_squared * noise[1]
        return within
    weight = np.where(strata[WEIGHT] > 0, strata[WEIGHT], 1.0)
    spread = np.maximum(strata[SCATTERS] - strata[SUMS] * strata[SUMS] / weight, 0.0)
    between: Array = spread / np.maximum(strata[LOOKS] - 1.0, 1.0) * strata[WEIGHT]
    return between
