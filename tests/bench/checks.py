"""Figures and what they must be."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A figure that must lie in an interval.

    Attributes:
        what: Stream or rule.
        shown: The figure and its error.
        value: The figure.
        low: Least value allowed.
        high: Largest value allowed.
        error: Standard error of the figure, 0 where its interval is shown.
    """

    what: str
    shown: str
    value: float
    low: float = 0.0
    high: float = math.inf
    error: float = 0.0

    @property
    def is_close(self) -> bool:
        """Whether it is within two standard errors of a bound, so that the run cannot tell on which side it lies."""
        bounds = [bound for bound in (self.low, self.high) if 0.0 < bound < 1.0]
        return any(abs(self.value - bound) < 2.0 * self.error for bound in bounds)

    @property
    def is_met(self) -> bool:
        """Whether it does."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True)
class Row:
    """A promise: what is measured, its bound in words, the gate's figures, and those expected of its peers.

    A row that does not decide is reported only: its bound is the nominal risk or the author's expectation.
    """

    figure: str
    bound: str
    gate: tuple[Check, ...]
    peers: tuple[Check, ...] = ()
    decides: bool = True

    @property
    def is_met(self) -> bool:
        """Whether the gate keeps it; peers outside of what is expected of them are only reported."""
        return all(check.is_met for check in self.gate)
