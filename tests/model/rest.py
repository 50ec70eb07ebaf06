"""Where a state ends if nothing more breaks, and whether that is what the stored spec and verdict ask for."""

from __future__ import annotations

from lossgate.api.reasons import Phase
from lossgate.rollout.history import was_rolled_back
from tests.model.moves import Move, Moves
from tests.model.state import Left, State

MOST_MOVES = 400


class Rests:
    """The rest of every state, when looks show the same from now on."""

    def __init__(self, moves: Moves, shown: str) -> None:
        self._moves = moves
        self._shown = shown
        self._known: dict[State, str | None] = {}

    def wrong(self, state: State) -> str | None:
        """Return what is wrong with the rest that a state comes to, or None."""
        way: list[State] = []
        here = _undisturbed(state)
        while here not in self._known:
            way.append(here)
            move = self.next(here)
            if move is None:
                self._known[here] = self._not_as_asked(here)
                break
            here = _undisturbed(move.state)
            if here in way or len(way) > MOST_MOVES:
                self._known[here] = f"never comes to rest: {move.words}, over and over"
                break
        found = self._known[here]
        self._known.update(dict.fromkeys(way, found))
        return found

    def next(self, state: State) -> Move | None:
        """Return the next move of a world in which everything works, or None at rest."""
        quiet = state._replace(left=Left())
        moves, machine = self._moves, self._moves.machine
        if quiet.pending is not None:
            return moves.write(quiet)
        for move, _ in moves._surroundings(quiet):
            return move
        turn = moves.turn(quiet, self._shown)
        for move in ([turn] if turn else []) + list(moves.later(quiet)):
            move = move._replace(state=machine.normal(move.state))
            if move.state != quiet:
                return move
        return None

    def _not_as_asked(self, state: State) -> str | None:
        machine, status, ask = self._moves.machine, self._moves.machine.statuses[state.status], state.ask
        target = machine.revision(ask.version)
        assert status.stable is not None
        serves = machine.versions[status.stable.revision]
        weight = status.canary.weight if status.canary else 0
        pods = {pods.version: (pods.asked, pods.ready) for pods in state.children.pods}
        services, route = state.children.services, state.children.route
        is_as_asked = {
            Phase.HEALTHY: status.stable.revision == target and status.canary is None,
            Phase.ROLLED_BACK: was_rolled_back(status, target) and status.stable.revision != target and weight == 0,
            Phase.PAUSED: ask.paused or status.paused_by is not None,
        }
        if not is_as_asked.get(status.phase, False):
            return f"rests {status.phase} with {serves} stable, while the spec asks for {ask.version}"
        if status.scale_down_at is not None:
            return "rests before the old version is scaled down"
        if route is None or not route.accepted or (route.weight, route.in_force) != (weight, weight):
            return f"rests with route {route}, while the status says {weight}%"
        if pods.get(serves) != (machine.replicas, machine.replicas):
            return f"rests with pods {pods}, while {serves} serves"
        others = {version for version, (asked, _) in pods.items() if asked and version != serves}
        if others and status.phase is not Phase.PAUSED:
            return f"rests with pods of {others}, which nobody needs"
        led_to = [service and service.selected for service in services]
        if led_to != [serves, serves] and status.phase is not Phase.PAUSED:
            return f"rests with Services that select {led_to}, while {serves} serves"
        return None


def _undisturbed(state: State) -> State:
    return state._replace(left=Left(), frozen=None, lag=None, lost=frozenset(), pending=state.pending)
