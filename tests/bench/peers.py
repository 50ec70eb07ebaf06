"""What users have today, in small: the rules that the gate is compared with, on the same looks.

All of them see one version's labels of a look as one number, mean and variance: no ages, no pods. `margin` is the
relative loss that counts as harm, `step_margin` the one that must be ruled out to promote. Each says of every look
whether it would roll back or promote at it; a tool that only ever fails or passes has no promotion of its own.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from lossgate.stats.arrays import Array
from lossgate.stats.mixture import scale
from tests.bench.losses import MEAN
from tests.bench.streams import Observation

Says = NDArray[np.bool_]
RISK = 0.05
FIRST_LOOK = 20
"""Looks that a normal approximation waits for."""


class Rule(Protocol):
    """A rule, fed look by look."""

    @property
    def harm(self) -> Says:
        """Tests that the rule would roll back now."""

    @property
    def safe(self) -> Says:
        """Tests that the rule would promote now."""

    def advance(self, look: Observation) -> None:
        """Take a look; afterwards `harm` and `safe`, shape (tests,), say what the rule would do now."""


class ThresholdCounter:
    """Flagger: a metric above its `thresholdRange.max` is a failed check, and `threshold` failed checks roll back.

    The metric is the canary's mean loss over the stable version's in the last ten looks, the limit 1.1 (a tolerance of
    10 %, as in the examples people copy); failed checks are counted in all, as Flagger does, or in a row, as its users
    often take it. With one failure it is Argo Rollouts: `successCondition: result <= 1.1` with `failureLimit: 0`, its
    default, where the first failed measurement aborts. Neither proves safety: what has not failed after `passes_after`
    looks goes on.
    """

    LIMIT, WINDOW = 1.1, 10

    def __init__(self, tests: int, failures: int, in_a_row: bool = False, passes_after: int | None = None) -> None:
        self.harm, self.safe = np.zeros(tests, bool), np.zeros(tests, bool)
        self._failures, self._in_a_row, self._passes_after = failures, in_a_row, passes_after
        self._looks, self._sums, self._count = 0, np.zeros((6, tests)), np.zeros(tests, int)

    def advance(self, look: Observation) -> None:
        """Check at the end of a window."""
        self._sums += look.whole
        self._looks += 1
        if self._looks % self.WINDOW:
            return
        n_c, s_c, _, n_s, s_s, _ = self._sums
        failed = s_c * n_s > self.LIMIT * s_s * n_c
        self._count = (self._count * (failed | (not self._in_a_row))) + failed
        self.harm = self._count >= self._failures
        if self._looks == self._passes_after:
            self.safe = ~self.harm
        self._sums = np.zeros_like(self._sums)


class Welch:
    """Welch's t test (Biometrika 34, 1947) of all labels so far, one-sided at 5 %, at every look or only at the last.

    Repeating it is what dashboards with a p value do; Armitage, McPherson, Rowe (J. R. Stat. Soc. A 132, 1969) say
    what that costs. The t quantile is the normal one: there are hundreds of labels.
    """

    def __init__(self, tests: int, margin: float, step_margin: float, only_at: int | None = None) -> None:
        self.harm, self.safe = np.zeros(tests, bool), np.zeros(tests, bool)
        self._ratios, self._only_at = (1.0 + margin, 1.0 + step_margin), only_at
        self._looks, self._pooled = 0, _Pooled(tests)

    def advance(self, look: Observation) -> None:
        """Test."""
        self._looks += 1
        self._pooled.add(look)
        if self._looks == self._only_at or (self._only_at is None and self._looks >= FIRST_LOOK):
            bound = -ndtri(RISK)
            self.harm = self._pooled.z(self._ratios[0])[0] > bound
            self.safe = self._pooled.z(self._ratios[1])[0] < -bound


class MixtureSprt:
    """Mixture SPRT of all labels so far (Johari, Koomen, Pekelis, Walsh, Oper. Res. 70, 2022), as in A/B platforms.

    Mixed over a normal effect with the standard deviation of the margin that is looked for, 5 %; two-sided at 5 %.
    """

    def __init__(self, tests: int, margin: float, step_margin: float, effect: float = 0.05) -> None:
        self.harm, self.safe = np.zeros(tests, bool), np.zeros(tests, bool)
        self._ratios, self._precision = (1.0 + margin, 1.0 + step_margin), 1.0 / (effect * MEAN) ** 2
        self._looks, self._pooled = 0, _Pooled(tests)

    def advance(self, look: Observation) -> None:
        """Test."""
        self._looks += 1
        self._pooled.add(look)
        if self._looks >= FIRST_LOOK:
            self.harm, self.safe = (
                sign * self._z(ratio) > 0 for sign, ratio in zip((1, -1), self._ratios, strict=True)
            )

    def _z(self, ratio: float) -> Array:
        """Return z where the evidence suffices, 0 elsewhere."""
        z, information = self._pooled.z(ratio)
        whole = information + self._precision
        evidence = 0.5 * np.log(self._precision / whole) + 0.5 * z * z * information / whole
        return np.where(evidence >= -math.log(RISK), z, 0.0)


class AsymptoticSequence:
    """Asymptotic confidence sequence (Waudby-Smith et al., Ann. Stat. 52, 2024) of the contrast within looks.

    One-sided, one scale, best at an effect of 15 %; from look 20 and 500 canary labels on. The variance is that within
    looks or, if larger, that of the means of blocks of 1, 2, 4, ... looks, of which there must be 20 (batch means,
    Flegal, Jones, Ann. Stat. 38, 2010). With `longest_block` 1 it is the textbook's: looks are independent.
    """

    EFFECT, MIN_BLOCKS, MIN_LABELS = 0.15, 20, 500

    def __init__(self, tests: int, margin: float, step_margin: float, longest_block: int = 256) -> None:
        self.harm, self.safe = np.zeros(tests, bool), np.zeros(tests, bool)
        self._ratios, self._rho = np.array([[1.0 + margin], [1.0 + step_margin]]), float(scale(self.EFFECT * MEAN))
        self._looks, self._labels, self._weight = 0, np.zeros(tests), np.zeros(tests)
        self._contrast, self._variance = np.zeros((2, tests)), np.zeros((2, tests))
        lengths = [1 << i for i in range(longest_block.bit_length())]
        self._blocks = [_Blocks(length, tests) for length in lengths]

    def advance(self, look: Observation) -> None:
        """Test."""
        n_c, s_c, q_c, n_s, s_s, q_s = look.whole
        both = (n_c > 1) & (n_s > 1)
        n_c, n_s = np.where(both, n_c, 2.0), np.where(both, n_s, 2.0)
        weight = n_c * n_s / (n_c + n_s) * both
        contrast = weight * (s_c / n_c - self._ratios * s_s / n_s)
        noise_c, noise_s = ((q - s * s / n) / (n - 1) / n for n, s, q in ((n_c, s_c, q_c), (n_s, s_s, q_s)))
        self._looks += 1
        self._labels += n_c * both
        self._weight += weight
        self._contrast += contrast
        self._variance += weight * weight * (noise_c + np.square(self._ratios) * noise_s)
        for blocks in self._blocks:
            blocks.add(contrast, weight)
        if self._looks >= FIRST_LOOK:
            shown = self._shown() & (self._labels >= self.MIN_LABELS)
            self.harm, self.safe = shown[0], shown[1]

    def _shown(self) -> Says:
        mean, variance = self._contrast / self._weight, self._variance
        for blocks in self._blocks:
            if blocks.closed >= self.MIN_BLOCKS:
                variance = np.maximum(variance, blocks.variance(mean))
        information = np.square(self._weight) / variance
        z = mean * np.sqrt(information) * np.array([[1.0], [-1.0]])
        whole = information + self._rho
        x = z * np.sqrt(information / whole)
        evidence = math.log(2.0) + 0.5 * np.log(self._rho / whole) + 0.5 * x * x + log_ndtr(x)
        shown: Says = evidence >= -math.log(RISK)
        return shown


class _Blocks:
    """Sums of the contrast and its weight over blocks of `length` looks."""

    def __init__(self, length: int, tests: int) -> None:
        self.closed = 0
        self._length, self._looks = length, 0
        self._open, self._open_weight = np.zeros((2, tests)), np.zeros(tests)
        self._squares, self._products, self._weights = np.zeros((2, tests)), np.zeros((2, tests)), np.zeros(tests)

    def add(self, contrast: Array, weight: Array) -> None:
        self._open += contrast
        self._open_weight += weight
        self._looks += 1
        if self._looks % self._length == 0:
            self._squares += np.square(self._open)
            self._products += self._open * self._open_weight
            self._weights += np.square(self._open_weight)
            self._open, self._open_weight = np.zeros_like(self._open), np.zeros_like(self._open_weight)
            self.closed += 1

    def variance(self, mean: Array) -> Array:
        """Return the variance of the sum over all looks, from the blocks' distances to the mean."""
        spread = self._squares - 2.0 * mean * self._products + np.square(mean) * self._weights
        return spread * self.closed / (self.closed - 1)


class _Pooled:
    """Totals of all labels so far."""

    def __init__(self, tests: int) -> None:
        self._sums = np.zeros((6, tests))

    def add(self, look: Observation) -> None:
        self._sums += look.whole

    def z(self, ratio: float) -> tuple[Array, Array]:
        """Return the z statistic of canary mean less `ratio` times stable mean, and 1 / variance of that."""
        n_c, s_c, q_c, n_s, s_s, q_s = self._sums
        n_c, n_s = np.maximum(n_c, 2.0), np.maximum(n_s, 2.0)
        variance_c, variance_s = (q_c - s_c * s_c / n_c) / (n_c - 1), (q_s - s_s * s_s / n_s) / (n_s - 1)
        variance = variance_c / n_c + ratio * ratio * variance_s / n_s
        return (s_c / n_c - ratio * s_s / n_s) / np.sqrt(variance), 1.0 / variance
