"""What a forecast says: sentences and a table, or one JSON object."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table as Grid

from lossgate.api.quantities import format_duration
from lossgate.cli.forecasts import RolloutForecast, StepForecast
from lossgate.cli.history import Source
from lossgate.cli.table import console_for_text
from lossgate.stats import Expectation
from lossgate.stats.config import MIN_LOOKS_SAFE

BY_DESIGN = "not found by design: it is the margin"


def show(plan: RolloutForecast) -> None:
    """Print the forecast for people."""
    console = console_for_text()
    supply, margins = plan.supply, plan.margins
    labels = "" if supply.source is Source.GIVEN else f", {supply.baseline.labels:.0f} labels"
    console.print(
        f"Stable loss {supply.baseline.mean:.4f}, variance {supply.baseline.variance:.4f} ({supply.source}{labels}); "
        f"{supply.labels_per_second:.4g} labels/s, a look every {format_duration(supply.interval_seconds)}; margin "
        f"{margins.text(margins.harm)}.",
        soft_wrap=True,
    )
    grid = Grid(
        "step",
        "the canary's loss",
        "expected",
        "looks",
        "canary labels",
        "time",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in grid.columns[3:]:
        column.justify = "right"
    for step in plan.steps:
        for cells in _rows(plan, step):
            grid.add_row(*cells)
    console.print(grid)
    margin_of_steps = ", ".join(f"{step.weight_percent}%: {margins.text(step.step_margin)}" for step in plan.steps)
    console.print(
        f"To leave a step, a rise above its own margin must be ruled out ({margin_of_steps}).", soft_wrap=True
    )
    for line in conclusion(plan):
        console.print(line, soft_wrap=True)


def conclusion(plan: RolloutForecast) -> list[str]:
    """Return whether the rollout can conclude in time, and if not, what would help."""
    longest = format_duration(plan.max_duration_seconds)
    lines = []
    for step in plan.too_long:
        looks = step.forecast.non_inferior_if_equal.looks
        takes = format_duration(looks * plan.supply.interval_seconds) if math.isfinite(looks) else "for ever"
        factor = step.forecast.labels_factor(plan.max_looks)
        remedy = (
            f"the gate takes at least {MIN_LOOKS_SAFE} looks: shorten --interval or lengthen --max-duration"
            if factor is None
            else f"{factor:.3g} times the labels would do, or a larger weight, margin or --max-duration"
        )
        lines.append(
            f"Step {step.weight_percent}% cannot conclude within --max-duration {longest}: an equal canary needs about "
            f"{takes} ({looks:.0f} looks); {remedy}."
        )
    if lines:
        return ["This rollout CANNOT CONCLUDE.", *lines]
    return [f"All steps can conclude: about {format_duration(plan.seconds_if_equal)} if the versions are equal."]


def as_object(plan: RolloutForecast) -> dict[str, Any]:
    """Return the forecast as a JSON object; what never comes, or is not told, is null."""
    supply = plan.supply
    return {
        "margin": plan.margins.harm,
        "absolute": plan.margins.absolute,
        "labels_per_second": supply.labels_per_second,
        "interval_seconds": supply.interval_seconds,
        "max_duration_seconds": plan.max_duration_seconds,
        "baseline": {
            "mean": supply.baseline.mean,
            "variance": supply.baseline.variance,
            "labels": None if supply.source is Source.GIVEN else supply.baseline.labels,
            "source": supply.source.value,
        },
        "steps": [_step(plan, step) for step in plan.steps],
        "can_conclude": not plan.too_long,
        "seconds_if_equal": _finite(plan.seconds_if_equal),
        "conclusion": conclusion(plan),
    }


def _step(plan: RolloutForecast, step: StepForecast) -> dict[str, Any]:
    factor = step.forecast.labels_factor(plan.max_looks)
    return {
        "weight_percent": step.weight_percent,
        "step_margin": step.step_margin,
        "labels_stable_per_look": step.labels_stable,
        "labels_canary_per_look": step.labels_canary,
        "harm_at_margin": BY_DESIGN,
        "harm_at_two_margins": _expected(plan, step.forecast.harm_at_two_margins),
        "harm_at_five_margins": _expected(plan, step.forecast.harm_at_five_margins),
        "non_inferior_if_equal": _expected(plan, step.forecast.non_inferior_if_equal),
        "non_inferior_at_half_margin": _expected(plan, step.forecast.non_inferior_at_half_margin),
        "can_conclude": step not in plan.too_long,
        "labels_factor": None if factor is None else _finite(factor),
    }


def _expected(plan: RolloutForecast, expected: Expectation) -> dict[str, float] | None:
    if not math.isfinite(expected.looks):
        return None
    seconds = expected.looks * plan.supply.interval_seconds
    return {"looks": expected.looks, "canary_labels": expected.canary_labels, "seconds": seconds}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _rows(plan: RolloutForecast, step: StepForecast) -> list[list[str]]:
    margins, expected = plan.margins, step.forecast
    twice, fivefold = expected.harm_at_two_margins, expected.harm_at_five_margins
    rows = [
        [f"higher by {margins.text(margins.harm)} (1x margin)", BY_DESIGN, "", "", ""],
        [f"higher by {margins.text(2 * margins.harm)} (2x margin)", "harm found", *_cost(plan, twice)],
        [f"higher by {margins.text(5 * margins.harm)} (5x margin)", "harm found", *_cost(plan, fivefold)],
        ["equal", "step left", *_cost(plan, expected.non_inferior_if_equal)],
        [
            f"higher by {margins.text(step.step_margin / 2)} (half the step's)",
            "step left",
            *_cost(plan, expected.non_inferior_at_half_margin),
        ],
    ]
    return [[name, *cells] for name, cells in zip((f"{step.weight_percent}%", *[""] * 4), rows, strict=True)]


def _cost(plan: RolloutForecast, expected: Expectation) -> tuple[str, str, str]:
    if not math.isfinite(expected.looks):
        return "never", "", ""
    seconds = expected.looks * plan.supply.interval_seconds
    late = " (too long)" if seconds > plan.max_duration_seconds else ""
    return f"{expected.looks:.0f}", f"{expected.canary_labels:.0f}", format_duration(seconds) + late
