"""What each step of a rollout is expected to cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lossgate.api.step import EARLY_STEP_MARGIN_FACTOR, MAX_EARLY_STEP_MARGIN
from lossgate.cli.history import Source
from lossgate.cli.options import Margins, Request
from lossgate.stats import Baseline, Forecast, Noise, forecast


@dataclass(frozen=True, slots=True)
class Supply:
    """What is known of the stable version: its loss, and how fast its labels come."""

    baseline: Baseline
    source: Source
    noise: Noise
    labels_per_second: float
    interval_seconds: float


@dataclass(frozen=True, slots=True)
class StepForecast:
    """What one step is expected to cost; labels are those of one look."""

    weight_percent: int
    step_margin: float
    labels_stable: float
    labels_canary: float
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class RolloutForecast:
    """What a rollout is expected to cost; its steps follow one another."""

    margins: Margins
    supply: Supply
    max_duration_seconds: float
    steps: tuple[StepForecast, ...]

    @property
    def max_looks(self) -> float:
        """Looks that fit into the longest time of a step."""
        return self.max_duration_seconds // self.supply.interval_seconds

    @property
    def too_long(self) -> tuple[StepForecast, ...]:
        """The steps that an equal canary is not expected to pass in time."""
        return tuple(step for step in self.steps if not step.forecast.can_conclude(self.max_looks))

    @property
    def seconds_if_equal(self) -> float:
        """How long all steps take if both versions are equal."""
        return sum(step.forecast.non_inferior_if_equal.looks for step in self.steps) * self.supply.interval_seconds


def foresee(
    request: Request, supply: Supply, weights_percent: Sequence[int], max_duration_seconds: float
) -> RolloutForecast:
    """Return what a rollout over these weights is expected to cost."""
    labels = supply.labels_per_second * supply.interval_seconds
    steps = []
    for index, weight in enumerate(weights_percent):
        margin = _step_margin(request.margins, supply.baseline.mean, is_last=index == len(weights_percent) - 1)
        stable, canary = labels * (1 - weight / 100), labels * weight / 100
        expected = forecast(request.config(margin, supply.noise), supply.baseline, stable, canary)
        steps.append(StepForecast(weight, margin, stable, canary, expected))
    return RolloutForecast(request.margins, supply, max_duration_seconds, tuple(steps))


def _step_margin(margins: Margins, baseline_mean: float, *, is_last: bool) -> float:
    """Return what must be ruled out to leave a step, by the operator's rule where it is not given."""
    if is_last:
        return margins.harm
    if margins.step is not None:
        return margins.step
    ceiling = MAX_EARLY_STEP_MARGIN * (baseline_mean if margins.absolute else 1.0)
    return max(margins.harm, min(EARLY_STEP_MARGIN_FACTOR * margins.harm, ceiling))
