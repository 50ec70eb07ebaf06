"""Holds every build to what the engine's cost may grow with; the figures are `python -m tests.bench.engine_speed`."""

from __future__ import annotations

import time

import numpy as np
import pytest

from lossgate.stats import Verdict, pack
from tests.bench.engine_speed import Case, cost, look_case, rollouts_cases
from tests.bench.engine_states import (
    CLASSES_AND_AGES,
    EVERYTHING,
    PLAIN,
    Feed,
    after,
    leapt,
    many_gates,
    many_tests,
)

REPEATS = 7
KIBIBYTE = 1024


def times_dearer(case: Case, other: Case) -> float:
    """How many times as much a case costs as another, the two timed in turns."""
    return cost(Case(case.name, case.action, other.action), REPEATS).ratio


def test_a_thousand_tests_side_by_side_cost_far_less_than_one_by_one() -> None:
    one_by_one, side_by_side = rollouts_cases(1000)
    assert times_dearer(side_by_side, one_by_one) < 1 / 20


def test_a_thousand_tests_side_by_side_cost_less_than_fifty_gates() -> None:
    one_by_one, _ = rollouts_cases(50)
    _, side_by_side = rollouts_cases(1000)
    assert times_dearer(side_by_side, one_by_one) < 1


def test_ten_classes_and_five_ages_cost_less_than_three_plain_looks() -> None:
    assert times_dearer(look_case("classes", CLASSES_AND_AGES), look_case("plain", PLAIN)) < 3


@pytest.mark.parametrize("feed", [PLAIN, CLASSES_AND_AGES], ids=["plain", "classes and ages"])
def test_a_look_costs_no_more_after_a_hundred_thousand(feed: Feed) -> None:
    assert times_dearer(look_case("late", feed, 100_000, leapt), look_case("early", feed, 1_000, leapt)) < 2


@pytest.mark.parametrize("looks", [2_000_000])  # as it never shrinks
@pytest.mark.parametrize(("feed", "limit"), [(PLAIN, 8 * KIBIBYTE), (EVERYTHING, 64 * KIBIBYTE)], ids=["plain", "all"])
def test_state_stays_small(feed: Feed, limit: int, looks: int) -> None:
    assert len(pack(leapt(feed, looks))) < limit


@pytest.mark.parametrize("feed", [PLAIN, EVERYTHING], ids=["plain", "all"])
def test_leaping_grows_the_state_as_looks_do(feed: Feed) -> None:
    for looks in (1, 7, 8, 17):
        real, fast = after(feed, looks), leapt(feed, looks)
        assert fast.bank.levels.shape == real.bank.levels.shape
        assert len(pack(fast)) == len(pack(real))


def test_one_by_one_is_side_by_side() -> None:
    bank, look = many_tests(20)
    gates = [gate.observe(its_look) for gate, its_look in many_gates(bank, look)]
    at_once = bank.advance(look)
    np.testing.assert_array_equal(np.concatenate([gate.bank.strata for gate in gates], axis=2), at_once.strata)
    np.testing.assert_array_equal(np.concatenate([gate.bank.levels for gate in gates], axis=2), at_once.levels)
    np.testing.assert_allclose(np.concatenate([gate.bank.guard for gate in gates], axis=1), at_once.guard, rtol=1e-12)
    assert [gate.verdict() is Verdict.NON_INFERIOR for gate in gates] == at_once.safe.tolist()


def test_the_timed_state_is_one_in_which_the_verdict_is_near() -> None:
    """A decided gate, or one that is far from anything, would be asked less."""
    for feed in (PLAIN, CLASSES_AND_AGES):
        gate = after(feed, 160)
        safety = gate.judge().safety
        assert gate.verdict() is Verdict.CONTINUE
        assert safety is not None
        z = gate.bank.estimates().z
        assert (z[1] < -gate.bank.rules.least_z[1]).any(), "log evidence is worked out"


def test_a_case_that_does_twice_as_much_is_seen_to_cost_more() -> None:
    def spin(rounds: int) -> None:
        end = time.process_time() + rounds * 1e-4
        while time.process_time() < end:
            pass

    one, two = Case("one", lambda: spin(1), lambda: None), Case("two", lambda: spin(2), lambda: None)
    assert times_dearer(two, one) > 1.5
