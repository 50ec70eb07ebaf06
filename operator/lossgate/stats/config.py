"""What is tested, and the constants of the test that nobody may turn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

MIN_LOOKS_HARM = 40
MIN_LOOKS_SAFE = 80
MIN_LOOKS_HARM_WITH_PODS = 10
MIN_LOOKS_SAFE_WITH_PODS = 40
MIN_PODS = 5
"""Stable pods from which on they are compared with each other."""
MIN_PODS_FOR_FEWER_LOOKS = 10
MAX_POD_GROUPS = 32
MAX_AGES = 8
MAX_CLASSES = 16
MIN_CLASS_LABELS = 100.0
CLASSES_RISK_SHARE = 0.5
"""Share of the rollback risk that the listed classes split among themselves; the rest is the whole's."""
MIN_BUCKET_LABELS = 100.0
MIN_COVERAGE = 0.9
MAX_EMPTY_LOOKS = 10
LADDER_MIN_BLOCKS = 5
GUARD_RISK_SHARE = 0.1
GUARD_EFFECTS = (0.2, 0.4, 0.8, 1.6, 3.2)
ZERO_MARGIN_EFFECT = 0.05
"""The relative effect that the harm test looks for best when the margin is zero."""


class Noise(StrEnum):
    """Where the variance of the losses comes from, best first."""

    WITHIN_LOOK = "WithinLook"
    HISTOGRAM = "Histogram"
    BETWEEN_LOOKS = "BetweenLooks"
    MEANS_ONLY = "MeansOnly"

    @property
    def has_squares(self) -> bool:
        """Whether the squared losses are known, without which there is no early guard."""
        return self in (Noise.WITHIN_LOOK, Noise.HISTOGRAM)

    @property
    def promise(self) -> str:
        """What the two risks are worth with this kind of data, in one sentence."""
        return _PROMISES[self]


_PROMISES = {
    Noise.WITHIN_LOOK: "Both risks hold as stated with noise that fades within 5 looks; with noise that lasts 10 looks "
    "they were up to 9 % in simulations.",
    Noise.HISTOGRAM: "Both risks hold; the variance is overstated by 10 to 30 % (buckets growing by powers of 2), so "
    "verdicts take that much longer.",
    Noise.BETWEEN_LOOKS: "Both risks hold from 40 looks on; no early guard, so even a catastrophe is not found before.",
    Noise.MEANS_ONLY: "Both risks hold from 80 looks on if all looks have about as many labels; no early guard, and "
    "whether there are enough labels cannot be told.",
}


@dataclass(frozen=True, slots=True)
class ClassTests:
    """Classes that are tested one by one beside the whole, each at the same margins (units as the whole's).

    Raises:
        ValueError: No class, more than 16, one twice or without a name, or a margin that is not positive.
    """

    names: tuple[str, ...]
    margin: float
    step_margin: float

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MAX_CLASSES or len(set(self.names)) < len(self.names) or "" in self.names:
            raise ValueError(f"classes are {list(self.names)}: list 1 to {MAX_CLASSES} different names")
        for name, value in (("margin", self.margin), ("step_margin", self.step_margin)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} of the classes is {value}: it must be positive and finite")


@dataclass(frozen=True, slots=True)
class GateConfig:
    """The test of one traffic step.

    Args:
        margin: Harm is a loss above this margin: a fraction of the stable mean, or loss units if `absolute`.
        step_margin: The step may be left upwards when a loss above this margin is ruled out; same units.
        absolute: Whether the margins are in loss units.
        rollback_risk: Chance of a wrong rollback over the whole rollout, split evenly over its steps.
        promotion_risk: Chance of leaving the step though the loss is above `step_margin`.
        steps: Traffic steps of the rollout.
        guard_excess: The early guard looks for more than the margin and this fraction of the stable mean.
        min_labels: Canary labels below which the main rule gives no verdict.
        clip: Largest loss that one label can have.
        noise: Where the variance comes from.
        by_age: Whether labels tell their age; then a look whose labels do not is no evidence.
        per_class: Classes tested beside the whole.

    Raises:
        ValueError: A value is outside its range; says which.
    """

    margin: float
    step_margin: float
    absolute: bool = False
    rollback_risk: float = 0.05
    promotion_risk: float = 0.05
    steps: int = 1
    guard_excess: float = 0.25
    min_labels: float = 500.0
    clip: float = -math.log(1e-6)
    noise: Noise = Noise.WITHIN_LOOK
    by_age: bool = False
    per_class: ClassTests | None = None

    def __post_init__(self) -> None:
        positive = {"step_margin": self.step_margin, "clip": self.clip}
        not_negative = {"margin": self.margin, "guard_excess": self.guard_excess, "min_labels": self.min_labels}
        for name, value in {**positive, **not_negative}.items():
            if not math.isfinite(value) or value < 0 or (name in positive and value == 0):
                raise ValueError(
                    f"{name} is {value}: it must be finite and {'above' if name in positive else 'at least'} 0"
                )
        for name, value in (("rollback_risk", self.rollback_risk), ("promotion_risk", self.promotion_risk)):
            if not 0 < value <= 0.5:
                raise ValueError(f"{name} is {value}: it must be above 0 and at most 0.5")
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}: a rollout has at least one")

    def ratio(self, margin: float) -> float:
        """Return what the stable loss is multiplied by before it is compared."""
        return 1.0 if self.absolute else 1.0 + margin

    def offset(self, margin: float) -> float:
        """Return what is taken from the difference of the losses, in loss units."""
        return margin if self.absolute else 0.0

    def harm_margin_units(self, baseline_mean: float) -> float:
        """Return the margin of harm in loss units."""
        return self.margin if self.absolute else self.margin * baseline_mean

    def step_margin_units(self, baseline_mean: float) -> float:
        """Return the margin of the step in loss units."""
        return self.step_margin if self.absolute else self.step_margin * baseline_mean

    def effect(self, margin: float, baseline_mean: float) -> float:
        """Return the effect, in loss units, at which the mixture is most sensitive."""
        if margin == 0:
            return ZERO_MARGIN_EFFECT * baseline_mean
        return margin if self.absolute else margin * baseline_mean

    def guard_ratio(self, margin: float, baseline_mean: float) -> float:
        """Return the ratio of the two losses above which the guard sees harm."""
        relative = margin / baseline_mean if self.absolute else margin
        return (1.0 + self.guard_excess) * (1.0 + relative)
