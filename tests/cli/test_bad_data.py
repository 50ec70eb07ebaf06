"""Data that cannot be used are refused with row and column, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.recordings import BASELINE, looks, replay, run

HEADER = "time,arm,n,sum,sumsq\n"
GOOD = "60,stable,100,30,80\n60,canary,10,3,8\n"
STEPS = "time,arm,n,sum,sumsq,step\n"
NONFINITE = "time,arm,n,sum,sumsq,nonfinite\n"
AGES = "time,arm,n,sum,sumsq,label_age\n"

CASES = {
    "empty file": ("", "row 1: no header"),
    "no rows": (HEADER, "column arm: no row of the canary in the whole file"),
    "no canary": (HEADER + "60,stable,100,30,80\n90,stable,100,30,80\n", "column arm: no row of the canary"),
    "missing column": ("time,arm,n,sumsq\n60,stable,100,80\n", "row 1, column sum: it is missing"),
    "unknown column": ("time,arm,n,sum,sumsq,label_ages\n", "row 1, column label_ages: there is no such column"),
    "column twice": ("time,arm,n,sum,sum\n", "row 1, column sum: the header names it twice"),
    "cell too few": (HEADER + "60,stable,100,30\n", "row 2: it has 4 cells, the header 5"),
    "cell too many": (HEADER + GOOD + "90,stable,100,30,80,1\n", "row 4: it has 6 cells, the header 5"),
    "torn quote": (HEADER + '60,"stable,100,30,80\n', "row 2: not CSV"),
    "other arm": (HEADER + "60,Canary,10,3,8\n", "row 2, column arm: 'Canary' is neither stable nor canary"),
    "NaN n": (HEADER + "60,stable,nan,30,80\n", "row 2, column n: nan is not a finite number"),
    "NaN sum": (HEADER + "60,stable,100,NaN,80\n", "row 2, column sum: nan is not a finite number"),
    "NaN sumsq": (HEADER + "60,stable,100,30,nan\n", "row 2, column sumsq: nan is not a finite number"),
    "NaN time": (HEADER + "nan,stable,100,30,80\n", "row 2, column time: nan is no time"),
    "infinite n": (HEADER + "60,stable,inf,30,80\n", "row 2, column n: inf is not a finite number"),
    "infinite sumsq": (HEADER + "60,stable,100,30,inf\n", "row 2, column sumsq: inf is not a finite number"),
    "empty n": (HEADER + "60,stable,,30,80\n", "row 2, column n: empty"),
    "empty sumsq": (HEADER + "60,stable,100,30,\n", "row 2, column sumsq: empty"),
    "text sum": (HEADER + "60,stable,100,thirty,80\n", "row 2, column sum: 'thirty' is not a number"),
    "decimal comma": (HEADER + '60,stable,100,"30,5",80\n', "row 2, column sum: '30,5' is not a number"),
    "negative n": (HEADER + "60,stable,-1,30,80\n", "row 2, column n: -1 is negative"),
    "negative sum": (HEADER + GOOD + "90,canary,10,-3,8\n", "row 4, column sum: -3 is negative"),
    "negative sumsq": (HEADER + "60,stable,100,30,-80\n", "row 2, column sumsq: -80 is negative"),
    "squares too small": (HEADER + "60,stable,100,30,8.9\n", "row 2, column sumsq: 8.9 is below sum²/n = 9"),
    "sum of no label": (HEADER + "60,stable,0,3,0\n", "row 2, column sum: 3 from no label: n is 0"),
    "squares of no label": (HEADER + "60,stable,0,0,3\n", "row 2, column sumsq: 3 from no label: n is 0"),
    "above the clip": (HEADER + "60,stable,10,200,4000\n", "row 2, column sum: the mean loss 20 is above the clip"),
    "unsorted": (HEADER + GOOD + "30,stable,100,30,80\n30,canary,10,3,8\n", "row 4, column time: 30 comes after 60"),
    "torn look": (
        HEADER + GOOD + "90,stable,100,30,80\n90,canary,10,3,8\n60,canary,10,3,8\n",
        "row 6, column time: 60 comes after 90: sort by time",
    ),
    "no stable row": (HEADER + GOOD + "90,canary,10,3,8\n", "row 4, column arm: no row of the stable version at 90"),
    "no stable row at first": (HEADER + "90,canary,10,3,8\n", "row 2, column arm: no row of the stable version at 90"),
    "no canary row": (HEADER + GOOD + "90,stable,100,30,80\n", "row 4, column arm: no row of the canary version at 90"),
    "row twice": (HEADER + GOOD + "60,canary,10,3,8\n", "row 4, column time: row 3 has the same time, arm and labels"),
    "no time": (HEADER + ",stable,100,30,80\n", "row 2, column time: empty"),
    "words for a time": (HEADER + "noon,stable,100,30,80\n", "row 2, column time: 'noon' is neither ISO 8601"),
    "milliseconds": (HEADER + "1790000000000,stable,1,0,0\n", "row 2, column time: 1790000000000 is no time in epoch"),
    "two notations": (
        HEADER + GOOD + "2026-11-01T00:00:00Z,stable,100,30,80\n",
        "row 4, column time: '2026-11-01T00:00:00Z' is ISO 8601 with a time zone, the times before are epoch seconds",
    ),
    "two steps in a look": (
        STEPS + "60,stable,100,30,80,5\n60,canary,10,3,8,25\n",
        "row 3, column step: '25', but row 2 of the same time has '5'",
    ),
    "no step": (STEPS + "60,stable,100,30,80,\n60,canary,10,3,8,\n", "row 2, column step: empty"),
    "more nonfinite than labels": (NONFINITE + "60,stable,1,0,0,2\n", "row 2, column nonfinite: 2 of 1 labels"),
    "negative nonfinite": (NONFINITE + "60,stable,1,0,0,-1\n", "row 2, column nonfinite: -1 is negative"),
    "NaN sum of the stable version": (
        NONFINITE + "60,stable,10,nan,nan,1\n",
        "row 2, column sum: nan is not a finite number",
    ),
    "NaN sum without nonfinite": (
        NONFINITE + "60,stable,100,30,80,0\n60,canary,10,nan,8,0\n",
        "row 3, column sum: nan is not a finite number",
    ),
    "NaN squares of a finite sum": (
        NONFINITE + "60,stable,100,30,80,0\n60,canary,10,3,nan,1\n",
        "row 3, column sumsq: nan is not a finite number",
    ),
    "nine ages": (
        AGES + "".join(f"60,stable,100,30,80,{age}\n" for age in range(9)),
        "row 10, column label_age: '8' is the 9th label age: use at most 8",
    ),
    "losses that do not vary": (HEADER + "60,stable,100,30,9\n60,canary,10,3,8\n", "no baseline: the stable version's"),
    "JSON: torn line": ('{"time": 60,', "row 1: not JSON"),
    "JSON: no object": ('{"time": 60, "arm": "stable", "n": 1, "sum": 0}\n[1]\n', "row 2: every line must be one JSON"),
    "JSON: missing name": ('{"time": 60, "arm": "stable", "n": 1}\n', "row 1, column sum: it is missing"),
    "JSON: other names": (
        '{"time": 60, "arm": "stable", "n": 1, "sum": 0}\n{"time": 60, "arm": "canary", "n": 1, "sum": 0, "pod": 1}\n',
        "row 2, column pod: row 1 does not have it",
    ),
    "JSON: null": ('{"time": 60, "arm": "stable", "n": null, "sum": 0}\n', "row 1, column n: empty"),
    "JSON: true": ('{"time": 60, "arm": "stable", "n": true, "sum": 0}\n', "row 1, column n: true is neither"),
    "JSON: NaN": ('{"time": 60, "arm": "stable", "n": 1, "sum": NaN}\n', "row 1, column sum: nan is not a finite"),
}


@pytest.mark.parametrize(("content", "message"), CASES.values(), ids=CASES.keys())
def test_bad_data_are_named(tmp_path: Path, content: str, message: str) -> None:
    answer = replay(tmp_path, content)
    assert message in answer.errors
    assert answer.errors.splitlines()[-1].startswith("Error: ")
    assert answer.status == 64


def test_plan_refuses_the_same_data(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(HEADER + "60,stable,100,30,8.9\n")
    answer = run("plan", str(tmp_path / "history.csv"))
    assert (answer.status, answer.output) == (64, "")
    assert "row 2, column sumsq" in answer.errors


def test_bad_row_after_good_ones_gives_no_outcome(tmp_path: Path) -> None:
    answer = replay(tmp_path, HEADER + GOOD + "90,stable,100,30,80\n90,canary,nan,3,8\n", "--json")
    assert answer.status == 64
    assert "final" not in answer.output


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "evidence.csv").write_bytes((HEADER + GOOD).encode("utf-16"))
    answer = run("replay", str(tmp_path / "evidence.csv"))
    assert answer.status == 64
    assert "the file is not UTF-8 text" in answer.errors


def test_rounding_is_not_taken_for_an_error(tmp_path: Path) -> None:
    equal = f"{30 * 30 / 100 * (1 - 1e-10):.15g}"
    rows = HEADER + f"60,stable,100,30,{equal}\n60,canary,10,3,8\n"
    assert replay(tmp_path, rows, *BASELINE).status == 2


def test_losses_above_the_clip_are_noted_where_only_the_squares_tell(tmp_path: Path) -> None:
    answer = replay(tmp_path, HEADER + "60,stable,100,3,80\n60,canary,10,3,8\n", *BASELINE)
    assert answer.status == 2
    assert "row 2, column sumsq: some loss must be above the clip" in answer.errors
    assert "clip" not in replay(tmp_path, HEADER + GOOD, *BASELINE).errors


def test_blank_lines_and_fractions_of_labels_are_no_error(tmp_path: Path) -> None:
    assert replay(tmp_path, HEADER + "60,stable,99.5,30,80\n\n60,canary,10,3,8\n\n", *BASELINE).status == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Usage: lossgate"),
        (["repaly"], "No such command 'repaly'"),
        (["--verbose"], "No such option"),
        (["replay"], "Missing argument 'FILE'"),
        (["replay", "missing.csv"], "File 'missing.csv' does not exist"),
        (["replay", "FILE", "--frobnicate"], "No such option"),
        (["replay", "FILE", "--margin", "5"], "write a number followed by %"),
        (["replay", "FILE", "--margin", "0%"], "0% is not above 0"),
        (["replay", "FILE", "--absolute-margin", "5%"], "is not a number in loss units"),
        (["replay", "FILE", "--margin", "5%", "--absolute-margin", "0.01"], "not both"),
        (["replay", "FILE", "--step-margin", "0.2"], "it must be a percentage"),
        (["replay", "FILE", "--absolute-margin", "0.01", "--step-margin", "20%"], "it must be in loss units"),
        (["replay", "FILE", "--baseline-mean", "0.3"], "--baseline-mean and --baseline-variance together"),
        (["replay", "FILE", "--baseline-mean", "nan", "--baseline-variance", "1"], "nan is not a finite number"),
        (["replay", "FILE", "--risk-rollback", "0.6"], "is not in the range"),
        (["replay", "FILE", "--risk-promotion", "nan"], "nan is not a finite number"),
        (["replay", "FILE", "--clip", "inf"], "inf is not a finite number"),
        (["replay", "FILE", "--steps", "0"], "is not in the range"),
        (["replay", "FILE", "--class-margin", "10%"], "--class-margin without --class"),
        (["replay", "FILE", "--class", "a", "--class", "a"], "list 1 to 16 different names"),
        (["replay", "FILE", "--class", "a", "--absolute-margin", "0.01"], "needs a --class-margin in loss units"),
        (["replay", "FILE", "--class", "a"], "column class: missing, but --class a asks for it"),
        (["replay", "FILE", "--plot", "out.pdf"], "ends neither in .svg nor in .png"),
        (["replay", "FILE", "--plot", "missing/out.svg"], "missing/out.svg: there is no folder missing"),
        (["plan"], "--labels-per-second are all needed"),
        (["plan", "FILE"], "0 looks before the canary's first row"),
        (["plan", "FILE", "--weight", "50", "--weight", "5"], "a larger weight than the one before"),
        (["plan", "FILE", "--max-duration", "1 day"], "is not a duration"),
    ],
)
def test_wrong_use_exits_with_64_and_says_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert replay(tmp_path, looks([1, 2]), *BASELINE).status == 2
    answer = run(*(str(tmp_path / "evidence") if word == "FILE" else word for word in arguments))
    assert message in answer.errors
    assert answer.status == 64
