"""The larger explorations, of several disturbances together: minutes, not seconds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model import seeds
from tests.model.explore import explore
from tests.model.machine import Machine
from tests.model.moves import Moves
from tests.model.state import Left
from tests.model.test_order_of_writes import Seed

pytestmark = pytest.mark.soak

_MINDS = ("v1", "v3")
_ORDERS = ("abort", "promote", "retry", "skip")

LARGER: dict[str, tuple[Seed, Left, dict[str, Any]]] = {
    "two steps": (seeds.started, Left(lags=1, freezes=1), {"steps": (20, 50)}),
    "two pods": (seeds.started, Left(lags=1, losses=1), {"replicas": 2}),
    "pods lost twice, and a deadline": (seeds.started, Left(losses=2, deadlines=1), {}),
    "pods lost": (seeds.started, Left(losses=1), {}),
    "frozen while pods are lost": (seeds.judged, Left(losses=1, freezes=1), {}),
    "a changed mind": (seeds.judged, Left(actions=("v3",), edits=1), {}),
    "an abort": (seeds.judged, Left(actions=("abort",), edits=1), {}),
    "minds changed twice": (seeds.started, Left(actions=(*_MINDS, "v2"), edits=2), {}),
    "minds changed, seen late": (seeds.started, Left(actions=_MINDS, edits=1, lags=1), {}),
    "minds changed, and no Deployment kept": (seeds.judged, Left(actions=_MINDS, edits=1), {"history_limit": 0}),
    "commands": (seeds.started, Left(actions=_ORDERS, edits=1, losses=1), {}),
    "commands, seen late": (seeds.judged, Left(actions=_ORDERS, edits=1, lags=1), {}),
    "pauses": (seeds.judged, Left(actions=("pause", "unpause"), edits=2, losses=1), {}),
    "back after a promotion": (seeds.promoted, Left(actions=("rollback", "v1"), edits=1, lags=1, losses=1), {}),
}


@pytest.mark.parametrize("disturbance", LARGER)
def test_order_of_writes_holds(disturbance: str) -> None:
    seed, left, shape = LARGER[disturbance]
    moves = Moves(Machine(**shape))
    explored = explore(moves, seed(moves, left))
    print(f"{disturbance}: {explored}")
    assert explored.wrong is None, explored.trace
