"""What a gate says: a verdict, and the numbers behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lossgate.stats.arrays import Array
from lossgate.stats.bank import LABELS, STABLE_LEVEL, TOTALS, Bank, Estimates
from lossgate.stats.config import GateConfig, Noise
from lossgate.stats.mixture import FIXED_SAMPLE_EFFECT, bound, t_from_normal

ANYTIME_COST = 2.2
"""Looks that the gate needs at the median, as a multiple of a fixed-sample test with the same power (simulated)."""


class Verdict(StrEnum):
    """What may be concluded; `Inconclusive` is said by whoever sets a deadline."""

    CONTINUE = "Continue"
    HARM = "Harm"
    NON_INFERIOR = "NonInferior"
    HOLD = "Hold"
    INCONCLUSIVE = "Inconclusive"


class Cause(StrEnum):
    """Which rule found harm."""

    NONE = "None"
    GUARD = "Guard"
    MAIN_RULE = "MainRule"


class Hold(StrEnum):
    """Why nothing can be concluded at present."""

    NO_LABELS = "NoLabels"
    NO_LABELS_STABLE = "NoLabelsStable"
    NO_LABELS_CANARY = "NoLabelsCanary"
    AGES_MISSING = "AgesMissing"


@dataclass(frozen=True, slots=True)
class ClassJudgement:
    """What is known of one class; None where nothing can be told yet. Attributes as in `Judgement`."""

    name: str
    verdict: Verdict
    labels_stable: float
    labels_canary: float
    delta: float | None
    lower: float | None
    upper: float | None
    harm: float | None
    safety: float | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the numbers behind it; None where nothing can be told yet.

    Attributes:
        verdict: What may be concluded.
        cause: The rule that found harm.
        hold: Why nothing can be concluded.
        noise: Where the variance comes from; its `promise` says what the verdict is worth.
        looks: Looks that entered the evidence.
        labels_stable: Labels of the stable version that entered it.
        labels_canary: Labels of the canary that entered it.
        mean_stable: Mean loss of the stable version.
        mean_canary: Mean loss of the canary.
        delta: Canary loss minus stable loss, contrasted look by look: a fraction of the stable mean, or loss units for
            an absolute margin. It may differ from the difference of the two means, which mixes times of day.
        lower: Lower bound of delta at the rollback risk, valid at all looks together.
        upper: Upper bound of delta at the promotion risk, valid at all looks together.
        harm: Evidence for harm as a share of what is needed, of the whole or of the worst class.
        safety: Evidence for safety as a share of what is needed, of the whole or of the class that lags most.
        design_effect: How much noisier the looks are than independent labels would make them.
        effective_labels: Canary labels divided by the design effect.
        coverage: Share of the stable version's labels whose ages the canary has too.
        looks_needed: Looks needed in all at the present estimate.
        pods: Stable pods, or groups of them, whose differences the noise was compared with.
        classes: The listed classes, one by one.
        failing_class: The class that harm was found in.
    """

    verdict: Verdict
    cause: Cause
    hold: Hold | None
    noise: Noise
    looks: int
    labels_stable: float
    labels_canary: float
    mean_stable: float | None = None
    mean_canary: float | None = None
    delta: float | None = None
    lower: float | None = None
    upper: float | None = None
    harm: float | None = None
    safety: float | None = None
    design_effect: float | None = None
    effective_labels: float | None = None
    coverage: float | None = None
    looks_needed: float | None = None
    pods: int | None = None
    classes: tuple[ClassJudgement, ...] = ()
    failing_class: str | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The numbers of each test, as rows of an array or pairs of rows; NaN where nothing can be told."""

    estimates: Estimates
    delta: Array
    bounds: Array
    harm: Array
    safety: Array


def judge(config: GateConfig, bank: Bank, verdict: Verdict, cause: Cause, hold: Hold | None) -> Judgement:
    """Return a verdict with the numbers behind it: of the whole, in the first test of the bank, and of each class."""
    stable_n, canary_n = (float(bank.strata[LABELS][arm, :, 0].sum()) for arm in (1, 0))
    stable_total, canary_total = (float(bank.strata[TOTALS][arm, :, 0].sum()) for arm in (1, 0))
    if bank.looks[0] == 0:
        return Judgement(verdict, cause, hold, config.noise, 0, stable_n, canary_n)
    columns = _columns(config, bank)
    estimates = columns.estimates
    design_effect = _told(estimates.design_effect[0, 0])
    return Judgement(
        verdict=verdict,
        cause=cause,
        hold=hold,
        noise=config.noise,
        looks=int(bank.looks[0]),
        labels_stable=stable_n,
        labels_canary=canary_n,
        mean_stable=stable_total / stable_n,
        mean_canary=canary_total / canary_n,
        delta=_told(columns.delta[0]),
        lower=_told(columns.bounds[0, 0]),
        upper=_told(columns.bounds[1, 0]),
        harm=_told(np.fmax.reduce(columns.harm)),
        safety=_told(columns.safety.min()),
        design_effect=design_effect,
        effective_labels=None if design_effect is None else canary_n / design_effect,
        coverage=float(estimates.coverage[0]),
        looks_needed=_looks_needed(bank, estimates),
        pods=int(np.count_nonzero(bank.pods[1, :, 0])) if estimates.has_pods[0] else None,
        classes=_classes(config, bank, columns),
        failing_class=_failing_class(config, bank),
    )


def _columns(config: GateConfig, bank: Bank) -> _Columns:
    rules, estimates = bank.rules, bank.estimates()
    margins = np.array([[config.margin], [config.step_margin]])
    if config.per_class is not None:
        classes = np.array([[config.per_class.margin], [config.per_class.step_margin]])
        margins = np.concatenate([margins, np.repeat(classes, len(config.per_class.names), axis=1)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.add.reduce(estimates.shares * bank.strata[STABLE_LEVEL], axis=1)
        unit = np.ones_like(level) if config.absolute else np.where(level > 0, level, np.nan)
        reach = t_from_normal(bound(1.0 / estimates.variance, rules.scales, rules.log_bounds), estimates.df)
    reach = reach * np.sqrt(estimates.variance) * np.array([[-1.0], [1.0]])
    main = bank.log_evidence(estimates) / rules.log_bounds
    guard = bank.guard_log_evidence() / rules.guard_log_bound
    if not rules.noise.has_squares:
        guard = np.zeros_like(guard)
    return _Columns(
        estimates=estimates,
        delta=estimates.theta[0] / unit[0] + margins[0],
        bounds=(estimates.theta + reach) / unit + margins,
        harm=np.where(np.isfinite(main[0]), np.maximum(np.maximum(main[0], guard), 0.0), np.nan),
        safety=np.maximum(main[1], 0.0),
    )


def _classes(config: GateConfig, bank: Bank, columns: _Columns) -> tuple[ClassJudgement, ...]:
    if config.per_class is None:
        return ()
    found_harm, found_safe = bank.harm.tolist(), bank.safe.tolist()
    canary, stable = bank.strata[LABELS].sum(axis=1).tolist()
    delta, harm, safety = columns.delta.tolist(), columns.harm.tolist(), columns.safety.tolist()
    lower, upper = columns.bounds.tolist()
    return tuple(
        ClassJudgement(
            name=name,
            verdict=Verdict.HARM
            if found_harm[test]
            else Verdict.NON_INFERIOR
            if found_safe[test]
            else Verdict.CONTINUE,
            labels_stable=stable[test],
            labels_canary=canary[test],
            delta=_told(delta[test]),
            lower=_told(lower[test]),
            upper=_told(upper[test]),
            harm=_told(harm[test]),
            safety=_told(safety[test]),
        )
        for test, name in enumerate(config.per_class.names, start=1)
    )


def _failing_class(config: GateConfig, bank: Bank) -> str | None:
    """Return the class that harm was found in, unless it was found in the whole."""
    harm = bank.harm
    if config.per_class is None or harm[0] or not harm.any():
        return None
    return config.per_class.names[int(np.argmax(harm)) - 1]


def _looks_needed(bank: Bank, estimates: Estimates) -> float | None:
    """Looks in all until the nearer verdict of the whole, if the estimate stays where it is."""
    side = 0 if estimates.theta[0, 0] > 0 else 1
    theta, variance = float(estimates.theta[side, 0]), float(estimates.variance[side, 0])
    looks, least = int(bank.looks[0]), int(bank.min_looks()[side, 0])
    if not math.isfinite(variance) or (side == 1 and not theta < 0):
        return None
    needed = ANYTIME_COST * (FIXED_SAMPLE_EFFECT / theta) ** 2 * variance * looks
    return max(float(least), math.ceil(needed)) if math.isfinite(needed) else None


def _told(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
