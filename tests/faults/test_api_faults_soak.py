"""The whole table of faults and writes, each in a promotion and in a rollback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.apiserver import ApiServer
from tests.faults.crowd import KINDS, Cell, Crowd, table
from tests.faults.stage import Stage

pytestmark = [pytest.mark.apiserver, pytest.mark.soak]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_rollouts_end_as_if_undisturbed(stage_server: ApiServer, tmp_path: Path, kind: str, mirrored: bool) -> None:
    cells: list[Cell] = [
        replace(cell, harmful=cell.harmful != mirrored, broken=set()) for cell in table() if cell.kind == kind
    ]
    with Stage(stage_server, tmp_path) as stage:
        stage.operator.start()
        crowd = Crowd(stage, cells)
        crowd.play(within_seconds=300)
        for cell in cells:
            crowd.check(cell)
