from __future__ import annotations

import random

import pytest

from lossgate.stats import Gate, GateConfig, Increment, Look
from lossgate.stats import guard as early_guard
from tests.stats import reference
from tests.stats.evidence_builders import A_BASELINE, a_config, observed


def random_looks(seed: int, count: int) -> list[Look]:
    """Looks of uneven size whose losses drift together and jump apart."""
    draw = random.Random(seed)
    looks, level = [], 0.3
    for k in range(count):
        level = max(0.05, level + draw.gauss(0, 0.01))
        arms = []
        for labels, own in ((draw.randint(200, 900), 1.0), (draw.randint(1, 60), draw.uniform(0.6, 1.5))):
            mean = level * own
            arms.append(Increment(labels, labels * mean, labels * (draw.uniform(0.4, 1.1) + mean * mean)))
        looks.append(Look(float(k), stable=arms[0], canary=arms[1]))
    return looks


@pytest.mark.parametrize(
    "config",
    [
        a_config(),
        a_config(margin=0.0, step_margin=0.2, guard_excess=0.1),
        a_config(margin=0.01, step_margin=0.04, absolute=True),
    ],
    ids=["one margin", "no margin for harm", "loss units"],
)
@pytest.mark.parametrize("count", [1, 5, 23, 80])
def test_agrees_with_the_plain_calculation(config: GateConfig, count: int) -> None:
    looks = random_looks(seed=count, count=count)
    gate = observed(Gate.start(config, A_BASELINE), looks)
    judgement = gate.judge()
    harm = reference.main_rule(looks, config, A_BASELINE, config.margin, 1)
    safety = reference.main_rule(looks, config, A_BASELINE, config.step_margin, -1)
    guard = reference.guard(looks, config, A_BASELINE)
    weights = [x.canary.n * x.stable.n / (x.canary.n + x.stable.n) for x in looks]
    level = sum(w * x.stable.total / x.stable.n for w, x in zip(weights, looks, strict=True)) / sum(weights)
    unit = 1.0 if config.absolute else level
    assert early_guard.log_evidence(gate.guard) == pytest.approx(float(guard), rel=1e-9, abs=1e-9)
    assert judgement.delta == pytest.approx(float(harm.theta) / unit + config.margin, rel=1e-9)
    assert judgement.design_effect == pytest.approx(float(harm.design_effect), rel=1e-8)
    shares = (float(harm.log_evidence) / config.harm_log_bound, float(guard) / config.guard_log_bound)
    assert judgement.harm == pytest.approx(max(0.0, *shares), rel=1e-8, abs=1e-8)
    expected = float(safety.log_evidence) / config.safety_log_bound
    assert judgement.safety == pytest.approx(max(0.0, expected), rel=1e-8, abs=1e-8)


def test_delta_of_equal_versions_is_zero_though_share_and_level_drift() -> None:
    gate = Gate.start(a_config(), A_BASELINE)
    for end in range(1, 201):
        level, canary_labels = 0.3 * (1 + end / 100), 20.0 * (1 + end / 20)
        stable = Increment(4000.0, 4000.0 * level, 4000.0 * (0.7 + level**2))
        canary = Increment(canary_labels, canary_labels * level, canary_labels * (0.7 + level**2))
        gate = gate.observe(Look(float(end), stable, canary))
    assert gate.judge().delta == pytest.approx(0.0, abs=1e-12)
