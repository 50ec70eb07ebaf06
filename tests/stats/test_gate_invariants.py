from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgate.stats import Arm, Baseline, Gate, GateConfig, Increment, Look, Verdict, pack, unpack
from tests.stats.evidence_builders import A_BASELINE, a_config, observed, one_stratum


@st.composite
def increments(draw: st.DrawFn) -> Increment:
    n = float(draw(st.integers(0, 2000)))
    mean = draw(st.floats(0.01, 2.0))
    spread = draw(st.floats(0.0, 2.0))
    return Increment(n, n * mean, n * (mean * mean + spread))


streams = st.lists(st.tuples(increments(), increments()), min_size=1, max_size=90).map(
    lambda arms: [one_stratum(float(end), stable, canary) for end, (stable, canary) in enumerate(arms)]
)
configs = st.sampled_from(
    [
        a_config(),
        a_config(margin=0.0, step_margin=0.5, steps=3),
        a_config(margin=0.02, step_margin=0.08, absolute=True, min_labels=100.0),
    ]
)


def scaled_arm(arm: Arm, factor: float) -> Arm:
    total = arm.total
    return Arm.of(Increment(total.n, total.total * factor, total.squares * factor * factor))


def scaled(gate: Gate, factor: float) -> Gate:
    config, baseline = gate.config, gate.baseline
    unit = factor if config.absolute else 1.0
    return Gate.start(
        replace(config, margin=config.margin * unit, step_margin=config.step_margin * unit, clip=config.clip * factor),
        Baseline(baseline.mean * factor, baseline.variance * factor * factor, baseline.labels),
    )


@settings(max_examples=60, deadline=None)
@given(streams, configs, st.integers(-40, 40))
def test_unit_of_the_loss_does_not_matter(looks: list[Look], config: GateConfig, power: int) -> None:
    factor = 2.0**power
    start = Gate.start(config, A_BASELINE)
    changed = [Look(x.end, scaled_arm(x.stable, factor), scaled_arm(x.canary, factor)) for x in looks]
    one, other = observed(start, looks).judge(), observed(scaled(start, factor), changed).judge()
    assert (one.verdict, one.cause) == (other.verdict, other.cause)
    assert (one.harm, one.safety, one.design_effect) == (other.harm, other.safety, other.design_effect)
    unit = factor if config.absolute else 1.0
    for mine, theirs in ((one.delta, other.delta), (one.lower, other.lower), (one.upper, other.upper)):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert theirs == pytest.approx(mine * unit, rel=1e-9, abs=1e-12 * unit)


@settings(max_examples=40, deadline=None)
@given(streams, configs, st.data())
def test_going_on_from_the_packed_state_is_going_on(looks: list[Look], config: GateConfig, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(looks)))
    straight = Gate.start(config, A_BASELINE)
    before = observed(straight, looks[:cut])
    assert unpack(pack(before)) == before
    straight, resumed = observed(before, looks[cut:]), observed(unpack(pack(before)), looks[cut:])
    assert straight == resumed, "bit for bit"
    assert pack(straight) == pack(resumed)


@settings(max_examples=40, deadline=None)
@given(streams, configs)
def test_verdicts_only_move_towards_harm(looks: list[Look], config: GateConfig) -> None:
    gate, was_safe, was_harm = Gate.start(config, A_BASELINE), False, False
    for look in looks * 2:
        gate = gate.observe(look._replace(end=(gate.last_end or 0.0) + 1.0))
        verdict = gate.verdict()
        if was_harm:
            assert verdict is Verdict.HARM
        elif was_safe:
            assert verdict in (Verdict.HARM, Verdict.NON_INFERIOR, Verdict.HOLD)
        was_harm, was_safe = verdict is Verdict.HARM, was_safe or verdict is Verdict.NON_INFERIOR


@settings(max_examples=30, deadline=None)
@given(streams, configs)
def test_looks_seen_before_change_nothing(looks: list[Look], config: GateConfig) -> None:
    gate = observed(Gate.start(config, A_BASELINE), looks)
    assert observed(gate, looks) == gate


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1, 1e12), st.floats(1, 1e12), st.floats(-9, 9), st.floats(0.5, 3.0), st.integers(1, 100), st.booleans()
)
def test_no_magnitude_breaks_the_numbers(
    stable: float, canary: float, power: float, times: float, looks: int, absolute: bool
) -> None:
    mean = 10.0**power
    arms = [Increment(n, n * m, n * 3 * m * m) for n, m in ((stable, mean), (canary, mean * times))]
    unit = mean if absolute else 1.0
    config = a_config(margin=0.2 * unit, step_margin=0.2 * unit, absolute=absolute, clip=1000 * mean)
    gate = Gate.start(config, Baseline(mean, 2 * mean * mean, 1e4))
    gate = observed(gate, [one_stratum(float(k), *arms) for k in range(looks)])
    judgement = gate.judge()
    numbers = (judgement.delta, judgement.harm, judgement.safety, judgement.design_effect, judgement.effective_labels)
    assert all(math.isfinite(number) for number in numbers if number is not None)
    if times < 1.15:
        assert judgement.verdict is not Verdict.HARM
    if times > 1.25:
        assert judgement.verdict is not Verdict.NON_INFERIOR
