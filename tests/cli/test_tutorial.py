"""The documents do what they say: every command of `lossgate` is run, every output compared."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.cli.recordings import replay
from tests.cli.tutorial import Block, blocks, run, save
from tests.measure.prometheus_server import PrometheusServer, prometheus_program
from tests.measure.remote_write import Sample

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "replay.md"


def without_trailing_blanks(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_every_command_prints_what_the_documents_show(tmp_path: Path) -> None:
    """The page on the statistics goes on with the files of the tutorial; its last command needs the repository."""
    printed, compared = "", 0
    for block in blocks(TUTORIAL) + blocks(DOCS / "statistics.md"):
        if block.language == "python":
            save(block, tmp_path)
        elif block.language == "sh" and re.search(r"lossgate (replay|plan)|make_example", block.text):
            printed = run(block, tmp_path)
        elif block.language == "text" and printed:
            assert without_trailing_blanks(printed) == without_trailing_blanks(block.text)
            printed, compared = "", compared + 1
    assert compared == 9


@pytest.mark.prometheus
def test_export_writes_what_the_counters_rose_by(tmp_path: Path) -> None:
    """The canary is born later, restarts once, and the stable version was there long before."""
    # Prometheus takes only samples that are recent by its own clock.
    start = time.time() // 30 * 30 - 600
    ends = [start + 30 * k for k in range(8)]

    def counters(revision: str, values: dict[float, float]) -> list[tuple[dict[str, str], list[Sample]]]:
        labels = {"namespace": "ml", "revision": revision}
        factors = {"model_loss_count": 1.0, "model_loss_sum": 0.5, "model_loss_squared_sum_total": 0.75}
        return [
            ({"__name__": name, **labels}, [(end, value * factor) for end, value in values.items()])
            for name, factor in factors.items()
        ]

    stable = {start + 30 * k: 100.0 * (k + 200) for k in range(-121, 8)}
    canary = dict(zip(ends[3:], (10.0, 25.0, 5.0, 9.0, 9.0), strict=True))
    server = PrometheusServer(prometheus_program(), tmp_path)
    try:
        server.write(counters("digits-1", stable) + counters("digits-2", canary))
        script = next(save(b, tmp_path) for b in blocks(TUTORIAL) if b.text.startswith("# export.py"))
        arguments = f"{server.url} ml digits-1 digits-2 {ends[0]:.0f} {ends[-1]:.0f}"
        exported = run(Block("sh", f"python3 {script} {arguments}"), tmp_path)
    finally:
        server.stop()
    rows = [line.split(",") for line in exported.splitlines()[1:]]
    assert [(int(r[0]), float(r[2]), float(r[3]), float(r[4])) for r in rows if r[1] == "stable"] == [
        (end, 100, 50, 75) for end in ends
    ]
    assert [(int(r[0]), float(r[2])) for r in rows if r[1] == "canary"] == list(
        zip(ends[3:], (10, 15, 5, 4, 0), strict=True)
    )
    answer = replay(tmp_path, exported, "--baseline-mean", "0.5", "--baseline-variance", "0.5", "--json")
    assert (answer.status, answer.final["looks"], answer.final["n_canary"]) == (2, 4, 34)
