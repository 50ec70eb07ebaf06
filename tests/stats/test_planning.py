from __future__ import annotations

import math

import pytest

from lossgate.stats import forecast
from tests.stats.evidence_builders import A_BASELINE, a_config


def test_forecast_of_an_equal_canary_is_what_simulation_measured() -> None:
    looks = forecast(a_config(), A_BASELINE, 3800, 200).non_inferior_if_equal.looks
    assert looks == pytest.approx(200, abs=40)
    assert forecast(a_config(step_margin=0.2), A_BASELINE, 3800, 200).non_inferior_if_equal.looks == 80


@pytest.mark.parametrize(("risk", "simulated"), [(0.01, 282.5 / 201.5), (0.2, 128.5 / 201.5)])
def test_smaller_risk_of_promotion_needs_more_looks_as_simulated(risk: float, simulated: float) -> None:
    """Medians of 300 simulated equal canaries with the engine itself, over that at a risk of 5 %."""
    usual, other = (
        forecast(a_config(promotion_risk=each), A_BASELINE, 3800, 200).non_inferior_if_equal for each in (0.05, risk)
    )
    assert other.looks / usual.looks == pytest.approx(simulated, rel=0.1)


@pytest.mark.parametrize(("steps", "simulated"), [(3, 272 / 213.5), (10, 320 / 213.5)])
def test_risk_split_over_more_steps_finds_harm_later_as_simulated(steps: int, simulated: float) -> None:
    """Medians of 300 simulated canaries that are 5 % worse, at a margin of 0, over that with one step."""
    one, many = (
        forecast(a_config(margin=0.0, steps=each), A_BASELINE, 3800, 200).harm_at_two_margins for each in (1, steps)
    )
    assert many.looks / one.looks == pytest.approx(simulated, rel=0.1)


def test_more_labels_and_wider_margins_are_never_slower() -> None:
    rates = [forecast(a_config(), A_BASELINE, 19 * n, n).non_inferior_if_equal.looks for n in (5, 20, 100, 500)]
    assert rates == sorted(rates, reverse=True)
    margins = [
        forecast(a_config(step_margin=m), A_BASELINE, 950, 50).non_inferior_if_equal.looks for m in (0.02, 0.05, 0.2)
    ]
    assert margins == sorted(margins, reverse=True)


def test_half_of_the_margin_takes_four_times_the_looks() -> None:
    plan = forecast(a_config(), A_BASELINE, 3800, 200)
    assert plan.non_inferior_at_half_margin.looks == pytest.approx(4 * plan.non_inferior_if_equal.looks, rel=0.1)


def test_canary_labels_are_those_served_until_the_verdict() -> None:
    expected = forecast(a_config(), A_BASELINE, 3800, 200).non_inferior_if_equal
    assert expected.canary_labels == expected.looks * 200


def test_step_too_short_for_its_labels_cannot_conclude() -> None:
    plan = forecast(a_config(), A_BASELINE, 190, 10)
    assert not plan.can_conclude(1000)
    assert plan.can_conclude(10_000)


def test_without_labels_no_verdict_can_be_expected() -> None:
    plan = forecast(a_config(), A_BASELINE, 0, 0)
    assert math.isinf(plan.non_inferior_if_equal.looks)
    assert not plan.can_conclude(1e9)
