"""Worlds in each situation that a person may meet, built once and copied."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

from lossgate.api.commands import Verb
from lossgate.api.names import Revision
from lossgate.api.reasons import Phase, Reason
from lossgate.rollout.decision import SetWeights
from lossgate.rollout.guardrail_seen import NoValue
from lossgate.rollout.snapshot import MeasurementFailed, Obstacle
from tests.rollout.world import World, a_spec

GUARDRAIL = {"name": "errors", "query": 'x{revision="$revision"}', "max": 0.01, "failureLimit": 1}
SHORT = {"gate__maxDuration": "5m", "gate__pauseTimeout": "20m"}


def revision_meant(world: World, verb: Verb) -> str:
    """Return the revision that a command is about, as the documents say."""
    status = world.status
    if verb is Verb.RETRY:
        return world.snapshot().target
    version = status.stable if verb is Verb.ROLLBACK else status.canary or status.stable
    return version.revision if version else world.snapshot().target


def give(world: World, verb: Verb, revision: str | None = None, nonce: str = "") -> World:
    """Write a command that nobody has written before, and take one turn."""
    nonce = nonce or f"at-{world.now:.0f}-{len(world.events)}"
    world.command = f"{verb} {revision or revision_meant(world, verb)} {nonce}"
    world.turn()
    return world


def weights_asked(world: World) -> list[int]:
    """Return the canary weights that were written to the route, in order."""
    return [write.canary for write in world.writes if isinstance(write, SetWeights)]


def promote(world: World, version: str) -> World:
    """Bring in a version by order of a person."""
    world.edit(a_spec(version))
    world.run(3)
    give(world, Verb.PROMOTE)
    return world.run(60, until=Phase.HEALTHY)


def _serving() -> World:
    world = World(a_spec(), {"v1": 0.30, "v2": 0.25, "v3": 0.42, "v4": 3.0})
    world.run(60, until=Phase.HEALTHY)
    return world.run(600)


def _progressing(**changes: object) -> World:
    world = situation("healthy")
    world.edit(a_spec("v2", **changes))
    return world.run(60)


def _paused_by_both() -> World:
    world = give(_progressing(), Verb.PAUSE)
    world.edit(a_spec("v2", paused=True))
    return world.run(2)


def _inconclusive() -> World:
    return _progressing(**SHORT).run(600, until=Phase.PAUSED)


def _promoting() -> World:
    world = _progressing()
    world.room = 2
    return give(world, Verb.PROMOTE).run(2)


def _committed() -> World:
    world = _progressing()
    world.route_accepted = False
    return give(world, Verb.PROMOTE).run(3)


def _rolling_back() -> World:
    world = give(_progressing(), Verb.ABORT)
    world.now += 1
    return world


def _aborted() -> World:
    return give(_progressing(), Verb.ABORT).run(60, until=Phase.ROLLED_BACK)


def _harmed() -> World:
    world = situation("healthy")
    world.edit(a_spec("v4"))
    world.run(1)
    return world.run(600, until=Phase.ROLLED_BACK)


def _promoted() -> World:
    return promote(situation("healthy"), "v2").run(20)


def _returning() -> World:
    world = situation("promoted")
    world.run(700)  # the old version has given up its pods
    world.room = 2
    return give(world, Verb.ROLLBACK).run(2)


def _returned() -> World:
    return give(situation("promoted"), Verb.ROLLBACK).run(60, until=Phase.ROLLED_BACK).run(2)


def _passed(**changes: object) -> World:
    """The loss has passed the first step, and something else keeps it there."""
    world = _progressing(**changes)
    world.room = 1
    return world.run(900)


def _promoting_after_the_proof() -> World:
    world = _progressing()
    world.room = 2
    return world.run(2000, until=Phase.PROMOTING).run(5)


def _pending() -> World:
    world = situation("healthy")
    world.edit(a_spec("v2", guardrails=[GUARDRAIL]))
    world.readings["errors"] = NoValue("no series")
    return world.run(900)


def _without_baseline() -> World:
    world = situation("healthy")
    world.labels_per_second = 0.1
    world.edit(a_spec("v2"))
    return world.run(60)


def _held() -> World:
    world = _progressing()
    world.measurement = MeasurementFailed(Reason.METRICS_UNREACHABLE, "connection refused")
    return world.run(30)


def _skipping() -> World:
    world = situation("healthy")
    world.edit(a_spec("v2"))
    world.skip_analysis = world.snapshot().target
    return world.run(5)


def _stable_unavailable() -> World:
    world = _progressing()
    assert world.status.stable is not None
    break_pods(world, world.status.stable.revision)
    return world.run(90)


def _size_zero() -> World:
    world = _progressing()
    world.edit(a_spec("v2", replicas=0))
    return world.run(5)


def _returning_committed() -> World:
    world = give(situation("promoted"), Verb.ROLLBACK)
    while world.weights != (0, 100):
        world.now += 1.0
        world.turn()
    world.route_accepted = False
    return world.run(3)


def _rolling_back_after_harm() -> World:
    world = situation("healthy")
    world.edit(a_spec("v4"))
    return world.run(600, until=Phase.ROLLING_BACK)


def _route_missing() -> World:
    world = _progressing()
    world.route_fault = Obstacle(Reason.ROUTE_NOT_FOUND, "HTTPRoute digits is gone")
    return world.run(30)


def break_pods(world: World, revision: str) -> None:
    """Let no pod of a revision be ready from now on."""
    world.broken.add(revision)
    if (seen := world.deployments.get(Revision(revision))) is not None:
        world._resize(seen)


_BUILDERS: dict[str, Callable[[], World]] = {
    "initializing": lambda: World(a_spec(), {"v1": 0.30, "v2": 0.25}, pods_start=False).run(2),
    "healthy": _serving,
    "progressing": _progressing,
    "paused by the spec": lambda: _progressing(paused=True),
    "paused by a command": lambda: give(_progressing(), Verb.PAUSE).run(2),
    "paused by both": _paused_by_both,
    "inconclusive": _inconclusive,
    "promoting": _promoting,
    "committed": _committed,
    "rolling back": _rolling_back,
    "aborted": _aborted,
    "harmed": _harmed,
    "promoted": _promoted,
    "returning": _returning,
    "returned": _returned,
    "progressing without a baseline": _without_baseline,
    "progressing, Prometheus away": _held,
    "progressing without analysis": _skipping,
    "progressing, stable version down": _stable_unavailable,
    "progressing, route missing": _route_missing,
    "progressing at size 0": _size_zero,
    "step passed, no room for the next": _passed,
    "step passed, guardrail pending": _pending,
    "promoting after the proof": _promoting_after_the_proof,
    "rolling back after harm": _rolling_back_after_harm,
    "promoted long ago": lambda: situation("promoted").run(700),
    "returning, everything routed": _returning_committed,
}
SITUATIONS = tuple(_BUILDERS)


@cache
def _built(name: str) -> World:
    return _BUILDERS[name]()


def situation(name: str) -> World:
    """Return a world of one's own in that situation."""
    world = copy.deepcopy(_built(name))
    world.events.clear()
    world.writes.clear()
    return world
