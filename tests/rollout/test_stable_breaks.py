"""Things that are needed go away, in any phase: nothing fails open, and what a person is told to do works."""

from __future__ import annotations

import pytest

from lossgate.api.commands import Verb
from lossgate.api.names import Revision
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import OnInconclusive
from lossgate.rollout.decision import PointService, SetWeights
from tests.rollout.inputs import edited
from tests.rollout.situations import SITUATIONS, break_pods, give, situation
from tests.rollout.world import World

IN_FLIGHT = (
    "progressing",
    "paused by a command",
    "inconclusive",
    "promoting",
    "promoting after the proof",
    "rolling back",
    "rolling back after harm",
    "aborted",
    "harmed",
)


def without_stable(name: str) -> World:
    world = situation(name)
    assert world.status.stable is not None
    del world.deployments[world.status.stable.revision]  # type: ignore[arg-type]
    world.run(3)
    return world


def ready_message(world: World) -> str:
    ready = world.status.condition(ConditionType.READY)
    assert ready is not None
    return ready.message


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_stable_version_that_cannot_be_rebuilt_is_said_with_an_exit_that_works(name: str) -> None:
    """Its template is nowhere but in what the person has: applying it again is a way out of every phase."""
    world = without_stable(name)
    assert world.status.stable is not None
    assert "apply v1 again to have it created" in ready_message(world)
    weights = [write for write in world.writes if isinstance(write, SetWeights)]
    assert weights == [], "there is nobody to send the requests to"
    world.edit(edited(world.spec, "model.version", "v1"))
    world.run(60, until=Phase.HEALTHY)
    assert world.status.phase is Phase.HEALTHY
    assert world.status.stable.model_version == "v1"
    world.run(2)
    assert world.weights == (100, 0)
    assert ready_message(world) == "v1 serves."


@pytest.mark.parametrize("name", ["progressing", "paused by a command", "inconclusive"])
def test_promotion_is_the_other_exit_while_the_canary_has_pods(name: str) -> None:
    world = without_stable(name)
    assert "kubectl lossgate promote has v2 take over without the proof" in ready_message(world)
    give(world, Verb.PROMOTE).run(60, until=Phase.HEALTHY)
    world.run(10)
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"
    assert world.weights == (100, 0)


def test_promise_of_a_promotion_is_not_made_for_a_canary_without_pods() -> None:
    world = situation("progressing")
    assert world.status.canary is not None
    break_pods(world, world.status.canary.revision)
    assert world.status.stable is not None
    break_pods(world, world.status.stable.revision)
    world.run(2)
    assert "promote" not in ready_message(world)


def test_outage_soon_after_a_promotion_names_the_way_back_and_it_works() -> None:
    world = situation("promoted")
    break_pods(world, world.snapshot().target)
    world.run(2)
    assert "kubectl lossgate rollback leads back to v1, whose pods are ready" in ready_message(world)
    give(world, Verb.ROLLBACK).run(60, until=Phase.ROLLED_BACK)
    assert ready_message(world) == "v1 serves."


def test_new_version_that_loses_all_pods_with_all_requests_is_rolled_back_at_once() -> None:
    """The old version still has its pods: waiting would be an outage for nothing."""
    world = situation("progressing")
    give(world, Verb.PROMOTE).run(30, until=Phase.PROMOTING)
    while world.services["digits"] != world.snapshot().target:
        world.turn()
        world.now += 1
    assert world.weights == (0, 100)
    assert world.status.stable is not None
    stable = world.status.stable.revision
    world.writes.clear()
    break_pods(world, world.snapshot().target)
    world.run(1)
    assert world.weights == (100, 0)
    assert world.services["digits"] == stable
    assert world.writes.index(PointService("digits", stable)) < world.writes.index(SetWeights(100, 0))  # type: ignore[arg-type]
    world.run(30, until=Phase.ROLLED_BACK)
    promoted = world.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert promoted.reason is Reason.PROGRESS_DEADLINE
    assert "after everything was routed to it" in promoted.message


@pytest.mark.parametrize("way", ["abort", "edit"])
def test_promotion_that_waits_for_the_gateway_with_all_requests_can_be_taken_back(way: str) -> None:
    world = situation("committed")
    world.run(600)
    assert world.status.phase is Phase.PROMOTING, "the gateway has not accepted it"
    if way == "abort":
        give(world, Verb.ABORT)
    else:
        world.edit(edited(world.spec, "model.version", "v1"))
        world.run(1)
    assert world.weights == (100, 0)
    world.route_accepted = True
    world.run(30, until=Phase.ROLLED_BACK)
    world.run(2)
    assert world.status.phase is (Phase.ROLLED_BACK if way == "abort" else Phase.HEALTHY)


def test_canary_without_pods_is_not_promoted_over_and_over_by_policy() -> None:
    world = situation("progressing")
    world.edit(edited(world.spec, "gate.on_inconclusive", OnInconclusive.PROMOTE))
    assert world.status.canary is not None
    break_pods(world, world.status.canary.revision)
    assert world.status.step is not None
    long_ago = world.status.step.model_copy(update={"began": world.now - 1e6})
    world.status = world.status.model_copy(update={"step": long_ago})
    world.run(100)
    assert [event.reason for event in world.events] == [EventReason.WEIGHT_CHANGED]
    world.run(600, until=Phase.ROLLED_BACK)
    assert world.status.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("name", SITUATIONS[1:])
def test_what_is_deleted_is_there_again_and_no_request_goes_to_nothing(name: str) -> None:
    """Both Services, the route and the canary's Deployment, one after the other, in every situation."""
    world = situation(name)
    before = world.status.phase
    canary = world.status.canary.revision if world.status.canary else None
    for loss in ("digits", "digits-canary", "route", "canary"):
        if loss == "route":
            world.weights = None
        elif loss == "canary":
            world.deployments.pop(Revision(canary or ""), None)
        else:
            world.services.pop(loss)
        world.run(2)
        assert set(world.services) == {"digits", "digits-canary"}
        if world.route_fault is None:
            assert world.weights is not None
        serving = [world.services[service] for service, share in shares(world) if share > 0]
        assert all(world.deployments[name].ready_replicas or name in world.broken for name in serving) or (
            world.spec.replicas == 0
        ), f"{before} without {loss}: {world.weights}"


def shares(world: World) -> list[tuple[str, int]]:
    return list(zip(("digits", "digits-canary"), world.weights or (0, 0), strict=True))


def test_revision_that_was_rolled_back_is_not_tried_while_another_is_in_flight() -> None:
    """Bad, then another, then bad again before the other one's verdict."""
    world = situation("harmed")
    bad = world.spec
    world.edit(edited(bad, "model.version", "v2"))
    world.run(60)
    assert world.status.phase is Phase.PROGRESSING
    world.edit(bad)
    world.run(1)
    assert world.weights == (100, 0)
    world.run(30, until=Phase.ROLLED_BACK)
    assert world.status.canary is not None
    assert world.status.canary.model_version == "v4"
    started = [event for event in world.events if event.reason is EventReason.ROLLOUT_STARTED]
    assert len(started) == 1, "the other one alone"
