"""How often the gate errs and how often it finds what is there, over seeded repetitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from lossgate.stats import Baseline, Gate, Increment, Verdict
from tests.stats.evidence_builders import a_config, one_stratum

SHAPE, SCALE = 0.1286, 2.333
"""Gamma losses with mean .3 and variance .7: skewed, as cross-entropy is."""
MEAN, VARIANCE = SHAPE * SCALE, SHAPE * SCALE**2
LABELS_STABLE, LABELS_CANARY, LOOKS, REPETITIONS, MARGIN = 570, 30, 150, 200, 0.3

pytestmark = pytest.mark.slow


def verdicts(seed: int, true_delta: float, noise: float = 0.0) -> list[Verdict]:
    """Return the first verdict of each run; `noise` is the sd of each arm's own AR(.5) level."""
    draw = np.random.default_rng(seed)
    config = a_config(margin=MARGIN, step_margin=MARGIN, clip=200.0)
    found = []
    for _ in range(REPETITIONS):
        gate, level = Gate.start(config, Baseline(MEAN, VARIANCE, 1e5)), np.zeros(2)
        for k in range(LOOKS):
            level = 0.5 * level + math.sqrt(0.75) * noise * draw.standard_normal(2)
            gate = gate.observe(
                one_stratum(
                    float(k),
                    stable=_arm(draw, LABELS_STABLE, math.exp(level[0])),
                    canary=_arm(draw, LABELS_CANARY, (1 + true_delta) * math.exp(level[1])),
                )
            )
            if gate.verdict() is not Verdict.CONTINUE:
                break
        found.append(gate.verdict())
    return found


def _arm(draw: np.random.Generator, labels: int, factor: float) -> Increment:
    losses = draw.gamma(SHAPE, SCALE * factor, labels)
    return Increment(labels, float(losses.sum()), float(np.dot(losses, losses)))


def at_most(rate: float) -> int:
    """The count that a rate of `rate` exceeds once in a thousand test runs."""
    return int(binom.ppf(0.999, REPETITIONS, rate))


def test_canary_exactly_at_the_margin_is_seldom_rolled_back_or_promoted() -> None:
    found = verdicts(seed=20261, true_delta=MARGIN)
    assert found.count(Verdict.HARM) <= at_most(0.02)
    assert found.count(Verdict.NON_INFERIOR) <= at_most(0.02)


def test_noise_of_one_arm_does_not_pass_for_an_effect() -> None:
    found = verdicts(seed=20262, true_delta=MARGIN, noise=0.1)
    assert found.count(Verdict.HARM) <= at_most(0.03)
    assert found.count(Verdict.NON_INFERIOR) <= at_most(0.03)


def test_equal_canary_is_promoted_and_never_rolled_back() -> None:
    found = verdicts(seed=20263, true_delta=0.0)
    assert found.count(Verdict.HARM) <= at_most(0.005)
    assert found.count(Verdict.NON_INFERIOR) >= 0.6 * REPETITIONS


def test_harm_of_three_times_the_margin_is_found() -> None:
    found = verdicts(seed=20264, true_delta=3 * MARGIN)
    assert found.count(Verdict.HARM) >= 0.9 * REPETITIONS
    assert Verdict.NON_INFERIOR not in found
