"""The optional columns: label age, class, pod, losses that are not numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.cli.recordings import BASELINE, Row, a_row, golden, looks, replay


def by_label(look: int, column: str, means: dict[str, tuple[float, float]], labels: tuple[float, float]) -> list[Row]:
    """One look whose labels are spread evenly, with a mean of stable version and canary each."""
    share = len(means)
    return [
        a_row(look, arm, n / share, mean[index]) | {column: name}
        for name, mean in means.items()
        for index, (arm, n) in enumerate((("stable", labels[0]), ("canary", labels[1])))
    ]


def test_ages_compare_like_with_like(tmp_path: Path) -> None:
    """The canary has only got its early labels, which are the good ones: seen as a whole it looks better."""
    rows = []
    for look in range(1, 121):
        rows += [
            a_row(look, "stable", 2000, 0.1, label_age="early"),
            a_row(look, "stable", 2000, 0.9, label_age="late"),
            a_row(look, "canary", 190, 0.1, label_age="early"),
            a_row(look, "canary", 10, 0.9, label_age="late"),
        ]
    aged = replay(tmp_path, rows, *BASELINE, "--json")
    assert aged.final["delta"] == pytest.approx(0, abs=1e-9)
    mixed = [
        {**a_row(look, arm), "n": n, "sum": total, "sumsq": n * 1.2}
        for look in range(1, 121)
        for arm, n, total in (("stable", 4000, 2000), ("canary", 200, 28))
    ]
    assert replay(tmp_path, mixed, *BASELINE, "--json").final["delta"] < -0.5


def test_ages_that_the_canary_lacks_are_a_matter_of_coverage(tmp_path: Path) -> None:
    rows = []
    for look in range(1, 101):
        rows += by_label(look, "label_age", {"early": (0.3, 0.28), "late": (0.3, 0.28)}, (4000, 400))
    late_missing = [
        {**row, "n": 0, "sum": 0, "sumsq": 0} if row["arm"] == "canary" and row["label_age"] == "late" else row
        for row in rows
    ]
    assert replay(tmp_path, rows, *BASELINE).status == 0
    answer = replay(tmp_path, late_missing, *BASELINE, "--json")
    assert (answer.status, answer.final["coverage"]) == (2, 0.5)
    assert answer.final["reason"] == "coverage 50% of 90%: the canary lacks labels of some ages"


def test_labels_without_an_age_hold_where_ages_are_declared(tmp_path: Path) -> None:
    rows = looks(range(1, 5), label_age="early") + looks(range(5, 7), label_age="")
    answer = replay(tmp_path, rows, *BASELINE, "--json")
    assert answer.verdicts == ["Continue"] * 4 + ["Hold"] * 2
    assert answer.final["reason"] == "labels tell no age, though the file has ages"


def a_bad_class(count: int = 100) -> list[Row]:
    """Nine classes in ten are a little better, one is much worse; as a whole nothing shows."""
    rows = []
    for look in range(1, count + 1):
        for arm, n in (("stable", 4000), ("canary", 1000)):
            means = {"common": 0.2, "rare": 1.2} if arm == "stable" else {"common": 0.18, "rare": 1.9}
            rows += [
                a_row(look, arm, n * 0.97, means["common"]) | {"class": "common"},
                a_row(look, arm, n * 0.03, means["rare"]) | {"class": "rare"},
            ]
    return rows


def test_listed_class_is_tested_by_itself(tmp_path: Path) -> None:
    whole = replay(tmp_path, a_bad_class(), "--margin", "10%", "--json")
    assert whole.status == 0
    assert whole.final["classes"] == []
    assert "no class is tested by itself, as none is listed with --class" in whole.errors
    classes = replay(tmp_path, a_bad_class(), "--margin", "10%", "--class", "rare", "--class", "common", "--json")
    assert (classes.status, classes.final["failing_class"], classes.errors.count("none is listed")) == (1, "rare", 0)
    assert {item["name"]: item["verdict"] for item in classes.final["classes"]} == {
        "rare": "Harm",
        "common": "NonInferior",
    }
    assert "worse than the margin of 10.0% in class rare" in classes.final["reason"]


def test_class_margin_is_the_classes_own(tmp_path: Path) -> None:
    options = ("--margin", "10%", "--class", "rare", "--class-margin", "100%", "--json")
    assert replay(tmp_path, a_bad_class(), *options).status == 0


def test_class_has_to_show_no_more_than_the_whole_to_leave_a_step(tmp_path: Path) -> None:
    """A rise of a class between its own margin and the step's lets an early step be left."""
    rows = []
    for look in range(1, 101):
        rows += [
            a_row(look, arm, n, mean) | {"class": "a"}
            for arm, n, mean in (("stable", 9000, 0.3), ("canary", 3000, 0.33))
        ]
    options = ("--margin", "10%", "--class", "a", "--class-margin", "10%", "--json")
    early = replay(tmp_path, rows, *options, "--step-margin", "40%").final
    last = replay(tmp_path, rows, *options).final
    assert [early["classes"][0]["verdict"], last["classes"][0]["verdict"]] == ["NonInferior", "Continue"]


def test_class_that_never_comes_is_named(tmp_path: Path) -> None:
    answer = replay(tmp_path, a_bad_class(), "--margin", "10%", "--class", "tpyo", "--json")
    assert (answer.status, answer.final["reason"]) == (2, "class tpyo: 0 of 100 canary labels")


def test_class_has_its_own_baseline_from_history(tmp_path: Path) -> None:
    """The guard of a class bets by the class's own mean; the catastrophe of a rare class shows in the first looks."""
    history = [
        a_row(look, "stable", n, mean) | {"class": name}
        for look in range(-30, 0)
        for name, n, mean in (("common", 3880, 0.2), ("rare", 120, 1.2))
    ]
    answer = replay(tmp_path, history + a_bad_class(), "--margin", "10%", "--class", "rare", "--json")
    assert (answer.status, answer.final["baseline"]["source"]) == (1, "history")


def test_stable_pods_that_differ_widen_the_interval(tmp_path: Path) -> None:
    def rows(spread: float) -> list[Row]:
        return [
            row
            for look in range(1, 61)
            for row in (
                *(a_row(look, "stable", 400, 0.3 + spread * (pod - 4.5), pod=f"s{pod}") for pod in range(10)),
                a_row(look, "canary", 400, 0.28, pod="c0"),
            )
        ]

    equal, unequal = (replay(tmp_path, rows(spread), *BASELINE, "--json") for spread in (0.0, 0.02))
    assert (equal.status, equal.final["pods"], equal.final["looks"]) == (0, 10, 60)
    assert unequal.status == 2
    assert unequal.final["upper"] > 2 * abs(equal.final["upper"])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_canary_loss_that_is_no_number_two_looks_in_a_row_is_harm(tmp_path: Path, value: float) -> None:
    rows = with_nonfinite(golden(57, 6), {4: value, 5: value})
    answer = replay(tmp_path, rows, *BASELINE, "--json")
    assert (answer.status, answer.final["verdict"], answer.final["cause"]) == (1, "Harm", "NonFiniteLoss")
    assert answer.verdicts == ["Continue"] * 4 + ["Harm"] * 2
    assert answer.lines[3]["reason"] == "the canary's loss is not a number"
    assert answer.final["nonfinite_canary"] == 42


def test_single_loss_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    rows = with_nonfinite(golden(57, 6), {2: math.nan, 4: math.nan})
    answer = replay(tmp_path, rows, *BASELINE, "--json")
    assert (answer.status, answer.final["verdict"], answer.final["looks"]) == (2, "Inconclusive", 4)


def test_losses_that_entered_at_the_clip_are_counted_and_shown(tmp_path: Path) -> None:
    rows = with_nonfinite(golden(57, 90), {})
    answer = replay(tmp_path, rows, *BASELINE, "--json")
    assert answer.status == 0
    assert (answer.lines[0]["nonfinite_stable"], answer.lines[0]["nonfinite_canary"]) == (0, 7)
    assert (answer.final["nonfinite_stable"], answer.final["nonfinite_canary"]) == (0, 630)
    assert "losses that were not numbers: stable 0, canary 630" in replay(tmp_path, rows, *BASELINE).output


def with_nonfinite(rows: list[Row], sums: dict[int, float]) -> list[Row]:
    """Seven canary labels a look that are not numbers; the canary's sum of some looks (from 1) is no number either."""
    changed: list[Row] = []
    for index, row in enumerate(rows):
        look, change = index // 2 + 1, dict[str, Any](nonfinite=0)
        if row["arm"] == "canary":
            change = {"nonfinite": 7}
            if look in sums:
                change |= {"sum": sums[look], "sumsq": sums[look]}
        changed.append({**row, **change})
    return changed
