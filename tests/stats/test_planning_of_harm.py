from __future__ import annotations

import math

import pytest

from lossgate.stats import forecast
from tests.stats.evidence_builders import A_BASELINE, a_config


@pytest.mark.parametrize(("stable", "canary", "looks", "tolerance"), [(3800, 200, 2, 0), (190, 10, 31, 3)])
def test_threefold_loss_is_found_by_the_guard_as_soon_as_simulated(
    stable: float, canary: float, looks: float, tolerance: float
) -> None:
    plan = forecast(a_config(margin=0.0, guard_excess=0.1), A_BASELINE, stable, canary)
    assert plan.harm_at_threefold_loss.looks == pytest.approx(looks, abs=tolerance)


def test_threefold_loss_is_twice_a_margin_of_the_whole_loss() -> None:
    plan = forecast(a_config(margin=1.0, step_margin=1.0), A_BASELINE, 190, 10)
    assert plan.harm_at_threefold_loss == plan.harm_at_two_margins


def test_margin_of_zero_can_be_planned() -> None:
    plan = forecast(a_config(margin=0.0), A_BASELINE, 3800, 200)
    assert math.isfinite(plan.harm_at_two_margins.looks)
    assert plan.harm_at_five_margins.looks <= plan.harm_at_two_margins.looks


def test_loss_within_the_margin_is_never_harm() -> None:
    plan = forecast(a_config(margin=3.0, step_margin=3.0), A_BASELINE, 3800, 200)
    assert math.isinf(plan.harm_at_threefold_loss.looks), "three times the loss is a rise of 200 %"


def test_labels_that_would_be_enough_are_enough() -> None:
    plan = forecast(a_config(), A_BASELINE, 190, 10)
    factor = plan.labels_factor(1000)
    assert factor is not None
    assert not plan.can_conclude(1000)
    assert forecast(a_config(), A_BASELINE, 190 * factor, 10 * factor).can_conclude(1000)
    assert not forecast(a_config(), A_BASELINE, 180 * factor, 9.5 * factor).can_conclude(1000)
    assert plan.labels_factor(80) is not None
    assert plan.labels_factor(79) is None, "no number of labels makes up for looks"
