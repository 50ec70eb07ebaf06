"""Builders of what the gate is fed: configurations, baselines, looks and streams of looks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from lossgate.stats import Arm, Baseline, Gate, GateConfig, Increment, Look

CLIP = math.log(1e6)
A_BASELINE = Baseline(mean=0.3, variance=0.7, labels=10_000)


def a_config(**changes: Any) -> GateConfig:
    defaults: dict[str, Any] = {
        "margin": 0.05,
        "step_margin": 0.05,
        "absolute": False,
        "rollback_risk": 0.05,
        "promotion_risk": 0.05,
        "steps": 1,
        "guard_excess": 0.25,
        "min_labels": 500.0,
        "clip": CLIP,
    }
    return GateConfig(**{**defaults, **changes})


def an_increment(n: float, mean: float = 0.3, variance: float = 0.7) -> Increment:
    return Increment(n, n * mean, n * (variance + mean * mean))


def one_stratum(end: float, stable: Increment, canary: Increment) -> Look:
    return Look(end, Arm.of(stable), Arm.of(canary))


def a_look(end: float, *, stable: float = 0.3, canary: float = 0.3, labels: tuple[float, float] = (3800, 200)) -> Look:
    return one_stratum(end, an_increment(labels[0], stable), an_increment(labels[1], canary))


def wavy_looks(canary_total: float, count: int) -> list[Look]:
    """The stream of golden value 9: sums that swing with sine and cosine."""
    return [
        one_stratum(
            float(k),
            stable=Increment(3800, 1140 + 20 * math.cos(k), 2900),
            canary=Increment(200, canary_total + 6 * math.sin(k), 170),
        )
        for k in range(1, count + 1)
    ]


def observed(gate: Gate, looks: Iterable[Look]) -> Gate:
    for look in looks:
        gate = gate.observe(look)
    return gate
