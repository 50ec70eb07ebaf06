"""Where explorations start."""

from __future__ import annotations

from collections.abc import Callable

from lossgate.api.status import RolloutStatus
from tests.model import oracle
from tests.model.moves import Moves
from tests.model.rest import Rests
from tests.model.state import NOTHING_LEFT, STABLE, Ask, Children, Left, State


def new(moves: Moves, left: Left = NOTHING_LEFT) -> State:
    """A ModelRollout that was just created."""
    return State(Ask("v1"), moves.machine.statuses.number(RolloutStatus()), Children(), left)


def healthy(moves: Moves, left: Left = NOTHING_LEFT) -> State:
    """The first version serves, and nothing happens."""
    return _on_the_way(moves, new(moves), lambda state: False)._replace(left=left)


def started(moves: Moves, left: Left = NOTHING_LEFT) -> State:
    """The spec just asked for v2."""
    return asked(healthy(moves, left), "v2")


def judged(moves: Moves, left: Left = NOTHING_LEFT) -> State:
    """v2 has its share in the first step, and the first look is awaited."""

    def has_share(state: State) -> bool:
        step = moves.machine.statuses[state.status].step
        return step is not None and step.since is not None

    return _on_the_way(moves, started(moves), has_share)._replace(left=left)


def handed_over(moves: Moves, left: Left = NOTHING_LEFT) -> State:
    """All requests are on v2, and the stable Service just turned to it."""

    def is_turned(state: State) -> bool:
        service = state.children.services[STABLE]
        return service is not None and service.selected == "v2"

    return _on_the_way(moves, started(moves), is_turned, oracle.SAFE)._replace(left=left)


def promoted(moves: Moves, left: Left = NOTHING_LEFT) -> State:
    """v2 was promoted just now, and v1 still has its pods."""

    def has_previous(state: State) -> bool:
        return moves.machine.statuses[state.status].previous is not None and state.pending is None

    return _on_the_way(moves, started(moves), has_previous, oracle.SAFE)._replace(left=left)


def asked(state: State, version: str) -> State:
    """Return the state after an edit of the spec."""
    return state._replace(ask=state.ask._replace(version=version, generation=state.ask.generation + 1))


def _on_the_way(moves: Moves, state: State, until: Callable[[State], bool], shown: str = oracle.NOTHING) -> State:
    rests = Rests(moves, shown)
    for _ in range(1000):
        move = None if until(state) else rests.next(state)
        if move is None:
            return state
        state = move.state
    raise AssertionError("never comes there")
