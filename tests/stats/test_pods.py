"""Pods that differ bound what can be known of one canary pod, however many labels it answers."""

from __future__ import annotations

import numpy as np
import pytest

from lossgate.stats import Arm, Cell, Gate, Look, Verdict, pack, unpack
from tests.stats.evidence_builders import A_BASELINE, a_config, an_increment, observed


def looks(pod_sd: float, count: int, canary: float = 0.3, stable_pods: int = 19, pods_told: bool = True) -> list[Look]:
    """One canary pod and some stable ones, each with its own lasting effect; the canary's is 1.5 of their sd."""
    draw = np.random.default_rng(5)
    effects = 1 + pod_sd * draw.standard_normal(stable_pods)
    found = []
    for k in range(count):
        cells = [
            (Cell(pod=f"stable-{pod}"), an_increment(200, 0.3 * effect * (1 + 0.02 * draw.standard_normal())))
            for pod, effect in enumerate(effects)
        ]
        own = an_increment(200, canary * (1 + 1.5 * pod_sd) * (1 + 0.02 * draw.standard_normal()))
        stable = Arm.from_cells(cells)
        if not pods_told:
            stable = Arm.of(stable.total)
        found.append(Look(float(k), stable, Arm.from_cells([(Cell(pod="canary-0"), own)])))
    return found


def a_gate() -> Gate:
    return Gate.start(a_config(), A_BASELINE)


def test_a_bad_pod_is_not_taken_for_a_bad_model() -> None:
    assert observed(a_gate(), looks(0.12, 300, pods_told=False)).verdict() is Verdict.HARM
    judgement = observed(a_gate(), looks(0.12, 300)).judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.pods == 19
    assert judgement.design_effect is not None
    assert judgement.design_effect > 5


def test_pods_that_do_not_differ_cost_nothing_and_allow_verdicts_sooner() -> None:
    told = observed(a_gate(), looks(0.0, 20, canary=0.6))
    untold = observed(a_gate(), looks(0.0, 20, canary=0.6, pods_told=False))
    assert told.bank.min_looks()[:, 0].tolist() == [10, 40]
    assert untold.bank.min_looks()[:, 0].tolist() == [40, 80]
    assert told.bank.by_main_rule[0] or told.bank.by_guard[0]
    assert not untold.bank.by_main_rule[0]


@pytest.mark.parametrize(("stable_pods", "counted"), [(4, None), (5, 5)])
def test_fewer_than_five_pods_are_not_compared(stable_pods: int, counted: int | None) -> None:
    gate = observed(a_gate(), looks(0.1, 50, stable_pods=stable_pods))
    assert gate.judge().pods == counted
    assert gate.bank.min_looks()[0, 0] == 40


def test_state_of_hundreds_of_pods_is_bounded_and_goes_on() -> None:
    many = looks(0.1, 60, stable_pods=200)
    half = observed(a_gate(), many[:30])
    assert len(half.pods) == 32
    assert len(pack(half)) < 8192
    assert observed(unpack(pack(half)), many[30:]) == observed(a_gate(), many)


def test_a_replaced_pod_counts_under_its_new_name() -> None:
    few = looks(0.1, 30, stable_pods=6)
    renamed = [
        look._replace(stable=Arm(look.stable.ages, pods={f"new-{pod}": of for pod, of in look.stable.pods.items()}))
        for look in few[15:]
    ]
    gate = observed(a_gate(), [*few[:15], *renamed])
    assert len(gate.pods) == 12
