"""A sample is the status in plain numbers, and what the operator could not tell stays unknown."""

from __future__ import annotations

from typing import Any

from e2e.demo.sample import Sample
from lossgate.api.status import RolloutStatus

JUDGED: dict[str, Any] = {
    "phase": "Progressing",
    "canary": {"revision": "digits-b", "modelVersion": "v2", "weight": 20},
    "step": {"index": 0, "weight": 20, "looks": 31},
    "analysis": {
        "labels": {"stable": 24_800, "canary": 6_210},
        "meanLoss": {"stable": "0.3012", "canary": "0.3060"},
        "delta": {"estimate": "1.6%", "lower": "-2.1%", "upper": "5.4%"},
    },
}


def sample(manifest: dict[str, Any]) -> Sample:
    return Sample.of(RolloutStatus.model_validate(manifest), time=12.5)


def test_numbers_are_those_of_the_status() -> None:
    assert sample(JUDGED) == Sample(
        time=12.5, phase="Progressing", step=0, canary_weight_percent=20, looks=31, stable_labels=24_800,
        canary_labels=6_210, stable_loss=0.3012, canary_loss=0.3060, delta=0.016, lower=-0.021, upper=0.054,
    )  # fmt: skip


def test_line_tells_the_numbers_to_people() -> None:
    assert sample(JUDGED).line() == (
        "Progressing, canary 20%  look 31  6,210 + 24,800 labels  loss 0.3060 / 0.3012  delta +1.6% [-2.1%, +5.4%]"
    )


def test_bounds_that_are_not_known_are_left_out() -> None:
    analysis = {"labels": {"stable": 10, "canary": 2}}
    seen = sample({**JUDGED, "analysis": analysis})
    assert (seen.delta, seen.lower, seen.upper, seen.canary_loss) == (None, None, None, None)
    assert seen.line() == "Progressing, canary 20%  look 31  2 + 10 labels"


def test_status_that_is_not_written_yet_has_no_step() -> None:
    seen = sample({})
    assert seen.step is None
    assert seen.line() == "Initializing"
