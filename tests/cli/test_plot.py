"""The picture of a replay."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lossgate.cli import plot
from tests.cli.recordings import BASELINE, golden, looks, replay

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: Path) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.parse(picture).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("x", "verdict"), [(57, "NonInferior: a rise above 5.0%"), (66, "Harm: worse than"), (63, "Inconclusive")]
)
def test_picture_has_verdict_margin_and_both_versions(tmp_path: Path, x: float, verdict: str) -> None:
    picture = tmp_path / "out.svg"
    answer = replay(tmp_path, golden(x), *BASELINE, "--plot", str(picture))
    shown = texts(picture)
    assert any(text.startswith(verdict) for text in shown)
    assert {"margin 5.0%", "stable", "canary", "time (UTC)"} <= set(shown)
    assert f"{verdict.split(':')[0]}: " in answer.output


def test_picture_shows_every_step_and_its_margin(tmp_path: Path) -> None:
    picture = tmp_path / "out.svg"
    rows = looks(range(100), canary=0.27, step="5") + looks(range(100, 200), canary=0.27, step="25")
    options = ("--step-margin", "20%", "--steps", "2", "--plot", str(picture))
    assert replay(tmp_path, rows, *BASELINE, *options).status == 0
    assert {"step 5", "step 25", "margin 20.0%", "margin 5.0%"} <= set(texts(picture))


def test_same_replay_draws_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        replay(tmp_path, golden(63, 50), *BASELINE, "--plot", str(tmp_path / name))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_png_is_a_png_and_json_stays_json(tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    answer = replay(tmp_path, golden(66), *BASELINE, "--json", "--plot", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert answer.final["verdict"] == "Harm"


def test_looks_without_numbers_leave_gaps(tmp_path: Path) -> None:
    picture = tmp_path / "out.svg"
    rows = looks(range(3), labels=(3800, 0)) + looks(range(3, 5))
    assert replay(tmp_path, rows, *BASELINE, "--plot", str(picture)).status == 2
    assert picture.exists()


def test_picture_of_no_evidence_at_all_is_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "out.svg"
    answer = replay(tmp_path, looks(range(12), labels=(3800, 0)), *BASELINE, "--plot", str(picture))
    assert answer.status == 2
    assert any(text.startswith("Hold") for text in texts(picture))


def test_long_recording_is_thinned_out_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "POINTS", 10)
    for count in (81, 90):
        assert replay(tmp_path, golden(57, count), *BASELINE, "--plot", str(tmp_path / f"{count}.svg")).status == 0
    # One of 16 is drawn, the 81st for both; what differs is the last.
    assert (tmp_path / "81.svg").read_bytes() != (tmp_path / "90.svg").read_bytes()
    assert (tmp_path / "90.svg").stat().st_size < 30_000


def test_missing_library_is_named_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = replay(tmp_path, golden(66), *BASELINE, "--plot", str(tmp_path / "out.svg"))
    assert (answer.status, answer.output) == (64, "")
    assert "pip install 'lossgate[plot]'" in answer.errors


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out.svg").mkdir()
    answer = replay(tmp_path, golden(66), *BASELINE, "--plot", str(tmp_path / "out.svg"))
    assert answer.status == 64
    assert "out.svg" in answer.errors
