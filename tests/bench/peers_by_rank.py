"""Rank tests on the means of the looks, as if looks were independent: what Kayenta does to a metric's time series."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from lossgate.stats.arrays import Array
from tests.bench.peers import FIRST_LOOK, RISK
from tests.bench.streams import Observation


class RankTest:
    """Mann-Whitney U test of the looks' means so far, one-sided at 5 %, at every look."""

    def __init__(self, tests: int, looks: int, margin: float, step_margin: float) -> None:
        self.harm, self.safe = np.zeros(tests, bool), np.zeros(tests, bool)
        self._harm_ranks, self._safe_ranks = (_Ranks(tests, looks, 1.0 + m) for m in (margin, step_margin))

    def advance(self, look: Observation) -> None:
        """Test."""
        for ranks in (self._harm_ranks, self._safe_ranks):
            ranks.add(look)
        if self._harm_ranks.looks >= FIRST_LOOK:
            bound = -ndtri(RISK)
            self.harm, self.safe = self._harm_ranks.z() > bound, self._safe_ranks.z() < -bound


class Kayenta:
    """Kayenta's judge with its defaults: confidence level .98, tolerance .25; run every ten looks on all looks so far.

    A metric is High, and the canary fails, when the lower confidence bound of the Hodges-Lehmann shift is above a
    quarter of the shift itself. That is a Mann-Whitney test of the values less a quarter of the shift.
    """

    CONFIDENCE, TOLERANCE, EVERY = 0.98, 0.25, 10

    def __init__(self, tests: int, looks: int) -> None:
        self.harm, self.safe = np.zeros(tests, bool), np.zeros(tests, bool)
        self._ranks = _Ranks(tests, looks, 1.0)

    def advance(self, look: Observation) -> None:
        """Judge at every tenth look."""
        self._ranks.add(look)
        if self._ranks.looks < FIRST_LOOK or self._ranks.looks % self.EVERY:
            return
        bound = -ndtri((1.0 - self.CONFIDENCE) / 2)
        # A shift that the plain test does not see is not seen when a part of it is taken away.
        for test in np.flatnonzero((self._ranks.z() > bound) & ~self.harm).tolist():
            differences = self._ranks.differences(test)
            shifted = differences > self.TOLERANCE * float(np.median(differences))
            self.harm[test] = self._ranks.z(float(np.count_nonzero(shifted)), test) > bound


class _Ranks:
    """The U statistic of both arms' means, `ratio` times the stable one's, kept up to date look by look."""

    def __init__(self, tests: int, looks: int, ratio: float) -> None:
        self.looks = 0
        self._ratio = ratio
        self._means = np.full((2, looks, tests), np.nan)
        self._counts, self._u = np.zeros((2, tests)), np.zeros(tests)

    def add(self, look: Observation) -> None:
        """Take the means of a look; one without labels has none."""
        n_c, s_c, _, n_s, s_s, _ = look.whole
        k = self.looks
        with np.errstate(invalid="ignore"):
            self._means[0, k], self._means[1, k] = s_c / n_c, self._ratio * s_s / n_s
        canary, stable = self._means
        self._u += np.count_nonzero(canary[k] > stable[: k + 1], axis=0)
        self._u += np.count_nonzero(canary[:k] > stable[k], axis=0)
        self._counts += np.isfinite(self._means[:, k])
        self.looks += 1

    def z(self, u: float | None = None, test: int | slice = slice(None)) -> Array:
        """Return U, or another one of a test, as a standard normal variable."""
        canary, stable = self._counts[:, test]
        expected, variance = canary * stable / 2, canary * stable * (canary + stable + 1) / 12
        z: Array = ((self._u if u is None else u) - expected) / np.sqrt(variance)
        return z

    def differences(self, test: int) -> Array:
        """Return all differences of a canary and a stable mean."""
        canary, stable = (means[np.isfinite(means)] for means in self._means[:, : self.looks, test])
        differences: Array = np.subtract.outer(canary, stable)
        return differences
