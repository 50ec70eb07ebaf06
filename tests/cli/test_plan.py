"""`lossgate plan`: what a rollout will cost."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from lossgate.stats import Baseline, GateConfig, forecast
from tests.cli.recordings import BASELINE, Answer, as_csv, looks, run, without


def planned(*options: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("plan", *options, "--json").output)
    return answer


def with_rate(rate: str, *options: str) -> Answer:
    return run("plan", *BASELINE, "--labels-per-second", rate, *options)


def test_each_step_expects_what_the_engine_forecasts() -> None:
    plan = planned(*BASELINE, "--labels-per-second", "100", "--weight", "10", "--weight", "50")
    first, last = plan["steps"]
    config = GateConfig(margin=0.05, step_margin=0.2, steps=2)
    expected = forecast(config, Baseline(0.3, 0.7, 0), 2700, 300)
    assert first["harm_at_two_margins"]["looks"] == expected.harm_at_two_margins.looks
    assert first["non_inferior_if_equal"] == {"looks": 80, "canary_labels": 24_000, "seconds": 2400}
    assert (first["step_margin"], last["step_margin"]) == (0.2, 0.05)
    assert last["labels_canary_per_look"] == 1500


def test_rise_of_the_margin_itself_is_not_found_by_design() -> None:
    answer = with_rate("100")
    assert answer.output.count("not found by design: it is the margin") == 3
    assert planned(*BASELINE, "--labels-per-second", "100")["steps"][0]["harm_at_margin"].startswith("not found by")


def test_plan_that_can_conclude_says_how_long_it_takes() -> None:
    answer = with_rate("1000")
    assert answer.status == 0
    assert "All steps can conclude: about 2h if the versions are equal." in answer.output


def test_plan_that_cannot_conclude_says_so_and_what_would_help() -> None:
    answer = with_rate("0.5")
    assert answer.status == 2
    assert "This rollout CANNOT CONCLUDE." in answer.output
    assert "Step 5% cannot conclude within --max-duration 24h" in answer.output
    factor = planned(*BASELINE, "--labels-per-second", "0.5")["steps"][0]["labels_factor"]
    assert f"{factor:.3g} times the labels would do" in answer.output


def test_as_many_labels_as_asked_for_let_it_conclude() -> None:
    factor = planned(*BASELINE, "--labels-per-second", "0.5", "--weight", "5")["steps"][0]["labels_factor"]
    assert with_rate(f"{0.5 * factor * 1.01}", "--weight", "5").status == 0
    assert with_rate(f"{0.5 * factor * 0.97}", "--weight", "5").status == 2


def test_deadline_below_the_fewest_looks_needs_no_labels_but_time() -> None:
    answer = with_rate("1000", "--max-duration", "30m")
    assert answer.status == 2
    assert "the gate takes at least 80 looks: shorten --interval or lengthen --max-duration" in answer.output


@pytest.mark.parametrize(("option", "expected"), [((), 0.05), (("--step-margin", "10%"), 0.05)])
def test_last_step_is_left_at_the_margin(option: tuple[str, ...], expected: float) -> None:
    assert planned(*BASELINE, "--labels-per-second", "9", *option)["steps"][-1]["step_margin"] == expected


def test_early_margins_default_to_the_operators() -> None:
    def margins(*options: str) -> list[float]:
        return [step["step_margin"] for step in planned(*BASELINE, "--labels-per-second", "9", *options)["steps"]]

    assert margins("--margin", "20%") == [0.5, 0.5, 0.2]
    assert margins("--absolute-margin", "0.01") == [0.04, 0.04, 0.01]
    assert margins("--absolute-margin", "0.1") == [0.15, 0.15, 0.1]
    assert margins("--step-margin", "7%") == [0.07, 0.07, 0.05]


def test_history_tells_loss_variance_rate_and_interval(tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = [row for k in range(50) for row in looks([k], stable=rng.uniform(0.28, 0.32), canary=None)]
    del rows[20:25]
    (tmp_path / "history.csv").write_text(as_csv(rows + looks(range(60, 70), canary=9.0)))
    plan = planned(str(tmp_path / "history.csv"))
    assert plan["baseline"]["mean"] == pytest.approx(0.3, abs=0.01)
    assert plan["baseline"]["variance"] == pytest.approx(0.7, rel=0.01)
    assert plan["baseline"]["labels"] == 45 * 3800
    assert (plan["interval_seconds"], plan["labels_per_second"]) == (30, pytest.approx(3800 / 30))


def test_options_go_before_what_history_shows(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(as_csv(looks(range(10), canary=None)))
    options = (*BASELINE, "--labels-per-second", "5", "--interval", "1m")
    plan = planned(str(tmp_path / "history.csv"), *options)
    assert (plan["baseline"]["source"], plan["labels_per_second"], plan["interval_seconds"]) == ("given", 5, 60)


def test_history_without_squares_gives_a_variance_and_no_guard(tmp_path: Path) -> None:
    rng = random.Random(2)
    rows = [row for k in range(400) for row in looks([k], stable=0.3 + rng.gauss(0, (0.7 / 3800) ** 0.5), canary=None)]
    (tmp_path / "history.csv").write_text(as_csv(without(rows, "sumsq")))
    options = ("--margin", "50%", "--weight", "5")
    plan = planned(str(tmp_path / "history.csv"), *options)
    assert plan["baseline"]["variance"] == pytest.approx(0.7, rel=0.25)
    assert plan["steps"][0]["harm_at_five_margins"]["looks"] == 40
    with_squares = planned(*BASELINE, "--labels-per-second", "126", *options)
    assert with_squares["steps"][0]["harm_at_five_margins"]["looks"] < 40
