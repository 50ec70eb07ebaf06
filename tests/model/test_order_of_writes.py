"""Every interleaving of a small world with the real decisions: what must hold, holds in each state and at each write.

Each exploration dies after every write, sees every order of pods, endpoints, gateway, looks and time, and asks in every
state where it ends when nothing more breaks. What may go wrong besides is named; the larger ones are for `make soak`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.model import seeds
from tests.model.explore import explore
from tests.model.machine import Guard, Machine
from tests.model.moves import Moves, Rules
from tests.model.state import Left, State

Seed = Callable[[Moves, Left], State]


@pytest.fixture(scope="module")
def machine() -> Machine:
    """Decisions that several explorations share."""
    return Machine()


DISTURBED: dict[str, tuple[Seed, Left]] = {
    "the first version": (seeds.new, Left(lags=1)),
    "a death after any write, by a process that is late in seeing it": (seeds.started, Left(lags=1)),
    "a leader that is frozen and wakes": (seeds.started, Left(freezes=1)),
    "pods that are lost in the middle of a promotion": (seeds.handed_over, Left(losses=1)),
}


@pytest.mark.parametrize("disturbance", DISTURBED)
def test_order_of_writes_holds(disturbance: str, machine: Machine) -> None:
    seed, left = DISTURBED[disturbance]
    moves = Moves(machine)
    explored = explore(moves, seed(moves, left))
    print(explored)
    assert explored.wrong is None, explored.trace


def test_late_write_of_a_frozen_leader_goes_against_the_status_where_children_have_no_preconditions() -> None:
    moves = Moves(Machine(guard=Guard.NOTHING))
    explored = explore(moves, seeds.started(moves, Left(freezes=1)), rests=())
    print(explored)
    assert explored.wrong is not None
    assert "the frozen process wakes and writes" in explored.trace


def test_precondition_alone_lets_a_late_share_through_where_the_new_leader_had_nothing_to_write() -> None:
    """Decided: 50 %. Frozen. Aborted: 0 %, as the route still is. Nobody has written the route since it was seen."""
    moves = Moves(Machine(), Rules(takeover_touches_children=False))
    explored = explore(moves, seeds.started(moves, Left(freezes=1, actions=("abort",), edits=1)), rests=())
    print(explored)
    assert explored.wrong is not None
    assert "unasked: the stored status says" in explored.wrong


def test_new_leader_that_is_late_in_seeing_the_last_ones_weights_takes_pods_from_under_requests() -> None:
    """It sees weight 0 where 50 was written last: nothing to take back, so the rollback ends and the pods go."""
    moves = Moves(Machine(), Rules(takeover_touches_children=False))
    explored = explore(moves, seeds.started(moves, Left(lags=1, actions=("abort",), edits=1)), rests=())
    print(explored)
    assert explored.wrong == "v2 loses pods while the route sends 50% of the requests there"
