"""The reference itself on the golden values of the specification, so that engine and reference both stand on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mpmath import cos, log, mpf, sin, sqrt

from lossgate.stats import Cell, Increment, mixture
from tests.stats import reference_numbers as numbers
from tests.stats.evidence_builders import A_BASELINE, a_config
from tests.stats.reference import Reference
from tests.stats.reference_cells import CellLook
from tests.stats.reference_pods import guard_bets_after, guard_log_evidence
from tests.stats.reference_strata import Ladder, Pair, Strata

EFFECT = mpf("0.015")
THREE_LOOKS = [
    {"": Pair(*(mpf(number) for number in look.split()))}
    for look in (
        "10 9.5 40.25 190 57 150",
        "8.5 7.25 30 201.5 62.125 160.5",
        "12 14.75 66 188 55.5 140.25",
    )
]


def near(expected: Any, rel: float = 1e-9) -> Any:
    return pytest.approx(float(expected), rel=rel)


def told(number: Any) -> float:
    assert number is not None
    return float(number)


@pytest.mark.parametrize(
    ("effect", "expected"), [("0.015", 4341.7035383935), ("0.06", 271.35647114959), ("0.24", 16.959779446849)]
)
def test_scale(effect: str, expected: float) -> None:
    assert float(numbers.rho(mpf(effect))) == near(expected)


@pytest.mark.parametrize(
    ("z", "information", "scale", "expected"),
    [
        (2, 1000, 158, 1.3922822932221),
        (-1.5, 1000, 158, -1.8363301200544),
        (4, 27000, 4343, 6.596322703508),
        (-30, 27000, 4343, -4.5419101929596),
        (12, 50, 4343, 1.4012893945888),
        (40, 1e6, 271, 796.36957456726),
    ],
)
def test_evidence_of_one_scale_is_the_integral_over_its_prior(
    z: float, information: float, scale: float, expected: float
) -> None:
    at = (mpf(z), mpf(information), mpf(scale))
    assert float(numbers.single_log_evidence(*at)) == near(expected, 1e-12)
    assert abs(numbers.single_log_evidence(*at) - numbers.single_log_evidence_by_quadrature(*at)) < mpf(10) ** -40


@pytest.mark.parametrize(
    ("z", "information", "expected"),
    [
        (3, 27000, 3.1762613842595),
        (3.6, 27000, 4.9553490708704),
        (5, 2000, 9.9712718331793),
        (-3, 27000, -2.8704140865375),
    ],
)
def test_evidence_of_three_scales(z: float, information: float, expected: float) -> None:
    assert float(numbers.log_evidence(mpf(z), mpf(information), EFFECT)) == near(expected)


@pytest.mark.parametrize(
    ("information", "expected"), [(2000, 3.0591589233), (27000, 2.9321073951), (200000, 3.1136747380)]
)
def test_bound_of_three_scales(information: float, expected: float) -> None:
    assert told(numbers.bound_on_z(mpf(information), EFFECT, log(20))) == near(expected)


@pytest.mark.parametrize(
    ("t", "df", "expected"),
    [
        (3.5, 4, 2.2326399626742),
        (3.5, 19, 3.0350661723595),
        (-8, 7, -3.8905705851702),
        (3.5, 1e6, 3.4999884063241),
    ],
)
def test_normal_quantile_of_t(t: float, df: float, expected: float) -> None:
    z = numbers.normal_from_t(t, df)
    assert float(z) == near(expected, 1e-12)
    assert float(numbers.t_from_normal(abs(z), mpf(df))) == near(abs(t), 1e-30)


@pytest.mark.parametrize(
    ("effect", "bounds"),
    [
        ("0.015", (3.98549003134, 2.76625395925, 2.94006654464)),
        ("0.06", (2.76653250362, 3.0512895126, 3.35040125953)),
        ("0.24", (3.07659731937, 3.4621681461, 3.7392316396)),
    ],
)
def test_confseq_has_the_same_bounds_for_one_scale(effect: str, bounds: tuple[float, ...]) -> None:
    """Numbers printed by confseq 0.0.11, see `reference_numbers`."""
    for information, z in zip((2000, 27000, 200000), bounds, strict=True):
        scale = numbers.rho(mpf(effect))
        assert float(numbers.single_log_evidence(mpf(z), mpf(information), scale)) == near(log(20))
        rho = float(mixture.scale(float(effect)))
        assert mixture.bound(information, np.array([rho, rho, rho]), math.log(20)) == near(z)


@pytest.mark.parametrize("information", [1e-3, 1.0, 2e3, 5e4, 1e9])
@pytest.mark.parametrize("effect", [1e-3, 0.015, 0.9])
def test_engine_has_the_same_evidence_over_the_whole_range(information: float, effect: float) -> None:
    for z in (-300.0, -30.0, -3.0, -1e-3, 0.0, 0.5, 3.0, 6.0, 40.0, 300.0):
        expected = numbers.log_evidence(mpf(z), mpf(information), mpf(effect))
        found = mixture.log_evidence(z, information, mixture.scales(effect))
        assert found == pytest.approx(float(expected), rel=1e-10, abs=1e-13)
    for threshold in (math.log(20), math.log(200 * 32 / 0.9)):
        expected_z = numbers.bound_on_z(mpf(information), mpf(effect), mpf(threshold))
        found_z = float(mixture.bound(information, mixture.scales(effect), threshold))
        assert (None if math.isnan(found_z) else found_z) == (None if expected_z is None else near(expected_z))


@pytest.mark.parametrize("df", [1, 4, 19, 39, 1e6])
def test_engine_has_the_same_correction_for_few_blocks(df: float) -> None:
    for t in (-40.0, -2.0, 0.0, 1e-6, 2.0, 40.0):
        assert mixture.normal_from_t(t, df) == near(numbers.normal_from_t(t, df))
    for z in (0.0, 1e-6, 2.0, 8.0):
        assert mixture.t_from_normal(z, df) == near(numbers.t_from_normal(mpf(z), mpf(df)))


def test_three_looks() -> None:
    strata = Strata(THREE_LOOKS, mpf("1.05"), mpf(0))
    assert [float(t) for t in strata.contrasts] == [near(t) for t in (6.0325, 4.3162351190476, 10.3685)]
    assert float(strata.total_after[3]) == near(20.717235119048)
    assert float(strata.weight_after[3]) == near(28.935952380952)
    assert float(strata.variance(3)) == near(103.86720138137)
    found = strata.overlap(3)
    assert found is not None
    assert float(found.theta) == near(0.71596866231661)
    assert float(found.theta / sqrt(found.variance)) == near(2.0327903006433)
    same = strata.post_stratified(3)
    assert strata.covered(3) == [], "30.5 canary labels are too few"
    assert same == (0, 0, 0)


def test_guard() -> None:
    bets = guard_bets_after(THREE_LOOKS, mpf("1.1"), mpf("0.3"), mpf("0.7"), log(mpf(10) ** 6))[3]
    expected = (1.3241486146873, 1.7363274989378, -0.81001999483079, -27.454993194632, -210.50926473386)
    assert [float(each) for each in bets] == [near(each) for each in expected]
    assert float(guard_log_evidence(bets)) == near(0.6811040641679)


@pytest.mark.parametrize(
    ("looks", "effect", "df"),
    [(5, 1, 10**6), (10, 1.26052193675, 4), (20, 1.24540953562, 9), (40, 1.32913866856, 19)],
)
def test_design_effect(looks: int, effect: float, df: float) -> None:
    contrasts = [sin(k) + mpf(k) / 50 for k in range(1, looks + 1)]
    found = Ladder(contrasts, [mpf(1)] * looks, lambda k: mpf(k)).design_effect(looks)
    assert float(found[0]) == near(effect)
    assert found[1] == df


def wavy_looks(canary_total: int, count: int = 200) -> list[CellLook]:
    return [
        CellLook(
            float(k),
            stable=[(Cell(), Increment(3800, float(1140 + 20 * cos(k)), 2900))],
            canary=[(Cell(), Increment(200, float(canary_total + 6 * sin(k)), 170))],
        )
        for k in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("canary_total", "z", "information", "for_harm", "for_safety", "guard", "first"),
    [
        (63, 0.007652227674, 50431.10071, -1.78753707, -1.799326004, -215.0253395, (None, None)),
        (66, 3.397059484, 51057.03471, 4.289772571, -3.290492523, -164.7251947, (147, None)),
        (57, -6.653878219, 49306.49796, -3.890734993, 19.77374725, -315.6256292, (None, 80)),
    ],
)
def test_streams(
    canary_total: int,
    z: float,
    information: float,
    for_harm: float,
    for_safety: float,
    guard: float,
    first: tuple[int | None, int | None],
) -> None:
    test = Reference(wavy_looks(canary_total), a_config(guard_excess=0.1), A_BASELINE).whole
    found = test.harm_estimate(200)
    assert found is not None
    assert float(numbers.normal_from_t(found.theta / sqrt(found.variance), found.df)) == near(z)
    assert float(1 / found.variance) == near(information)
    assert told(test.for_harm(200)) == near(for_harm)
    assert told(test.for_safety(200)) == near(for_safety)
    assert test.guard_after is not None
    assert float(test.guard_after[200]) == near(guard)
    harmful = [k for k in range(1, 201) if test.finds_harm(k) or test.guard_finds_harm(k)]
    safe = [k for k in range(1, 201) if test.shows_safety(k)]
    assert (min(harmful, default=None), min(safe, default=None)) == first
    if harmful:
        assert 149 not in harmful, "the evidence falls below the bound again; the verdict must not"
        assert math.isclose(told(test.opinion(149).harm), 1, abs_tol=0.1)
        assert test.opinion(149).verdict == "Harm"
        assert test.opinion(146).verdict == "Continue"
