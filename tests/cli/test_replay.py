"""The gate's verdict on a recording, through the real command line."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.recordings import (
    BASELINE,
    a_row,
    as_csv,
    as_json_lines,
    golden,
    looks,
    replay,
    run,
    time_of,
    without,
)

HARM_NEEDS = -math.log(0.9 * 0.05)
SAFETY_NEEDS = -math.log(0.05)
NAMES = "time n_stable n_canary mean_stable mean_canary delta lower upper harm safety verdict reason"


def test_golden_stream_without_verdict(tmp_path: Path) -> None:
    answer = replay(tmp_path, golden(63), *BASELINE, "--json")
    assert (answer.status, answer.final["verdict"], answer.final["cause"]) == (2, "Inconclusive", None)
    assert set(answer.verdicts) == {"Continue"}
    assert answer.final["harm"] == answer.final["safety"] == 0


def test_golden_stream_with_harm_stays_harm_when_the_evidence_falls_again(tmp_path: Path) -> None:
    answer = replay(tmp_path, golden(66), *BASELINE, "--json")
    assert (answer.status, answer.final["verdict"], answer.final["cause"]) == (1, "Harm", "MainRule")
    assert answer.verdicts == ["Continue"] * 146 + ["Harm"] * 54
    assert answer.final["decided"] == time_of(147)
    assert answer.lines[146]["harm"] >= 1 > answer.lines[148]["harm"]
    assert answer.lines[148]["lower"] < 0.05 < answer.lines[146]["lower"]
    assert answer.final["harm"] == pytest.approx(4.289772571 / HARM_NEEDS, rel=1e-8)


def test_golden_stream_of_a_better_canary(tmp_path: Path) -> None:
    answer = replay(tmp_path, golden(57), *BASELINE, "--json")
    assert (answer.status, answer.final["verdict"], answer.final["cause"]) == (0, "NonInferior", None)
    assert answer.verdicts == ["Continue"] * 79 + ["NonInferior"] * 121
    assert answer.final["safety"] == pytest.approx(19.77374725 / SAFETY_NEEDS, rel=1e-8)


def test_program_itself_exits_with_the_verdict_and_loads_no_cluster_client(tmp_path: Path) -> None:
    file = tmp_path / "evidence.csv"
    file.write_text(as_csv(golden(66)))
    program = (
        "import sys\n"
        "from lossgate.cli.main import main\n"
        "unwanted = {'kopf', 'kubernetes', 'aiohttp', 'matplotlib'}\n"
        "try:\n    main(prog_name='lossgate')\n"
        "finally:\n    print(sorted(unwanted & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "replay", str(file), *BASELINE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Harm: worse than the margin of 5.0% (MainRule)" in done.stdout
    assert done.stderr.splitlines() == ["[]"]


def test_each_look_has_all_names_and_counts_what_the_step_has_so_far(tmp_path: Path) -> None:
    answer = replay(tmp_path, golden(63, 3), *BASELINE, "--json")
    assert [list(line) for line in answer.lines] == [NAMES.split()] * 3
    assert [line["n_canary"] for line in answer.lines] == [200, 400, 600]
    assert answer.lines[2]["mean_canary"] == pytest.approx(0.315 + sum(math.sin(k) for k in (1, 2, 3)) / 100)
    assert answer.lines[0]["reason"] == "200 of 500 canary labels"


def test_final_line_tells_what_the_verdict_rests_on(tmp_path: Path) -> None:
    final = replay(tmp_path, golden(57), *BASELINE, "--json").final
    assert final["baseline"] == {"mean": 0.3, "variance": 0.7, "labels": None, "source": "given"}
    assert (final["looks"], final["design_effect"], final["effective_labels"], final["coverage"]) == (200, 1, 40_000, 1)
    assert (final["noise"], final["margin"], final["step_margin"]) == ("WithinLook", 0.05, 0.05)
    assert final["promise"].startswith("Both risks hold as stated")


def test_json_lines_say_the_same_as_csv(tmp_path: Path) -> None:
    rows = [{**row, "class": 3, "pod": None, "step": "5"} for row in golden(66, 60)]
    by_csv = replay(tmp_path, as_csv(rows), *BASELINE, "--json")
    by_json = replay(tmp_path, as_json_lines(rows), *BASELINE, "--json")
    assert by_json == by_csv
    assert by_csv.final["looks"] == 60


def test_standard_input_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    text = as_csv(golden(57))
    plain = replay(tmp_path, text, *BASELINE, "--json")
    assert plain.status == 0
    assert replay(tmp_path, "\ufeff" + text, *BASELINE, "--json") == plain
    assert run("replay", "-", *BASELINE, "--json", given=text) == plain
    assert run("replay", "-", *BASELINE, "--json", given="\ufeff" + text) == plain


def test_order_of_rows_within_a_look_is_irrelevant(tmp_path: Path) -> None:
    rng, shuffled = random.Random(3), []
    rows = [
        a_row(look, arm, n, rng.uniform(0.2, 0.4), label_age=age, pod=f"{arm}-{pod}")
        for look in range(1, 31)
        for arm, n in (("stable", 300), ("canary", 40))
        for age in ("0", "60")
        for pod in range(6)
    ]
    for look in range(1, 31):
        of_look = [row for row in rows if row["time"] == time_of(look)]
        rng.shuffle(of_look)
        shuffled += of_look
    assert shuffled != rows
    assert replay(tmp_path, shuffled, "--json") == replay(tmp_path, rows, "--json")


def test_rows_before_the_first_canary_are_the_baseline(tmp_path: Path) -> None:
    rows = looks(range(1, 6), stable=0.4, canary=None) + looks(range(6, 16), stable=0.2, canary=0.2)
    answer = replay(tmp_path, rows, "--json")
    baseline = answer.final["baseline"]
    assert (baseline["source"], baseline["labels"]) == ("history", 19_000)
    assert baseline["mean"] == pytest.approx(0.4)
    assert baseline["variance"] == pytest.approx(0.7, rel=1e-3)
    assert len(answer.lines) == 10
    assert answer.errors == ""


def test_stable_row_before_the_canarys_at_the_same_time_is_no_history(tmp_path: Path) -> None:
    answer = replay(tmp_path, looks(range(1, 4)), "--json")
    assert answer.final["baseline"]["source"] == "first look"
    assert answer.final["baseline"]["labels"] == 3800
    assert "the baseline is the first look's stable arm" in answer.errors


def test_given_baseline_goes_before_history(tmp_path: Path) -> None:
    rows = looks(range(1, 6), stable=0.4, canary=None) + looks(range(6, 9))
    assert replay(tmp_path, rows, *BASELINE, "--json").final["baseline"]["mean"] == 0.3


def test_small_baseline_is_named(tmp_path: Path) -> None:
    rows = looks([1], canary=None, labels=(400, 0)) + looks(range(2, 4))
    assert "the baseline has 400 labels; the operator waits for 1000" in replay(tmp_path, rows).errors


def test_first_look_serves_as_history_does(tmp_path: Path) -> None:
    """The guard is scaled by the baseline, so that another baseline is another replay."""
    given = replay(tmp_path, looks(range(1, 30), canary=0.9), *BASELINE, "--json")
    own = replay(tmp_path, looks(range(1, 30), canary=0.9), "--json")
    assert own.verdicts == given.verdicts
    assert own.final["cause"] == "Guard"


def test_absolute_margin_is_in_loss_units(tmp_path: Path) -> None:
    relative = replay(tmp_path, golden(66), *BASELINE, "--json").final
    absolute = replay(tmp_path, golden(66), *BASELINE, "--absolute-margin", "0.015", "--json").final
    assert absolute["verdict"] == relative["verdict"] == "Harm"
    assert absolute["delta"] == pytest.approx(0.3 * relative["delta"], rel=1e-2)
    assert "worse than the margin of 0.0150" in absolute["reason"]


def test_wider_margin_and_smaller_risk_change_the_verdict(tmp_path: Path) -> None:
    assert replay(tmp_path, golden(66), *BASELINE).status == 1
    assert replay(tmp_path, golden(66), *BASELINE, "--margin", "20%").status == 0
    assert replay(tmp_path, golden(66), *BASELINE, "--risk-rollback", "0.001").status == 2
    assert replay(tmp_path, golden(66), *BASELINE, "--steps", "40").status == 2
    assert replay(tmp_path, golden(57), *BASELINE, "--min-labels", "40001").status == 2
    assert replay(tmp_path, golden(63), *BASELINE, "--step-margin", "20%").status == 0


def test_canary_without_labels_is_a_hold(tmp_path: Path) -> None:
    rows = looks(range(1, 6)) + looks(range(6, 20), labels=(3800, 0))
    answer = replay(tmp_path, rows, *BASELINE, "--json")
    assert (answer.status, answer.final["verdict"]) == (2, "Hold")
    assert answer.lines[6]["reason"] == "no label of the canary"
    assert answer.final["reason"] == "no label of the canary for many looks"
    assert answer.final["looks"] == 5


def test_non_inferior_stays_through_looks_without_labels_but_not_through_harm(tmp_path: Path) -> None:
    silence = golden(57, 100) + looks(range(101, 120), labels=(3800, 0))
    assert replay(tmp_path, silence, *BASELINE).status == 0
    answer = replay(tmp_path, silence + looks(range(120, 140), canary=3.0), *BASELINE, "--json")
    assert list(dict.fromkeys(answer.verdicts)) == ["Continue", "NonInferior", "Harm"]
    assert answer.status == 1


def test_without_squares_the_scatter_of_looks_stands_in(tmp_path: Path) -> None:
    answer = replay(tmp_path, without(golden(57), "sumsq"), "--json")
    assert (answer.status, answer.final["noise"]) == (0, "BetweenLooks")
    assert answer.final["baseline"]["variance"] is None
    assert "no column sumsq: the variance is taken from the looks' scatter" in answer.errors
    assert "no early guard" in answer.final["promise"]


def test_table_shows_the_look_that_decides_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    answer = replay(tmp_path, golden(66), *BASELINE)
    shown = [line.split() for line in answer.output.splitlines()]
    deciding = next(cells for cells in shown if cells[:1] == ["147"])
    assert deciding[-2:] == ["Harm", "(MainRule)"]
    assert next(cells for cells in shown if cells[:1] == ["145"])[-1] == "Continue"
    assert "1 of every 16 of 200 looks" in answer.output
    assert f"Harm: worse than the margin of 5.0% (MainRule), found at {time_of(147)}" in answer.output


def test_short_table_shows_every_look(tmp_path: Path) -> None:
    answer = replay(tmp_path, golden(63, 12), *BASELINE)
    assert [line.split()[0] for line in answer.output.splitlines()[2:14]] == [str(k) for k in range(1, 13)]
    assert "of every" not in answer.output


@pytest.mark.parametrize("fraction", [0, 0.5])
def test_epoch_times_come_back_as_they_are(tmp_path: Path, fraction: float) -> None:
    rows = [{**row, "time": row["time"] + fraction} for row in looks([1])]
    assert replay(tmp_path, rows, *BASELINE, "--json").lines[0]["time"] == time_of(1) + fraction


@pytest.mark.parametrize(
    ("written", "shown", "note"),
    [
        ("2026-11-01T00:00:30Z", "2026-11-01T00:00:30Z", False),
        ("2026-11-01T02:00:30+02:00", "2026-11-01T00:00:30Z", False),
        ("2026-11-01 00:00:30", "2026-11-01T00:00:30Z", True),
    ],
)
def test_iso_times_come_back_in_utc(tmp_path: Path, written: str, shown: str, note: bool) -> None:
    rows = [{**row, "time": written} for row in looks([1])]
    answer = replay(tmp_path, rows, *BASELINE, "--json")
    assert answer.lines[0]["time"] == shown
    assert ("times without a time zone are taken for UTC" in answer.errors) is note
