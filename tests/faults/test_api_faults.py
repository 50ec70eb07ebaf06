"""Every fault of the API server at every kind of write: the rollout ends as if there had been none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apiserver import ApiServer
from tests.faults.crowd import FAULTS, Cell, Crowd, table
from tests.faults.stage import Stage

pytestmark = pytest.mark.apiserver

CELLS = [cell for number, cell in enumerate(table()) if sum(divmod(number, len(FAULTS))) % 4 == 0]
"""Every fault once, three or more of them at each kind of write; the whole table is in the soak tests."""


@pytest.fixture(scope="module")
def crowd(stage_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with Stage(stage_server, tmp_path_factory.mktemp("crowd")) as stage:
        stage.operator.start()
        crowd = Crowd(stage, CELLS)
        crowd.play(within_seconds=240)
        yield crowd


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_rollout_ends_as_if_undisturbed(crowd: Crowd, cell: Cell) -> None:
    crowd.check(cell)
