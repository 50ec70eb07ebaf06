from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lossgate.stats import Cause, Gate, Increment, Look, Verdict
from lossgate.stats.bank import SUMS, WEIGHT
from lossgate.stats.rules import Rules
from tests.stats.evidence_builders import (
    A_BASELINE,
    a_config,
    a_look,
    an_increment,
    observed,
    one_stratum,
    wavy_looks,
)

NOTHING = Increment(0, 0, 0)


def a_gate(**changes: Any) -> Gate:
    return Gate.start(a_config(**changes), A_BASELINE)


def first_verdict(gate: Gate, looks: list[Look]) -> tuple[int, Verdict] | None:
    for number, look in enumerate(looks, start=1):
        gate = gate.observe(look)
        if gate.judge().verdict is not Verdict.CONTINUE:
            return number, gate.judge().verdict
    return None


def test_three_looks() -> None:
    looks = [
        one_stratum(1, stable=Increment(190, 57, 150), canary=Increment(10, 9.5, 40.25)),
        one_stratum(2, stable=Increment(201.5, 62.125, 160.5), canary=Increment(8.5, 7.25, 30)),
        one_stratum(3, stable=Increment(188, 55.5, 140.25), canary=Increment(12, 14.75, 66)),
    ]
    gate, sums = a_gate(), [0.0]
    for look in looks:
        gate = gate.observe(look)
        sums.append(float(gate.bank.strata[SUMS][0, 0, 0]))
    steps = [after - before for before, after in pairwise(sums)]
    assert steps == pytest.approx([6.0325, 4.3162351190476, 10.3685], abs=1e-10)
    weight, estimates = float(gate.bank.strata[WEIGHT, 0, 0]), gate.bank.estimates()
    theta, variance = float(estimates.theta[0, 0]), float(estimates.variance[0, 0])
    assert weight == pytest.approx(28.935952380952, abs=1e-10)
    assert variance * weight**2 == pytest.approx(103.86720138137, abs=1e-10)
    assert theta == pytest.approx(0.71596866231661, abs=1e-12)
    assert theta / math.sqrt(variance) == pytest.approx(2.0327903006433, abs=1e-10)


@pytest.mark.parametrize(
    ("canary_total", "z", "information", "for_harm", "for_safety", "guard", "verdict"),
    [
        (63, 0.007652227674, 50431.10071, -1.78753707, -1.799326004, -215.0253395, None),
        (66, 3.397059484, 51057.03471, 4.289772571, -3.290492523, -164.7251947, (147, Verdict.HARM)),
        (57, -6.653878219, 49306.49796, -3.890734993, 19.77374725, -315.6256292, (80, Verdict.NON_INFERIOR)),
    ],
)
def test_streams(
    canary_total: float,
    z: float,
    information: float,
    for_harm: float,
    for_safety: float,
    guard: float,
    verdict: tuple[int, Verdict] | None,
) -> None:
    looks = wavy_looks(canary_total, 200)
    gate = observed(a_gate(guard_excess=0.1), looks)
    estimates = gate.bank.estimates()
    assert estimates.z == pytest.approx(z, rel=1e-9, abs=1e-11)
    assert 1 / estimates.variance == pytest.approx(information, rel=1e-9)
    assert gate.bank.log_evidence(estimates)[:, 0] == pytest.approx([for_harm, for_safety], rel=1e-8)
    assert gate.bank.guard_log_evidence() == pytest.approx(guard, rel=1e-9)
    assert first_verdict(a_gate(guard_excess=0.1), looks) == verdict


def test_harm_stays_although_the_evidence_falls_below_its_bound_again() -> None:
    gate = observed(a_gate(guard_excess=0.1), wavy_looks(66, 149))
    judgement = gate.judge()
    assert judgement.harm is not None
    assert judgement.harm < 1
    assert (judgement.verdict, judgement.cause) == (Verdict.HARM, Cause.MAIN_RULE)


def test_harm_is_final() -> None:
    gate = observed(a_gate(), [a_look(k, canary=0.9) for k in range(5)])
    assert (gate.verdict(), gate.judge().cause) == (Verdict.HARM, Cause.GUARD)
    gate = observed(gate, [a_look(k, canary=0.1) for k in range(5, 200)])
    assert gate.verdict() is Verdict.HARM
    gate = observed(gate, [one_stratum(200.0 + k, an_increment(3800), NOTHING) for k in range(10)])
    assert gate.verdict() is Verdict.HARM, "labels that stop coming do not undo it"


def test_a_step_that_may_be_left_may_still_turn_out_harmful() -> None:
    gate = observed(a_gate(), wavy_looks(57, 80))
    assert gate.verdict() is Verdict.NON_INFERIOR
    gate = observed(gate, [look._replace(end=look.end + 100) for look in wavy_looks(75, 60)])
    assert gate.verdict() is Verdict.NON_INFERIOR, "what was shown stays shown"
    gate = observed(gate, [a_look(1000.0 + k, canary=1.5) for k in range(200)])
    assert gate.verdict() is Verdict.HARM


def test_catastrophe_is_found_within_looks() -> None:
    verdict = first_verdict(a_gate(margin=0.0), [a_look(k, canary=0.9) for k in range(10)])
    assert verdict is not None
    assert verdict[1] is Verdict.HARM
    assert verdict[0] <= 3


def test_no_verdict_of_the_main_rule_before_its_looks() -> None:
    harmful = [one_stratum(float(k), an_increment(3800, 0.3, 0.01), an_increment(200, 0.36, 0.01)) for k in range(41)]
    assert first_verdict(a_gate(), harmful) == (40, Verdict.HARM)
    better = [one_stratum(float(k), an_increment(3800, 0.3, 0.01), an_increment(200, 0.2, 0.01)) for k in range(81)]
    assert first_verdict(a_gate(), better) == (80, Verdict.NON_INFERIOR)


def test_no_verdict_of_the_main_rule_before_its_labels() -> None:
    looks = [a_look(k, canary=0.05, labels=(9000, 5)) for k in range(400)]
    wide = {"step_margin": 3.0, "margin": 3.0}
    assert first_verdict(a_gate(min_labels=1000, **wide), looks) == (200, Verdict.NON_INFERIOR)
    one = an_increment(1, 0.05, 0.0)
    few = [one_stratum(float(k), an_increment(9000), one) for k in range(400)]
    assert first_verdict(a_gate(min_labels=0, **wide), few) == (100, Verdict.NON_INFERIOR), "99 labels show nothing"


def test_risk_is_split_over_the_steps_for_harm_only() -> None:
    one, three = (Rules.of(a_config(steps=steps), A_BASELINE) for steps in (1, 3))
    assert three.log_bounds[0] == pytest.approx(one.log_bounds[0] + math.log(3))
    assert three.guard_log_bound == pytest.approx(one.guard_log_bound + math.log(3))
    assert three.log_bounds[1] == one.log_bounds[1]
    spent = np.exp(-one.log_bounds[0]) + np.exp(-one.guard_log_bound)
    assert spent == pytest.approx(0.05)


def test_loose_step_margin_passes_sooner_and_leaves_harm_alone() -> None:
    looks = wavy_looks(63, 120)
    tight, loose = observed(a_gate(), looks), observed(a_gate(step_margin=0.2), looks)
    assert (tight.verdict(), loose.verdict()) == (Verdict.CONTINUE, Verdict.NON_INFERIOR)
    assert tight.judge().harm == loose.judge().harm


def test_drift_that_both_versions_share_is_no_effect_when_the_share_of_traffic_moves() -> None:
    looks = []
    for k in range(200):
        mean, canary_labels = (0.2, 40) if k < 100 else (0.6, 400)
        looks.append(a_look(k, stable=mean, canary=mean, labels=(4000 - canary_labels, canary_labels)))
    judgement = observed(a_gate(margin=0.015, step_margin=0.015, absolute=True), looks).judge()
    assert judgement.mean_canary is not None
    assert judgement.mean_stable is not None
    assert judgement.mean_canary > 1.3 * judgement.mean_stable, "pooled totals look harmful"
    assert judgement.delta == pytest.approx(0.0, abs=1e-9)
    assert judgement.verdict is not Verdict.HARM


def test_no_labels_for_ten_looks_holds_until_they_come_back() -> None:
    gate = observed(a_gate(), [a_look(k) for k in range(3)])
    gate = observed(gate, [one_stratum(10.0 + k, an_increment(3800), NOTHING) for k in range(9)])
    assert gate.verdict() is Verdict.CONTINUE
    gate = gate.observe(one_stratum(30, NOTHING, an_increment(200)))
    assert gate.judge().verdict is Verdict.HOLD
    assert (gate.looks, gate.judge().labels_canary) == (3, 600.0), "looks without labels are no evidence"
    assert gate.observe(a_look(31)).verdict() is Verdict.CONTINUE


def test_a_step_is_not_left_while_labels_are_missing() -> None:
    gate = observed(a_gate(), wavy_looks(57, 80))
    held = observed(gate, [one_stratum(100.0 + k, an_increment(3800), NOTHING) for k in range(10)])
    assert held.verdict() is Verdict.HOLD
    assert held.observe(a_look(200)).verdict() is Verdict.NON_INFERIOR


def test_look_already_taken_changes_nothing() -> None:
    gate = observed(a_gate(), [a_look(k) for k in range(5)])
    assert gate.observe(a_look(4, canary=3.0)) is gate
    assert gate.observe(a_look(2, canary=3.0)) is gate
    assert gate.skip(4) is gate


def test_look_that_was_skipped_is_not_taken_later() -> None:
    gate = observed(a_gate(), [a_look(k) for k in range(5)])
    skipped = gate.skip(5)
    assert (skipped.last_end, skipped.looks, skipped.empty_looks) == (5, 5, 0)
    assert skipped.observe(a_look(5, canary=3.0)) is skipped


def test_nothing_is_told_before_the_first_look() -> None:
    judgement = a_gate().judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert (judgement.looks, judgement.labels_stable, judgement.labels_canary) == (0, 0, 0)
    unknown = (judgement.mean_stable, judgement.mean_canary, judgement.delta, judgement.lower, judgement.upper)
    assert unknown == (None,) * 5
    assert (judgement.harm, judgement.safety, judgement.looks_needed) == (None, None, None)


def test_losses_without_any_spread_tell_nothing() -> None:
    looks = [one_stratum(float(k), Increment(100, 30, 9), Increment(100, 20, 4)) for k in range(200)]
    judgement = observed(a_gate(), looks).judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.safety is None


@pytest.mark.parametrize(("canary_total", "is_harm"), [(66, True), (63, False), (57, False)])
def test_bounds_and_evidence_say_the_same(canary_total: float, is_harm: bool) -> None:
    judgement = observed(a_gate(guard_excess=0.1), wavy_looks(canary_total, 200)).judge()
    assert judgement.lower is not None
    assert judgement.upper is not None
    assert judgement.delta is not None
    assert judgement.harm is not None
    assert judgement.safety is not None
    assert judgement.lower < judgement.delta < judgement.upper
    assert (judgement.lower > 0.05) == (judgement.harm > 1) == is_harm
    assert (judgement.upper < 0.05) == (judgement.safety > 1)


def test_absolute_margin_is_in_loss_units() -> None:
    looks = wavy_looks(63, 200)
    judgement = observed(a_gate(margin=0.015, step_margin=0.015, absolute=True), looks).judge()
    assert judgement.delta == pytest.approx(0.015, abs=2e-4), "canary .315, stable .300"


def test_higher_canary_losses_are_never_less_evidence_for_harm() -> None:
    def for_harm(shift: float) -> float:
        canary = Increment(200, 200 * (0.1 + shift), 200 * (0.7 + (0.1 + shift) ** 2))
        bank = a_gate().observe(one_stratum(1, an_increment(3800), canary)).bank
        return float(bank.log_evidence(bank.estimates())[0, 0])

    values = [for_harm(step / 20) for step in range(100)]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("margin", -0.1),
        ("margin", math.nan),
        ("step_margin", 0.0),
        ("step_margin", math.inf),
        ("rollback_risk", 0.0),
        ("promotion_risk", 0.6),
        ("promotion_risk", math.nan),
        ("steps", 0),
        ("guard_excess", -1.0),
        ("min_labels", -1.0),
        ("clip", 0.0),
    ],
)
def test_impossible_test_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        a_config(**{name: value})


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (1, 1, -1), (math.nan, 0, 0), (1, math.inf, 1), (1, 1, math.nan)])
def test_what_is_not_a_number_does_not_become_evidence(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"no evidence|must not become evidence"):
        Increment(*numbers)
