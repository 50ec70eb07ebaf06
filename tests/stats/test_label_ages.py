"""Labels are compared at equal age: what came late for one version must not be held against the other."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgate.stats import Arm, Cell, Gate, Hold, Increment, Look, Verdict, pack, unpack
from tests.stats.evidence_builders import A_BASELINE, a_config, an_increment, observed


def a_gate(**changes: float) -> Gate:
    return Gate.start(a_config(by_age=True, **changes), A_BASELINE)


def aged(end: float, stable: dict[str, Increment], canary: dict[str, Increment]) -> Look:
    return Look(end, Arm(stable), Arm(canary))


def late_and_hard(end: float, canary_late: float) -> Look:
    """Old labels are hard cases; the stable version has had time to collect them."""
    stable = {"1h": an_increment(2800, 0.2, 0.4), "1d": an_increment(1000, 0.9, 1.2)}
    canary = {"1h": an_increment(200, 0.2, 0.4), "1d": an_increment(canary_late, 0.9, 1.2)}
    return aged(end, stable, canary)


def test_a_canary_without_old_labels_neither_passes_nor_fails() -> None:
    judgement = observed(a_gate(), [late_and_hard(k, 0) for k in range(400)]).judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.coverage == pytest.approx(2800 / 3800)
    assert judgement.mean_canary == pytest.approx(0.2)
    assert judgement.mean_stable == pytest.approx((2800 * 0.2 + 1000 * 0.9) / 3800), "pooled, it would look far better"
    assert judgement.delta == pytest.approx(0.0, abs=1e-9)


def test_an_equal_canary_passes_once_its_old_labels_are_there() -> None:
    gate = observed(a_gate(), [late_and_hard(k, 0) for k in range(200)])
    gate = observed(gate, [late_and_hard(k, 50) for k in range(200, 600)])
    assert (gate.verdict(), gate.judge().coverage) == (Verdict.NON_INFERIOR, 1.0)


def test_harm_in_old_labels_counts_as_much_as_the_stable_version_has_of_them() -> None:
    def look(end: float) -> Look:
        stable = {"1h": an_increment(1900, 0.2, 0.4), "1d": an_increment(1900, 0.9, 1.2)}
        return aged(end, stable, {"1h": an_increment(190, 0.2, 0.4), "1d": an_increment(10, 1.35, 1.2)})

    judgement = observed(a_gate(margin=0.05, step_margin=0.05), [look(k) for k in range(80)]).judge()
    assert judgement.delta is not None
    assert judgement.upper is not None
    assert judgement.delta < 0.15, "by weight of the pairs, old labels hardly count"
    assert judgement.upper > 0.4, "but for safety they count as in the stable version: half"


def test_labels_that_tell_no_age_hold_until_one_does() -> None:
    gate = observed(a_gate(), [late_and_hard(k, 50) for k in range(3)])
    held = gate.observe(aged(3, {"": an_increment(3800)}, {"1h": an_increment(200, 2.0)}))
    assert (held.verdict(), held.judge().hold, held.looks) == (Verdict.HOLD, Hold.AGES_MISSING, 3)
    assert held.observe(late_and_hard(4, 50)).verdict() is Verdict.CONTINUE


def test_versions_without_an_age_in_common_are_not_compared() -> None:
    gate = observed(a_gate(), [aged(k, {"1d": an_increment(900)}, {"1h": an_increment(90)}) for k in range(12)])
    assert (gate.looks, gate.verdict(), gate.judge().hold) == (0, Verdict.HOLD, Hold.NO_LABELS)


@pytest.mark.parametrize(
    ("stable", "canary", "hold"),
    [(0, 0, Hold.NO_LABELS), (0, 20, Hold.NO_LABELS_STABLE), (380, 0, Hold.NO_LABELS_CANARY)],
)
def test_hold_names_the_version_without_labels(stable: float, canary: float, hold: Hold) -> None:
    looks = [aged(k, {"1h": an_increment(stable)}, {"1h": an_increment(canary)}) for k in range(10)]
    assert observed(a_gate(), looks).judge().hold is hold


def test_a_ninth_age_is_refused() -> None:
    ages = {f"{hours}h": an_increment(10) for hours in range(9)}
    with pytest.raises(ValueError, match="at most 8"):
        a_gate().observe(aged(1, ages, {}))


def test_ages_that_nobody_asked_for_are_pooled() -> None:
    plain = Gate.start(a_config(), A_BASELINE)
    look = late_and_hard(1, 50)
    pooled = Look(1, Arm.of(look.stable.total), Arm.of(look.canary.total))
    assert plain.observe(look) == plain.observe(pooled)


cells = st.lists(
    st.tuples(
        st.builds(Cell, st.sampled_from(["1h", "1d", "7d"]), st.sampled_from(["a", "b", ""]), st.sampled_from("pqrs")),
        st.builds(
            lambda n, mean: Increment(n, n * mean, n * (mean * mean + 0.7)), st.integers(0, 500), st.floats(0.01, 3.0)
        ),
    ),
    min_size=1,
    max_size=30,
)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_order_of_rows_within_a_look_is_irrelevant(
    looks: list[tuple[list[tuple[Cell, Increment]], list[tuple[Cell, Increment]]]], draw: random.Random
) -> None:
    one = other = a_gate()
    for end, (stable, canary) in enumerate(looks):
        one = one.observe(Look(end, Arm.from_cells(stable), Arm.from_cells(canary)))
        shuffled = [draw.sample(rows, len(rows)) for rows in (stable, canary)]
        other = other.observe(Look(end, *(Arm.from_cells(rows) for rows in shuffled)))
    assert one == other
    assert unpack(pack(one)) == one
