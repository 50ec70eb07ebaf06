"""Only a verdict exits like one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lossgate.cli.exits import Program, Question, Status
from lossgate.cli.thinning import Thinned
from lossgate.stats import Verdict
from tests.cli.recordings import BASELINE, as_csv, golden


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.NON_INFERIOR, 0),
        (Verdict.HARM, 1),
        (Verdict.HOLD, 2),
        (Verdict.INCONCLUSIVE, 2),
    ],
)
def test_status_of_each_verdict(verdict: Verdict, status: int) -> None:
    assert Status.of(verdict) == status


@pytest.mark.parametrize(
    ("failure", "status"), [(ZeroDivisionError("defect"), 70), (KeyboardInterrupt(), 130), (click.UsageError("no"), 64)]
)
def test_failures_are_no_verdicts(failure: BaseException, status: int) -> None:
    @click.group(cls=Program)
    def program() -> None: ...

    @program.command(cls=Question)
    def ask() -> None:
        raise failure

    result = CliRunner().invoke(program, ["ask"])
    assert result.exit_code == status
    assert ("ZeroDivisionError: defect" in result.stderr) is (status == 70)


def test_reader_that_leaves_early_gets_no_verdict(tmp_path: Path) -> None:
    file = tmp_path / "evidence.csv"
    file.write_text(as_csv(golden(57)))
    reading, writing = os.pipe()
    os.close(reading)
    program = "from lossgate.cli.main import main; main()"
    command = [sys.executable, "-c", program, "replay", str(file), *BASELINE, "--json"]
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9, 1000])
def test_thinning_keeps_evenly_spaced_ones_from_the_first_on(count: int) -> None:
    thinned: Thinned[int] = Thinned(4)
    for index in range(count):
        thinned.add(index)
    assert thinned.items == list(range(0, count, thinned.every))
    assert len(thinned.items) <= 4
    assert len(thinned.items) >= min(count, 2)
