"""With a column `step`, every step is judged afresh and decides whether the next one is judged at all."""

from __future__ import annotations

from pathlib import Path

from tests.cli.recordings import BASELINE, Row, golden, looks, replay, time_of

ONE_STEP = 100


def a_step(index: int, x: float, name: str, count: int = ONE_STEP) -> list[Row]:
    """A golden stream as the `index`-th step."""
    shift = time_of(index * ONE_STEP) - time_of(0)
    return [{**row, "time": row["time"] + shift, "step": name} for row in golden(x, count)]


def test_every_step_is_judged_afresh(tmp_path: Path) -> None:
    answer = replay(tmp_path, a_step(0, 57, "5") + a_step(1, 57, "25"), *BASELINE, "--steps", "2", "--json")
    assert (answer.status, answer.errors) == (0, "")
    assert answer.verdicts == (["Continue"] * 79 + ["NonInferior"] * 21) * 2
    assert [line["n_canary"] for line in answer.lines[99:101]] == [20_000, 200]
    assert [line["step"] for line in answer.lines[99:101]] == ["5", "25"]
    assert answer.final["steps"] == [
        {"step": "5", "verdict": "NonInferior", "looks": 100, "decided": time_of(80)},
        {"step": "25", "verdict": "NonInferior", "looks": 100, "decided": time_of(180)},
    ]


def test_harm_of_a_later_step_is_not_hidden_by_an_earlier_one(tmp_path: Path) -> None:
    rows = a_step(0, 57, "5") + a_step(1, 120, "25")
    answer = replay(tmp_path, rows, *BASELINE, "--steps", "2", "--json")
    assert (answer.status, answer.final["verdict"], answer.final["step"]) == (1, "Harm", "25")
    assert answer.verdicts[-1] == "Harm"
    assert answer.final["steps"][0]["verdict"] == "NonInferior"


def test_step_that_shows_nothing_ends_the_replay(tmp_path: Path) -> None:
    rows = a_step(0, 63, "5") + a_step(1, 57, "25")
    answer = replay(tmp_path, rows, *BASELINE, "--steps", "2", "--json")
    assert (answer.status, answer.final["verdict"], answer.final["step"]) == (2, "Inconclusive", "5")
    assert len(answer.lines) == ONE_STEP
    assert f"step 5 ended with Continue: nothing is read from row {2 * ONE_STEP + 2} on" in answer.errors


def test_harm_ends_the_replay_with_its_step(tmp_path: Path) -> None:
    rows = a_step(0, 120, "5") + a_step(1, 57, "25")
    answer = replay(tmp_path, rows, *BASELINE, "--steps", "2", "--json")
    assert (answer.status, answer.final["verdict"]) == (1, "Harm")
    assert len(answer.lines) == ONE_STEP


def test_last_of_several_steps_is_judged_at_the_margin_itself(tmp_path: Path) -> None:
    rows = a_step(0, 63, "5") + a_step(1, 63, "25")
    options = (*BASELINE, "--step-margin", "20%", "--json")
    both = replay(tmp_path, rows, *options, "--steps", "2")
    assert [end["verdict"] for end in both.final["steps"]] == ["NonInferior", "Continue"]
    assert (both.status, both.final["step_margin"]) == (2, 0.05)
    longer = replay(tmp_path, rows, *options, "--steps", "3")
    assert longer.final["step_margin"] == 0.2


def test_steps_that_are_not_in_the_file_were_not_passed(tmp_path: Path) -> None:
    rows = a_step(0, 57, "5") + a_step(1, 57, "25")
    answer = replay(tmp_path, rows, *BASELINE, "--steps", "3", "--json")
    assert [end["verdict"] for end in answer.final["steps"]] == ["NonInferior", "NonInferior"]
    assert (answer.status, answer.final["verdict"]) == (2, "Inconclusive")
    assert answer.errors.count("the file ends after step 25, 2 of 3") == 1


def test_more_steps_than_the_risk_is_split_over_are_noted(tmp_path: Path) -> None:
    rows = a_step(0, 57, "5") + a_step(1, 57, "25") + a_step(2, 57, "50")
    answer = replay(tmp_path, rows, *BASELINE, "--json")
    assert answer.status == 0
    assert answer.errors.count("the file has more steps than --steps 1") == 1


def test_history_has_no_step(tmp_path: Path) -> None:
    history = looks(range(-20, 0), canary=None, step="")
    answer = replay(tmp_path, history + a_step(0, 57, "5"), "--json")
    assert answer.status == 0
    assert answer.final["baseline"]["source"] == "history"


def test_table_names_the_steps(tmp_path: Path) -> None:
    rows = a_step(0, 57, "5") + a_step(1, 57, "[bold]25")
    answer = replay(tmp_path, rows, *BASELINE, "--steps", "2")
    first = [line.split()[2] for line in answer.output.splitlines() if line.split()[:1] == ["1"] and "[" in line]
    assert first[:2] == ["5", "[bold]25"]
