"""What a step will cost, before it starts: labels and looks to a verdict from rates, variance and margin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossgate.stats import guard as early_guard
from lossgate.stats.config import (
    GUARD_EFFECTS,
    GUARD_RISK_SHARE,
    MIN_BUCKET_LABELS,
    MIN_LOOKS_HARM,
    MIN_LOOKS_SAFE,
    ZERO_MARGIN_EFFECT,
    GateConfig,
)
from lossgate.stats.evidence import Baseline
from lossgate.stats.judgement import ANYTIME_COST
from lossgate.stats.mixture import FIXED_SAMPLE_EFFECT, bound
from lossgate.stats.rules import Rules

_HARM, _SAFETY = 0, 1
_SIMULATED_LOG_BOUNDS = (-math.log((1.0 - GUARD_RISK_SHARE) * 0.05), -math.log(0.05))


@dataclass(frozen=True, slots=True)
class Expectation:
    """The median looks to a verdict, and the canary labels served until then."""

    looks: float
    canary_labels: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect of one step; infinite looks mean that no verdict can be expected at all.

    Attributes:
        harm_at_two_margins: If the canary is worse by twice the margin (by 10 % if the margin is 0).
        harm_at_five_margins: If it is worse by five times the margin (by 25 % if the margin is 0).
        harm_at_threefold_loss: If its loss is three times the stable one.
        non_inferior_if_equal: If both versions are equal.
        non_inferior_at_half_margin: If the canary is worse by half the margin of the step.
        labels_factor_at_minimum: How many times as many labels a look, in both versions, would let an equal canary
            pass in the fewest looks that the gate takes; infinite without labels.
    """

    harm_at_two_margins: Expectation
    harm_at_five_margins: Expectation
    harm_at_threefold_loss: Expectation
    non_inferior_if_equal: Expectation
    non_inferior_at_half_margin: Expectation
    labels_factor_at_minimum: float

    def can_conclude(self, max_looks: float) -> bool:
        """Return whether a canary that is as good as the stable version can be expected to pass in time."""
        return self.non_inferior_if_equal.looks <= max_looks

    def labels_factor(self, max_looks: float) -> float | None:
        """Return how many times as many labels a look would let an equal canary pass in time, at least 1.

        None if no number of labels would: the gate takes more looks than there are.
        """
        if max_looks < MIN_LOOKS_SAFE:
            return None
        return max(1.0, self.labels_factor_at_minimum * MIN_LOOKS_SAFE / max_looks)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step at constant rates; losses of a canary that is worse are the stable version's, scaled."""

    config: GateConfig
    baseline: Baseline
    stable_labels: float
    canary_labels: float
    rules: Rules

    def harm(self, true_delta: float) -> Expectation:
        """Expect harm to be found, by the main rule or the guard, at a true difference in loss units."""
        margin = self.config.harm_margin_units(self.baseline.mean)
        labels = self.config.min_labels / self.canary_labels
        looks = max(self._main_rule(_HARM, true_delta, true_delta - margin), MIN_LOOKS_HARM, labels)
        return self._expectation(min(looks, self._guard(true_delta)))

    def non_inferior(self, true_delta: float) -> Expectation:
        """Expect non-inferiority to be shown at a true difference in loss units."""
        least = max(self.config.min_labels, MIN_BUCKET_LABELS) / self.canary_labels
        return self._expectation(max(self.safe_looks(true_delta), MIN_LOOKS_SAFE, least))

    def safe_looks(self, true_delta: float) -> float:
        """Return the looks that the noise alone asks for to show non-inferiority."""
        margin = self.config.step_margin_units(self.baseline.mean)
        return self._main_rule(_SAFETY, true_delta, margin - true_delta)

    def _expectation(self, looks: float) -> Expectation:
        whole = math.ceil(looks) if math.isfinite(looks) else math.inf
        return Expectation(whole, whole * self.canary_labels)

    def _main_rule(self, side: int, true_delta: float, distance: float) -> float:
        if distance <= 0:
            return math.inf
        information = ANYTIME_COST * (FIXED_SAMPLE_EFFECT / distance) ** 2
        scale = 1.0 + true_delta / self.baseline.mean
        canary = scale * scale / self.canary_labels
        stable = float(self.rules.ratio_squared[side, 0, 0]) / self.stable_labels
        return self._cost_of_risk(side, information) * information * self.baseline.variance * (canary + stable)

    def _cost_of_risk(self, side: int, information: float) -> float:
        """Return the looks at this test's risk as a multiple of those at 5 %, for which they were simulated.

        They go with the square of the bound on z: within 10 % of simulated medians from risks of .5 % to 20 %.
        """
        of_test, simulated = (
            bound(information, self.rules.scales[:, side, 0], threshold)
            for threshold in (self.rules.log_bounds[side, 0], _SIMULATED_LOG_BOUNDS[side])
        )
        return float(np.square(of_test / simulated))

    def _guard(self, true_delta: float) -> float:
        """Return the looks until the fastest of the guard's bets, alone, has what it needs."""
        if not self.config.noise.has_squares:
            return math.inf
        mean, variance, labels = self.baseline.mean, self.baseline.variance, self.canary_labels + self.stable_labels
        scale = 1.0 + true_delta / mean
        canary = _typical(self.canary_labels, mean + true_delta, variance * scale * scale)
        stable = _typical(self.stable_labels, mean, variance)
        share = np.array([self.stable_labels / labels, self.canary_labels / labels])
        growth = early_guard.winnings(
            np.array([canary, stable])[:, :, None, None],
            share[:, None, None],
            np.array([[mean]]),
            self.rules.guard_ratio[:1],
            self.rules.stakes[:1],
            self.config.clip,
        ).max()
        needed = float(self.rules.guard_log_bound[0]) + math.log(len(GUARD_EFFECTS))
        return needed / float(growth) if growth > 0 else math.inf


def forecast(
    config: GateConfig, baseline: Baseline, stable_labels_per_look: float, canary_labels_per_look: float
) -> Forecast:
    """Return what to expect at these label rates, if labels are independent.

    Looks of the fixed-sample test for the distance from the margin, times what it costs to look at any time, and never
    fewer than the gate's minimum; or the guard's, where it is faster. Noise that labels share makes it longer. Without
    labels in both versions no verdict can be expected.
    """
    if stable_labels_per_look <= 0 or canary_labels_per_look <= 0:
        never = Expectation(math.inf, math.inf)
        return Forecast(never, never, never, never, never, math.inf)
    step = _Step(config, baseline, stable_labels_per_look, canary_labels_per_look, Rules.of(config, baseline))
    unit = config.harm_margin_units(baseline.mean) or ZERO_MARGIN_EFFECT * baseline.mean
    return Forecast(
        harm_at_two_margins=step.harm(2.0 * unit),
        harm_at_five_margins=step.harm(5.0 * unit),
        harm_at_threefold_loss=step.harm(2.0 * baseline.mean),
        non_inferior_if_equal=step.non_inferior(0.0),
        non_inferior_at_half_margin=step.non_inferior(0.5 * config.step_margin_units(baseline.mean)),
        labels_factor_at_minimum=max(
            step.safe_looks(0.0), max(config.min_labels, MIN_BUCKET_LABELS) / canary_labels_per_look
        )
        / MIN_LOOKS_SAFE,
    )


def _typical(labels: float, mean: float, variance: float) -> tuple[float, float, float]:
    return labels, labels * mean, labels * (variance + mean * mean)
