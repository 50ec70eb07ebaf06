"""Evidence as sufficient statistics: what one version's losses added up to within one look."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Increment:
    """One version, one look: `n` labels whose losses add up to `total` and whose squared losses to `squares`.

    Fractions of labels are allowed, since counters may be extrapolated.

    Raises:
        ValueError: A number is negative or not finite.
    """

    n: float
    total: float
    squares: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.n) and math.isfinite(self.total) and math.isfinite(self.squares)):
            raise ValueError(f"{self}: every number must be finite; what is not known must not become evidence")
        if self.n < 0 or self.total < 0 or self.squares < 0:
            raise ValueError(f"{self}: no number can be negative; counters that went back are no evidence")


@dataclass(frozen=True, slots=True)
class Look:
    """Both versions over the same stretch of time, which ends at `end` (Unix seconds): the key of the look."""

    end: float
    stable: Increment
    canary: Increment


@dataclass(frozen=True, slots=True)
class Baseline:
    """The stable version's loss before the step, frozen: mean and variance of one label's loss, from `labels` labels.

    Raises:
        ValueError: Mean or variance is not positive and finite.
    """

    mean: float
    variance: float
    labels: float

    def __post_init__(self) -> None:
        for name, value in (("mean", self.mean), ("variance", self.variance)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"baseline {name} is {value}: it must be positive and finite")
