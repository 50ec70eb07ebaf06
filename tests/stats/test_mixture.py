from __future__ import annotations

import math

import numpy as np
import pytest

from lossgate.stats.mixture import (
    bound,
    log_evidence,
    normal_from_t,
    scale,
    scales,
    single_log_evidence,
    t_from_normal,
)


@pytest.mark.parametrize(
    ("effect", "rho"), [(0.015, 4341.7035383935), (0.06, 271.35647114959), (0.24, 16.959779446849)]
)
def test_scale(effect: float, rho: float) -> None:
    assert scale(effect) == pytest.approx(rho, rel=1e-8)


@pytest.mark.parametrize(
    ("z", "information", "rho", "expected"),
    [
        (2, 1000, 158, 1.3922822932221),
        (-1.5, 1000, 158, -1.8363301200544),
        (4, 27000, 4343, 6.596322703508),
        (-30, 27000, 4343, -4.5419101929596),
        (12, 50, 4343, 1.4012893945888),
        (40, 1e6, 271, 796.36957456726),
    ],
)
def test_evidence_of_one_scale(z: float, information: float, rho: float, expected: float) -> None:
    assert single_log_evidence(z, information, rho) == pytest.approx(expected, abs=1e-8)


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
    assert log_evidence(z, information, scales(0.015)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("information", "expected"), [(2000, 3.0591589233), (27000, 2.9321073951), (200000, 3.1136747380)]
)
def test_bound_of_three_scales(information: float, expected: float) -> None:
    assert bound(information, scales(0.015), math.log(20)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("effect", "expected"), [(0.015, 2.7662539592), (0.06, 3.0512895126), (0.24, 3.4621681461)])
def test_bound_of_one_scale(effect: float, expected: float) -> None:
    rho = scale(effect)
    assert bound(27000, np.array([rho, rho, rho]), math.log(20)) == pytest.approx(expected, abs=1e-8)


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
    z = normal_from_t(t, df)
    assert z == pytest.approx(expected, abs=1e-8)
    assert t_from_normal(z, df) == pytest.approx(t, rel=1e-12)


def test_evidence_rises_with_z_and_stays_finite() -> None:
    values = [log_evidence(z, 27000, scales(0.015)) for z in (-1e6, -1e3, -40, -3, 0, 3, 40, 1e3, 1e6)]
    assert values == sorted(values)
    assert len(set(values)) == len(values)
    assert all(math.isfinite(value) for value in values)
