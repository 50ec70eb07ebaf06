"""What one test is asked: margins, risks and the constants of the specification, for the whole or for a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mpmath import log, mpf

from lossgate.stats import Baseline, ClassTests, GateConfig
from tests.stats.reference_numbers import Number
from tests.stats.reference_strata import Row, Strata


class Rules(NamedTuple):
    """The numbers of one test; bounds are log evidence."""

    margin: Number
    step_margin: Number
    absolute: bool
    guard_excess: Number
    clip: Number
    mean: Number
    variance: Number
    noise: str
    rollback_risk: Number
    promotion_risk: Number
    min_labels: Number

    @property
    def has_squares(self) -> bool:
        return self.noise in ("WithinLook", "Histogram")

    @property
    def main_bound(self) -> Number:
        return -log(mpf("0.9") * self.rollback_risk)

    @property
    def guard_bound(self) -> Number:
        return -log(mpf("0.1") * self.rollback_risk)

    @property
    def safety_bound(self) -> Number:
        return -log(self.promotion_risk)

    def effect(self, margin: Number) -> Number:
        if margin == 0:
            return mpf("0.05") * self.mean
        return margin if self.absolute else margin * self.mean

    def strata(self, rows: Sequence[Row], margin: Number) -> Strata:
        ratio, offset = (mpf(1), margin) if self.absolute else (1 + margin, mpf(0))
        return Strata(rows, ratio, offset, not self.has_squares, self.noise != "MeansOnly")

    @property
    def guard_ratio(self) -> Number:
        relative = self.margin / self.mean if self.absolute else self.margin
        return (1 + self.guard_excess) * (1 + relative)

    def as_delta(self, theta: Number, level: Number, margin: Number) -> Number:
        """Return canary minus stable loss: in loss units if the margin is, else relative to the stable level."""
        return (theta if self.absolute else theta / level) + margin


def rules_of(
    config: GateConfig, margins: GateConfig | ClassTests, baseline: Baseline, risk: Number, min_labels: Number
) -> Rules:
    return Rules(
        margin=mpf(margins.margin),
        step_margin=mpf(margins.step_margin),
        absolute=config.absolute,
        guard_excess=mpf(config.guard_excess),
        clip=mpf(config.clip),
        mean=mpf(baseline.mean),
        variance=mpf(baseline.variance),
        noise=config.noise.value,
        rollback_risk=risk,
        promotion_risk=mpf(config.promotion_risk),
        min_labels=min_labels,
    )
