"""The gate: takes looks one by one, keeps a small state, and says at any time what may be concluded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from lossgate.stats import guard as early_guard
from lossgate.stats.config import (
    MAX_EMPTY_LOOKS,
    MIN_BUCKET_LABELS,
    MIN_LOOKS_HARM,
    MIN_LOOKS_SAFE,
    GateConfig,
)
from lossgate.stats.evidence import Baseline, Look
from lossgate.stats.mixture import FIXED_SAMPLE_EFFECT
from lossgate.stats.side import Estimate, Moments, Side, evidence, reach

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


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the numbers behind it; None where nothing can be told yet.

    Attributes:
        verdict: What may be concluded.
        cause: The rule that found harm.
        looks: Looks that entered the evidence.
        labels_stable: Labels of the stable version that entered it.
        labels_canary: Labels of the canary that entered it.
        mean_stable: Mean loss of the stable version.
        mean_canary: Mean loss of the canary.
        delta: Canary loss minus stable loss, contrasted look by look: a fraction of the stable mean, or loss units for
            an absolute margin. It may differ from the difference of the two means, which mixes times of day.
        lower: Lower bound of delta at the rollback risk, valid at all looks together.
        upper: Upper bound of delta at the promotion risk, valid at all looks together.
        harm: Evidence for harm as a share of what is needed.
        safety: Evidence for safety as a share of what is needed.
        design_effect: How much noisier the looks are than independent labels would make them.
        effective_labels: Canary labels divided by the design effect.
        looks_needed: Looks needed in all at the present estimate.
    """

    verdict: Verdict
    cause: Cause
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
    looks_needed: float | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """The evidence of one traffic step; immutable, `observe` returns the next state.

    Harm, once found, is final; NonInferior, once found, stays unless harm is found. The first crossing counts: evidence
    may fall below its bound again at the next look.
    """

    config: GateConfig
    baseline: Baseline
    looks: int = 0
    empty_looks: int = 0
    """Looks in a row without labels in one of the versions."""
    last_end: float | None = None
    """End of the last look taken or skipped (Unix seconds)."""
    harm_cause: Cause = Cause.NONE
    is_safe: bool = False
    moments: Moments = Moments()  # noqa: RUF009 - immutable
    harm_side: Side = Side()  # noqa: RUF009 - immutable
    safety_side: Side = Side()  # noqa: RUF009 - immutable
    guard: early_guard.Guard = early_guard.START

    @classmethod
    def start(cls, config: GateConfig, baseline: Baseline) -> Gate:
        """Return a gate without evidence."""
        return cls(config, baseline)

    def observe(self, look: Look) -> Gate:
        """Return the gate after a look; one that ends no later than the last one changes nothing.

        A look with no label in one of the versions is no evidence: it only counts towards Hold.
        """
        if self.last_end is not None and look.end <= self.last_end:
            return self
        if look.stable.n == 0 or look.canary.n == 0:
            return replace(self, last_end=look.end, empty_looks=self.empty_looks + 1)
        return self._take(look)._latch()

    def skip(self, end: float) -> Gate:
        """Return the gate with the look that ends at `end` left out: its numbers cannot be used."""
        if self.last_end is not None and end <= self.last_end:
            return self
        return replace(self, last_end=end)

    def verdict(self) -> Verdict:
        """Return what may be concluded now."""
        if self.harm_cause is not Cause.NONE:
            return Verdict.HARM
        if self.empty_looks >= MAX_EMPTY_LOOKS:
            return Verdict.HOLD
        return Verdict.NON_INFERIOR if self.is_safe else Verdict.CONTINUE

    def judge(self) -> Judgement:
        """Return the verdict with the numbers behind it."""
        counts = (self.looks, self.moments.stable_n, self.moments.canary_n)
        harm, safety = self._harm_estimate(), self._safety_estimate()
        if harm is None or safety is None or self.moments.stable_total <= 0:
            return Judgement(self.verdict(), self.harm_cause, *counts)
        config, moments = self.config, self.moments
        mean_stable = moments.stable_total / moments.stable_n
        unit = 1.0 if config.absolute else moments.stable_level / moments.weight
        below = reach(harm, self._effect(config.margin), config.harm_log_bound)
        above = reach(safety, self._effect(config.step_margin), config.safety_log_bound)
        return Judgement(
            self.verdict(),
            self.harm_cause,
            *counts,
            mean_stable=mean_stable,
            mean_canary=moments.canary_total / moments.canary_n,
            delta=harm.theta / unit + config.margin,
            lower=None if below is None else (harm.theta - below) / unit + config.margin,
            upper=None if above is None else (safety.theta + above) / unit + config.step_margin,
            harm=self._harm_share(harm),
            safety=max(0.0, self._safety_log_evidence(safety) / config.safety_log_bound),
            design_effect=harm.design_effect,
            effective_labels=moments.canary_n / harm.design_effect,
            looks_needed=self._looks_needed(harm, safety),
        )

    def _take(self, look: Look) -> Gate:
        config, looks = self.config, self.looks + 1
        stable, canary = look.stable, look.canary
        weight = canary.n * stable.n / (canary.n + stable.n)
        moments = self.moments.add(look, weight)

        def side(before: Side, margin: float) -> Side:
            contrast = canary.total / canary.n - config.ratio(margin) * stable.total / stable.n - config.offset(margin)
            return before.add(looks, weight * contrast, weight, moments, config.ratio(margin))

        stable_mean = self.moments.stable_total / self.moments.stable_n if self.moments.stable_n else self.baseline.mean
        ratio = config.guard_ratio(self.baseline.mean)
        return replace(
            self,
            looks=looks,
            empty_looks=0,
            last_end=look.end,
            moments=moments,
            harm_side=side(self.harm_side, config.margin),
            safety_side=side(self.safety_side, config.step_margin),
            guard=early_guard.bet(self.guard, stable, canary, stable_mean, ratio, self.baseline, config.clip),
        )

    def _latch(self) -> Gate:
        if self.harm_cause is not Cause.NONE:
            return self
        cause = self._find_harm()
        return replace(self, harm_cause=cause, is_safe=self.is_safe or self._find_safety())

    def _find_harm(self) -> Cause:
        config = self.config
        if early_guard.log_evidence(self.guard) >= config.guard_log_bound:
            return Cause.GUARD
        if self.looks < MIN_LOOKS_HARM or self.moments.canary_n < config.min_labels:
            return Cause.NONE
        estimate = self._harm_estimate()
        if estimate is None or self._harm_log_evidence(estimate) < config.harm_log_bound:
            return Cause.NONE
        return Cause.MAIN_RULE

    def _find_safety(self) -> bool:
        enough = max(self.config.min_labels, MIN_BUCKET_LABELS)
        if self.looks < MIN_LOOKS_SAFE or self.moments.canary_n < enough:
            return False
        estimate = self._safety_estimate()
        return estimate is not None and self._safety_log_evidence(estimate) >= self.config.safety_log_bound

    def _effect(self, margin: float) -> float:
        return self.config.effect(margin, self.baseline.mean)

    def _harm_estimate(self) -> Estimate | None:
        return self.harm_side.estimate(self.moments, self.config.ratio(self.config.margin))

    def _safety_estimate(self) -> Estimate | None:
        return self.safety_side.estimate(self.moments, self.config.ratio(self.config.step_margin))

    def _harm_log_evidence(self, estimate: Estimate) -> float:
        return evidence(estimate, self._effect(self.config.margin), 1.0)

    def _safety_log_evidence(self, estimate: Estimate) -> float:
        return evidence(estimate, self._effect(self.config.step_margin), -1.0)

    def _harm_share(self, estimate: Estimate) -> float:
        main = self._harm_log_evidence(estimate) / self.config.harm_log_bound
        guard = early_guard.log_evidence(self.guard) / self.config.guard_log_bound
        return max(0.0, main, guard)

    def _looks_needed(self, harm: Estimate, safety: Estimate) -> float | None:
        """Looks in all until the nearer verdict, if the estimate stays where it is."""
        toward_harm = harm.theta > 0
        estimate = harm if toward_harm else safety
        minimum = MIN_LOOKS_HARM if toward_harm else MIN_LOOKS_SAFE
        if not toward_harm and estimate.theta >= 0:
            return None
        information_per_look = estimate.information / self.looks
        needed = ANYTIME_COST * (FIXED_SAMPLE_EFFECT / estimate.theta) ** 2 / information_per_look
        return max(float(minimum), math.ceil(needed)) if math.isfinite(needed) else None
