"""Breadth-first through every state that can be reached; the first thing wrong is told as the shortest way there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tests.model import invariants, oracle
from tests.model.machine import Machine
from tests.model.moves import Move, Moves
from tests.model.rest import Rests
from tests.model.state import Service, State


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exploration found."""

    states: int
    transitions: int
    decisions: int
    seconds: float
    wrong: str | None = None
    trace: str = ""

    def __str__(self) -> str:
        size = f"{self.states} states, {self.transitions} transitions, {self.decisions} decisions, {self.seconds:.1f} s"
        return f"{size}\n{self.trace}" if self.wrong else size


def explore(
    moves: Moves, start: State, *, rests: Iterable[str] = (oracle.SAFE, oracle.HARM), most: int = 0
) -> Explored:
    """Explore all that can be reached from a state, and where each state ends when nothing more breaks.

    Ends at the first thing that is wrong, or after `most` states if that is not 0.
    """
    began = time.process_time()
    start = moves.machine.normal(start)
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    ends = {shown: Rests(moves, shown) for shown in rests}
    queue, transitions = deque([start]), 0

    def found(wrong: str | None = None, trace: str = "") -> Explored:
        decisions = moves.machine.decisions
        return Explored(len(came_from), transitions, decisions, time.process_time() - began, wrong, trace)

    while queue:
        state = queue.popleft()
        for shown, end in ends.items():
            wrong = end.wrong(state)
            if wrong is not None:
                wrong = f"{wrong} (from here on, nothing breaks and every look shows {shown})"
                return found(wrong, _trace(moves, came_from, state, None, wrong))
        for move in moves.of(state):
            transitions += 1
            wrong = move.wrong or invariants.of_state(moves.machine, move.state)
            if wrong is not None:
                return found(wrong, _trace(moves, came_from, state, move, wrong))
            if move.state not in came_from:
                came_from[move.state] = (state, move.words)
                queue.append(move.state)
                if len(came_from) == most:
                    return found()
    return found()


def _trace(
    moves: Moves, came_from: dict[State, tuple[State, str] | None], state: State, last: Move | None, wrong: str
) -> str:
    steps: list[tuple[str, State]] = []
    here: State = state
    while (origin := came_from[here]) is not None:
        steps.append((origin[1], here))
        here = origin[0]
    steps = [("at first", here), *reversed(steps)]
    if last is not None:
        steps.append((last.words, last.state))
    lines = [f"WRONG: {wrong}", "The shortest way there:"]
    before = ""
    for number, (words, then) in enumerate(steps):
        seen = picture(moves.machine, then)
        lines.append(f"{number:3}. {words}")
        if seen != before:
            lines.append(f"       {seen}")
        before = seen
    return "\n".join(lines)


def picture(machine: Machine, state: State) -> str:
    """Return a state in one line."""
    status, children = machine.statuses[state.status], state.children
    weight = f" {status.canary.weight}%" if status.canary else ""
    pods = " ".join(f"{pods.version}:{pods.ready}/{pods.asked}" for pods in children.pods)
    services = " ".join(
        f"{name}->{service.selected if service else '-'}" + ("" if service is None or _is_listed(service) else "(?)")
        for name, service in zip(("stable", "canary"), children.services, strict=True)
    )
    route = "no route"
    if children.route is not None:
        route = f"route {children.route.weight}%"
        if not children.route.accepted:
            route += f" (gateway: {children.route.in_force}%)"
    asked = f"spec {state.ask.version}{' paused' if state.ask.paused else ''}"
    return f"{asked} | status {status.phase}{weight} | {route} | {services} | pods {pods}"


def _is_listed(service: Service) -> bool:
    return service.listed == service.selected
