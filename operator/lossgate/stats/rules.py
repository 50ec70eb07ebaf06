"""What many tests side by side are decided by: the configurations as arrays, which do not change during a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossgate.stats.arrays import Array
from lossgate.stats.config import (
    CLASSES_RISK_SHARE,
    GUARD_RISK_SHARE,
    MIN_BUCKET_LABELS,
    MIN_CLASS_LABELS,
    GateConfig,
    Noise,
)
from lossgate.stats.evidence import Baseline
from lossgate.stats.mixture import scales


@dataclass(frozen=True, slots=True)
class Rules:
    """Margins, thresholds and scales of each test; pairs are (harm, safety), the last axis is the test.

    Attributes:
        ratio: What the stable loss is multiplied by before it is compared, shape (2, 1, tests).
        offset: What is taken from the difference, in loss units, shape (2, 1, tests).
        ratio_squared: The square of `ratio`.
        scales: Scales of the mixture, shape (3, 2, tests).
        log_bounds: Log evidence that the main rule needs, shape (2, tests).
        least_z: What z must at least be for that, whatever the information: the log evidence of one scale is below
            log 2 + z^2 / 2.
        guard_log_bound: Log evidence that the early guard needs.
        guard_ratio: Ratio of the two losses above which the guard sees harm.
        stakes: Mean over variance of the baseline: the size of the guard's bets.
        mean: Mean of the baseline: what a stable loss is taken for before the first look.
        min_labels: Canary labels below which the main rule says nothing, shape (2, tests).
        clip: Largest loss of one label.
        noise: Where the variance comes from.
    """

    ratio: Array
    offset: Array
    ratio_squared: Array
    scales: Array
    log_bounds: Array
    least_z: Array
    guard_log_bound: Array
    guard_ratio: Array
    stakes: Array
    mean: Array
    min_labels: Array
    clip: float
    noise: Noise

    @classmethod
    def of(cls, config: GateConfig, baseline: Baseline) -> Rules:
        """Return the rules of one gate: of the whole, then of each listed class."""
        whole = _Test.of_whole(config, baseline)
        return _rules(config, [whole, *_Test.of_classes(config, baseline)])

    @classmethod
    def side_by_side(cls, config: GateConfig, baseline: Baseline, tests: int) -> Rules:
        """Return the same rules for many tests, each of the whole and without classes."""
        return _rules(config, [_Test.of_whole(config, baseline)] * tests)


@dataclass(frozen=True, slots=True)
class _Test:
    margins: tuple[float, float]
    rollback_risk: float
    baseline: Baseline
    min_labels: float

    @classmethod
    def of_whole(cls, config: GateConfig, baseline: Baseline) -> _Test:
        risk = config.rollback_risk / config.steps * (1.0 - CLASSES_RISK_SHARE if config.per_class else 1.0)
        return cls((config.margin, config.step_margin), risk, baseline, config.min_labels)

    @classmethod
    def of_classes(cls, config: GateConfig, baseline: Baseline) -> list[_Test]:
        classes = config.per_class
        if classes is None:
            return []
        risk = config.rollback_risk / config.steps * CLASSES_RISK_SHARE / len(classes.names)
        least = min(config.min_labels, MIN_CLASS_LABELS)
        margins = (classes.margin, classes.step_margin)
        return [cls(margins, risk, baseline.of_class(name), least) for name in classes.names]


def _rules(config: GateConfig, tests: list[_Test]) -> Rules:
    margins = np.array([test.margins for test in tests]).T
    means = np.array([test.baseline.mean for test in tests])
    risks = np.array([test.rollback_risk for test in tests])
    least = np.array([test.min_labels for test in tests])
    counts_labels = config.noise is not Noise.MEANS_ONLY
    harm_bound = -np.log((1.0 - GUARD_RISK_SHARE) * risks)
    log_bounds = np.stack([harm_bound, np.full_like(harm_bound, -math.log(config.promotion_risk))])
    ratio = np.ones_like(margins)[:, None] if config.absolute else 1.0 + margins[:, None]
    return Rules(
        ratio=ratio,
        offset=margins[:, None] if config.absolute else np.zeros_like(margins)[:, None],
        ratio_squared=ratio * ratio,
        scales=scales(np.array([[config.effect(m, test.baseline.mean) for m in test.margins] for test in tests]).T),
        log_bounds=log_bounds,
        least_z=np.sqrt(2.0 * np.maximum(log_bounds - math.log(2.0), 0.0)),
        guard_log_bound=-np.log(GUARD_RISK_SHARE * risks),
        guard_ratio=np.array([config.guard_ratio(test.margins[0], test.baseline.mean) for test in tests]),
        stakes=means / np.array([test.baseline.variance for test in tests]),
        mean=means,
        min_labels=np.stack([least, np.maximum(least, MIN_BUCKET_LABELS)]) * counts_labels,
        clip=config.clip,
        noise=config.noise,
    )
