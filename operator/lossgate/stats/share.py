"""Whether the canary gets the share of the traffic that its weight says: a test that stays valid at any look.

Two one-sided tests, above twice the weight and below half of it, on the predictions of both versions. Their variance
is the binomial one times the design effect of the looks: predictions come in batches, and requests stick to a version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from lossgate.stats import ladder
from lossgate.stats.arrays import Array
from lossgate.stats.mixture import log_evidence, normal_from_t, scales

MIN_LOOKS = 10
RISK = 0.01
"""Chance of calling a share wrong that is within its limits, over all looks; split between the two limits."""
_TOWARDS = np.array([1.0, -1.0])
_LOG_BOUND = math.log(2.0 / RISK)


@dataclass(frozen=True, slots=True, eq=False)
class ShareTest:
    """The predictions of a step so far; immutable, `observe` returns the next state.

    Attributes:
        weight: Share of the traffic that the canary should get, above 0 and below 1.
        looks: Looks with predictions.
        canary: The canary's predictions.
        stable: The stable version's.

    Raises:
        ValueError: The weight is no share.
    """

    weight: float
    looks: int = 0
    canary: float = 0.0
    stable: float = 0.0
    _levels: Array = field(default_factory=lambda: ladder.start(1))

    def __post_init__(self) -> None:
        if not 0 < self.weight < 1:
            raise ValueError(f"weight is {self.weight}: it must be above 0 and below 1")

    def observe(self, canary: float, stable: float) -> ShareTest:
        """Return the test after a look with these predictions; one without any changes nothing.

        Raises:
            ValueError: A number is negative or not finite.
        """
        n = canary + stable
        if not math.isfinite(n) or canary < 0 or stable < 0:
            raise ValueError(f"predictions are {canary} and {stable}: they must be finite and at least 0")
        if n == 0:
            return self
        after = replace(self, looks=self.looks + 1, canary=self.canary + canary, stable=self.stable + stable)
        levels = ladder.climb(
            self._levels,
            np.array([after.looks]),
            np.array([True]),
            self._contrast(canary, n)[:, None],
            np.array([n]),
            np.append(after._contrast(after.canary, after._n), after._n)[:, None],
            (self._limits * (1.0 - self._limits) * after._n)[:, None],
        )
        return replace(after, _levels=levels)

    @property
    def share(self) -> float | None:
        """The canary's share of all predictions; None without any."""
        return self.canary / self._n if self._n else None

    @property
    def is_mismatch(self) -> bool:
        """Whether the share is above twice the weight or below half of it."""
        return self.looks >= MIN_LOOKS and bool((self.log_evidence() >= _LOG_BOUND).any())

    def log_evidence(self) -> Array:
        """Return the log evidence that the share is too large, and that it is too small; 0 before the first look.

        No share is above twice a weight of one half or more: -inf.
        """
        if not self.looks:
            return np.zeros(2)
        limits = self._limits
        effect, df = ladder.design_effect(self._levels, np.array([self.looks]))
        variance = effect[:, 0] * limits * (1.0 - limits) / self._n
        possible = limits < 1
        variance = np.where(possible, variance, 1.0)
        theta = self._contrast(self.canary, self._n) / self._n
        z = normal_from_t(theta / np.sqrt(variance), df[:, 0])
        return np.where(possible, log_evidence(z, 1.0 / variance, scales(limits)), -np.inf)

    @property
    def _n(self) -> float:
        return self.canary + self.stable

    @property
    def _limits(self) -> Array:
        return np.array([min(2.0 * self.weight, 1.0), 0.5 * self.weight])

    def _contrast(self, canary: float, n: float) -> Array:
        return _TOWARDS * (canary - self._limits * n)
