"""The explorer itself: it finds every defect that is put into the order of writes, and says how it comes about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from tests.model import mutants, oracle, seeds
from tests.model.explore import Explored, explore
from tests.model.machine import Machine
from tests.model.moves import IN_ORDER, Moves, Rules
from tests.model.state import NOTHING_LEFT, Left, State

Seed = Callable[[Moves, Left], State]


def found(
    mutant: Any,
    seed: Seed,
    left: Left = NOTHING_LEFT,
    *,
    rules: Rules = IN_ORDER,
    ends: bool = False,
    **shape: Any,
) -> Explored:
    """Return the first thing that is wrong where a defect is put in after the seed was reached."""
    start = Moves(Machine(**shape), rules)
    state = seed(start, left)
    moves = Moves(Machine(statuses=start.machine.statuses, **shape), rules)
    with mutant:
        explored = explore(moves, state, rests=(oracle.SAFE, oracle.HARM) if ends else (), most=6000)
    print(explored)
    return explored


DEFECTS: dict[str, tuple[Callable[[], Any], Seed, Left, dict[str, Any], str]] = {
    "the share rises to pods that are not ready": (
        mutants.weight_before_pods,
        seeds.started,
        Left(),
        {},
        "the share of v2 is raised, while its Service lists pods of v1",
    ),
    "the stable Service turns before the weight": (
        mutants.service_before_weight,
        seeds.judged,
        Left(),
        {},
        "Service digits turns from v1 to v2 while the route sends requests to it",
    ),
    "pods go before the weight": (
        mutants.pods_before_weight,
        seeds.judged,
        Left(),
        {},
        "v2 loses pods while the route sends 50% of the requests there",
    ),
    "the canary's Service turns before the gateway has taken up weight 0": (
        mutants.canary_service_before_gateway,
        seeds.judged,
        Left(actions=("v3",), edits=1),
        {},
        "Service digits-canary turns from v2 to v3 while the route sends requests to it",
    ),
    "a failed promotion comes back to a Service that leads elsewhere": (
        mutants.name_back_after_weight,
        seeds.handed_over,
        Left(losses=1),
        {},
        "",
    ),
    "a rollback is forgotten": (
        mutants.rollback_forgotten,
        seeds.judged,
        Left(),
        {"ends": True},
        "never comes to rest",
    ),
    "evidence goes from step to step": (
        mutants.evidence_carried_over,
        seeds.judged,
        Left(),
        {"steps": (20, 50)},
        "a promotion starts without proof at the last step's 50%",
    ),
    "time wakes nobody": (mutants.nobody_wakes, seeds.judged, Left(), {"ends": True}, "while the spec asks for v2"),
    "the status is stored after the writes": (
        nullcontext,
        seeds.judged,
        Left(),
        {"rules": Rules(status_first=False)},
        "unasked: the stored status says",
    ),
    "the status is stored whoever wrote it meanwhile": (
        nullcontext,
        seeds.judged,
        Left(lags=1),
        {"rules": Rules(status_needs_version=False)},
        "",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_is_found(defect: str) -> None:
    mutant, seed, left, changes, wrong = DEFECTS[defect]
    explored = found(mutant(), seed, left, **changes)
    assert explored.wrong is not None, explored
    assert wrong in explored.wrong


def test_trace_is_told_step_by_step() -> None:
    explored = found(mutants.pods_before_weight(), seeds.judged)
    assert explored.trace.splitlines() == [
        "WRONG: v2 loses pods while the route sends 50% of the requests there",
        "The shortest way there:",
        "  0. at first",
        "       spec v2 | status Progressing 50% | route 50% | stable->v1 canary->v2 | pods v1:1/1 v2:1/1",
        "  1. 20 s pass",
        "  2. the leader decides (a look shows harm) and stores the status",
        "       spec v2 | status RollingBack 0% | route 50% | stable->v1 canary->v2 | pods v1:1/1 v2:1/1",
        "  3. the leader writes 0 pods of v2",
        "       spec v2 | status RollingBack 0% | route 50% | stable->v1 canary->v2 | pods v1:1/1 v2:0/0",
    ]
