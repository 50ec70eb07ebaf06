"""What the stable version's recorded past says: the frozen baseline, and the rate at which labels come."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum

from lossgate.stats import Arm, Baseline, Increment
from lossgate.stats.config import MIN_CLASS_LABELS

ROUNDING = 1e-9
"""A variance this small, relative to the squared mean, is none."""


class Source(StrEnum):
    """Where a baseline comes from."""

    GIVEN = "given"
    HISTORY = "history"
    FIRST_LOOK = "first look"


@dataclass(slots=True)
class Sums:
    """Labels over some looks; the scatter of the looks' means stands in where squared losses are not known."""

    looks: int = 0
    n: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    between: float = 0.0

    def add(self, look: Increment) -> None:
        """Add one look."""
        if look.n > 0:
            self.looks += 1
            self.n += look.n
            self.total += look.total
            self.squares += look.squares
            self.between += look.total * look.total / look.n

    def variance(self, has_squares: bool) -> float | None:
        """Return the variance of one label's loss, or None if too little was seen."""
        squares, df = (self.squares, self.n - 1.0) if has_squares else (self.between, self.looks - 1.0)
        if df <= 0:
            return None
        return max(squares - self.total * self.total / self.n, 0.0) / df


class History:
    """The stable version's labels, as a whole and by class."""

    def __init__(self, has_squares: bool) -> None:
        self.whole = Sums()
        self._classes: defaultdict[str, Sums] = defaultdict(Sums)
        self._has_squares = has_squares

    def add(self, arm: Arm) -> None:
        """Add one look."""
        self.whole.add(arm.total)
        for name, labels in arm.classes.items():
            self._classes[name].add(labels)

    def baseline(self) -> Baseline | None:
        """Return the baseline, or None if mean or variance cannot be told or are 0."""
        whole = self._baseline(self.whole)
        if whole is None:
            return None
        own = {name: self._baseline(sums) for name, sums in self._classes.items() if sums.n >= MIN_CLASS_LABELS}
        known = {name: baseline for name, baseline in own.items() if baseline is not None}
        return Baseline(whole.mean, whole.variance, whole.labels, known)

    def _baseline(self, sums: Sums) -> Baseline | None:
        variance = sums.variance(self._has_squares)
        if variance is None or sums.n == 0:
            return None
        mean = sums.total / sums.n
        if variance <= ROUNDING * mean * mean:
            return None
        return Baseline(mean, variance, sums.n)
