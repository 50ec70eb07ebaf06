"""The picture is drawn from a recording alone and is the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.demo.picture import draw
from e2e.demo.recording import Recording, Take
from e2e.demo.sample import Sample


def samples(end: str, looks: int) -> list[Sample]:
    """Two traffic steps with half the time without numbers, and a decision."""
    seen = []
    for second in range(2 * looks):
        step, look = divmod(second, looks)
        known = look >= 5
        bound = 2.0 / (look + 1)
        phase = end if second == 2 * looks - 1 else "Progressing"
        seen.append(
            Sample(
                time=1000.0 + second,
                phase=phase,
                step=step,
                canary_weight_percent=(0 if second < 3 else 20 + 30 * step),
                looks=look,
                stable_labels=200 * look,
                canary_labels=50 * look,
                stable_loss=0.4 if known else None,
                canary_loss=0.5 if known else None,
                delta=0.25 if known else None,
                lower=0.25 - bound if known else None,
                upper=0.25 + bound if known else None,
            )
        )
    return seen


def a_recording(*versions: str) -> Recording:
    takes = {
        "v2": Take("v2", "v1", "Promoted", samples("Promoting", 90)),
        "v3": Take("v3", "v2", "RolledBack", samples("RollingBack", 50)),
    }
    return Recording(0.05, [0.2, 0.05], [takes[version] for version in versions])


def test_recording_reads_back_as_it_was(tmp_path: Path) -> None:
    recording = a_recording("v2", "v3")
    recording.write(tmp_path / "build" / "demo.json")
    assert Recording.read(tmp_path / "build" / "demo.json") == recording


def test_picture_depends_on_nothing_but_the_recording(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw(a_recording("v2", "v3"), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.svg").stat().st_size > 10_000


def test_demo_that_did_not_reach_its_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rollout of v3: run the demo to its end"):
        draw(a_recording("v2"), tmp_path / "a.svg")
