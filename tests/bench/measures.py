"""What is measured of a rule on a stream, each figure with its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom

from lossgate.stats.arrays import Array

Looks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of the repetitions."""

    count: int
    repetitions: int

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.repetitions

    @property
    def error(self) -> float:
        """Its standard error, sqrt(p (1 - p) / R)."""
        return math.sqrt(self.value * (1.0 - self.value) / self.repetitions)

    @property
    def highest(self) -> float:
        """Upper 95 % limit (Clopper, Pearson, Biometrika 26, 1934)."""
        if self.count == self.repetitions:
            return 1.0
        return float(beta.ppf(0.95, self.count + 1, self.repetitions - self.count))

    def __str__(self) -> str:
        if self.count == 0:
            return f"0 (≤ {_three_digits(self.highest)})"
        return f"{_three_digits(self.value)} ± {_three_digits(self.error)}"


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile over the repetitions and its 95 % interval from order statistics; infinite where not reached."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isinf(self.value):
            return "never"
        high = "∞" if math.isinf(self.high) else f"{self.high:,.0f}"
        return f"{self.value:,.0f}" if self.low == self.high else f"{self.value:,.0f} [{self.low:,.0f}, {high}]"


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """When a rule came to a verdict, in each repetition.

    Attributes:
        harm_look: Look of the first rollback, 0 if there was none.
        safe_look: Look of the first promotion, 0 if there was none.
        labels: Canary labels up to the first verdict, or to the end of the run if there was none.
    """

    harm_look: Looks
    safe_look: Looks
    labels: Array

    @classmethod
    def joined(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """Return the outcomes of all parts, in order."""
        return cls(
            np.concatenate([part.harm_look for part in parts]),
            np.concatenate([part.safe_look for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    @property
    def repetitions(self) -> int:
        """Number of repetitions."""
        return len(self.harm_look)

    @property
    def rolled_back(self) -> Rate:
        """Repetitions with a rollback."""
        return Rate(int(np.count_nonzero(self.harm_look)), self.repetitions)

    @property
    def promoted(self) -> Rate:
        """Repetitions with a promotion."""
        return Rate(int(np.count_nonzero(self.safe_look)), self.repetitions)

    @property
    def undecided(self) -> Rate:
        """Repetitions with neither."""
        return Rate(int(np.count_nonzero((self.harm_look == 0) & (self.safe_look == 0))), self.repetitions)

    def looks_to_rollback(self, level: float = 0.5) -> Quantile:
        """Return a quantile of the looks to the rollback, over all repetitions."""
        return _quantile(np.where(self.harm_look > 0, self.harm_look, np.inf), level)

    def looks_to_promotion(self, level: float = 0.5) -> Quantile:
        """Return a quantile of the looks to the promotion, over all repetitions."""
        return _quantile(np.where(self.safe_look > 0, self.safe_look, np.inf), level)

    def labels_to_rollback(self, level: float = 0.5) -> Quantile:
        """Return a quantile of the canary labels up to the rollback, over all repetitions."""
        return _quantile(np.where(self.harm_look > 0, self.labels, np.inf), level)

    @property
    def mean_labels(self) -> tuple[float, float]:
        """Mean of the canary labels that were served, runs without a rollback included, and its standard error."""
        return float(self.labels.mean()), float(self.labels.std(ddof=1) / math.sqrt(self.repetitions))


def _quantile(values: Array, level: float) -> Quantile:
    ordered, n = np.sort(values), len(values)
    low, high = int(binom.ppf(0.025, n, level)), int(binom.ppf(0.975, n, level))
    at = (math.ceil(level * n) - 1, max(low - 1, 0), min(high, n - 1))
    return Quantile(*(float(ordered[i]) for i in at))


def _three_digits(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
