"""The first decision after a leader that did not hand its Lease back: nothing of the other may be left to come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lossgate.api.status import RolloutStatus
from lossgate.rollout.decision import Decision, SetWeights, Write
from lossgate.rollout.snapshot import RouteSeen, Snapshot

MAX_WEIGHT = 1_000_000
"""The largest weight that the Gateway API allows."""


def complete(decision: Decision, snapshot: Snapshot, term: str, *, owns_route: bool) -> Decision:
    """Return the first decision of a leader that took over: it says so, and no write of the other to a route is left.

    The snapshot's status is the one that was found: the leader before may be carrying out what it says.
    """
    decision = replace(decision, status=decision.status.model_copy(update={"taken_over": term}))
    if owns_route:
        return decision
    neutral = _neutral_weights(snapshot.status, snapshot.route, decision.writes)
    return decision if neutral is None else replace(decision, writes=(neutral, *decision.writes))


def _neutral_weights(status: RolloutStatus, route: RouteSeen | None, writes: Iterable[Write]) -> SetWeights | None:
    if route is None or status.stable is None or any(isinstance(write, SetWeights) for write in writes):
        return None
    decided = status.canary.weight if status.canary else 0
    present = (route.stable_weight, route.canary_weight)
    if present == (100 - decided, decided) or 10 * max(present) > MAX_WEIGHT:
        return None
    return SetWeights(10 * route.stable_weight, 10 * route.canary_weight)
