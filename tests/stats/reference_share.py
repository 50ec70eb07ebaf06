"""A second opinion on whether the canary gets the share of traffic that its weight says, from the list of all looks.

Two one-sided tests by the same ladder and mixture: share above twice the weight, share below half of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import log, mpf, sqrt

from tests.stats import reference_numbers as numbers
from tests.stats.reference_numbers import Number
from tests.stats.reference_strata import Ladder

MIN_LOOKS = 10
LOG_BOUND = -log(mpf("0.01") / 2)

Predictions = Sequence[tuple[float, float]]
"""Canary's and stable's predictions of each look."""


def log_evidence(predictions: Predictions, limit: Number, sign: int) -> Number | None:
    """Return the evidence that the share is above (`sign` 1) or below (-1) a limit; None if no share can be."""
    if limit >= 1:
        return None
    looks = [(mpf(c), mpf(c) + mpf(s)) for c, s in predictions if c + s > 0]
    contrasts, served = [sign * (c - limit * n) for c, n in looks], [n for _, n in looks]
    ladder = Ladder(contrasts, served, lambda k: limit * (1 - limit) * sum(served[:k]))
    effect, df = ladder.design_effect(len(looks))
    variance = effect * limit * (1 - limit) / sum(served)
    z = numbers.normal_from_t(sum(contrasts) / sum(served) / sqrt(variance), df)
    return numbers.log_evidence(z, 1 / variance, limit)


def mismatch(predictions: Predictions, weight: float) -> bool:
    """Return whether the share is outside [weight / 2, 2 weight]; `weight` is a fraction."""
    if sum(c + s > 0 for c, s in predictions) < MIN_LOOKS:
        return False
    both = log_evidence(predictions, 2 * mpf(weight), 1), log_evidence(predictions, mpf(weight) / 2, -1)
    return any(each is not None and each >= LOG_BOUND for each in both)
