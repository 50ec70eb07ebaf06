"""What becomes of a rollout when its route is missing, ambiguous, refused, or written to by somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.rollout.decision import SetWeights
from lossgate.rollout.snapshot import Obstacle
from tests.rollout.test_decide import condition, phase, reasons
from tests.rollout.world import START, World, a_spec

LOSSES = {"v1": 0.30, "v2": 0.25, "v3": 0.42, "v4": 3.0}
MISSING = Obstacle(Reason.ROUTE_NOT_FOUND, "There is no HTTPRoute digits.")
USERS = {"traffic": {"routeRef": {"name": "digits"}}}


def a_version(version: str, kind: str, **changes: Any) -> RolloutSpec:
    return a_spec(version, **(USERS if kind == "user's" else {}), **changes)


def serving(kind: str, **changes: Any) -> World:
    """A world whose first version has served for a minute, behind a route of either kind."""
    world = World(a_version("v1", kind, **changes), dict(LOSSES))
    if kind == "user's":
        world.weights = (1, 1)
    world.run(60, until="Healthy")
    world.run(60)
    assert world.weights == (100, 0)
    world.writes.clear()
    world.events.clear()
    return world


def in_first_step(kind: str = "user's", version: str = "v2", **changes: Any) -> World:
    world = serving(kind, **changes)
    world.edit(a_version(version, kind, **changes))
    world.run(100)
    assert world.weights == (80, 20)
    assert looks(world) > 3
    return world


def looks(world: World) -> int:
    assert world.status.step is not None
    return world.status.step.looks


def stalled(world: World) -> Reason | None:
    found = world.status.condition(ConditionType.STALLED)
    return found.reason if found else None


def splits(world: World) -> list[tuple[int, int]]:
    return [(write.stable, write.canary) for write in world.writes if isinstance(write, SetWeights)]


@pytest.fixture(params=["owned", "user's"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_either_kind_of_route_brings_a_better_version_in(kind: str) -> None:
    world = serving(kind)
    world.edit(a_version("v2", kind))
    world.run(6000, until="Healthy")
    world.run(10)
    assert splits(world) == [(80, 20), (50, 50), (0, 100), (100, 0)]
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.PROMOTED)
    assert world.status.route is not None
    assert world.status.route.reverts == ()


def test_first_version_waits_for_a_route_that_is_not_there() -> None:
    world = World(a_version("v1", "user's"), dict(LOSSES), route_fault=MISSING)
    world.run(60)
    assert phase(world) is Phase.INITIALIZING
    assert splits(world) == []
    assert stalled(world) is Reason.ROUTE_NOT_FOUND
    ready = world.status.condition(ConditionType.READY)
    assert ready is not None
    assert "There is no HTTPRoute digits" in ready.message
    assert set(world.services) == {"digits", "digits-canary"}, "they are there before a route names them"
    world.route_fault, world.weights = None, (1, 1)
    world.run(5, until="Healthy")
    assert phase(world) is Phase.HEALTHY
    assert splits(world) == [(100, 0)]
    assert stalled(world) is None


def test_rollout_does_not_begin_to_send_requests_while_its_route_is_missing() -> None:
    world = serving("user's")
    world.route_fault = MISSING
    world.edit(a_version("v2", "user's"))
    world.run(300)
    assert world.status.canary is not None
    assert world.status.canary.weight == 0
    assert splits(world) == []
    assert looks(world) == 0
    world.route_fault = None
    world.run(60)
    assert world.weights == (80, 20)


def test_route_that_goes_mid_rollout_stops_the_looks_and_leaves_no_step() -> None:
    world = in_first_step()
    before = looks(world)
    world.route_fault = MISSING
    world.run(1500)
    assert stalled(world) is Reason.ROUTE_NOT_FOUND
    assert phase(world) is Phase.PROGRESSING
    assert looks(world) == before, "nothing is judged without a route"
    assert world.status.step is not None
    assert world.status.step.index == 0
    assert splits(world) == [(80, 20)]
    assert "There is no HTTPRoute digits" in str(world.status.condition(ConditionType.MEASURED))
    world.route_fault, world.route_uid, world.route_generation = None, "route-2", 1
    world.set_route(1, 1)
    world.run(60)
    assert stalled(world) is None
    assert world.weights == (80, 20)
    assert world.status.route is not None
    assert world.status.route.reverts == (), "a route that was made anew is no revert"
    assert before < looks(world) < before + 6


def test_passed_step_is_not_left_while_the_route_is_missing() -> None:
    world = in_first_step()
    world.room = 1
    world.run(1200)
    assert world.status.analysis is not None
    assert world.status.analysis.verdict == "NonInferior"
    world.route_fault = MISSING
    world.room = 99
    world._resize(world.deployments[world.snapshot().target])
    world.run(60)
    assert world.status.step is not None
    assert world.status.step.index == 0
    world.route_fault = None
    world.run(10)
    assert world.weights == (50, 50)


def test_inconclusive_promote_does_not_promote_through_a_missing_route() -> None:
    world = in_first_step(gate__maxDuration="10m", gate__onInconclusive="Promote")
    world.route_fault = MISSING
    world.run(1200)
    assert phase(world) is Phase.PAUSED
    assert world.weights == (80, 20)


def test_rollback_that_finds_no_route_ends_when_the_route_is_back() -> None:
    world = in_first_step()
    world.route_fault = MISSING
    world.run(5)
    world.edit(a_version("v1", "user's"))
    world.run(300)
    assert phase(world) is Phase.ROLLING_BACK, "weight 0 that nobody has seen is not weight 0"
    canary = world.status.canary
    assert canary is not None
    assert world.deployments[canary.revision].replicas > 0, "requests may still come to it"  # type: ignore[index]
    world.route_fault = None
    world.run(30, until="Healthy")
    assert world.weights == (100, 0)


def test_promotion_does_not_start_to_send_everything_through_a_missing_route() -> None:
    world = in_first_step()
    world.run(6000, until="Promoting")
    world.route_fault = MISSING
    world.run(60)
    assert phase(world) is Phase.PROMOTING
    assert (0, 100) not in splits(world)
    world.route_fault = None
    world.run(60, until="Healthy")
    assert phase(world) is Phase.HEALTHY


def test_canary_service_is_not_turned_while_a_missing_route_may_come_back_with_a_share() -> None:
    world = in_first_step()
    first = world.services["digits-canary"]
    world.route_fault = MISSING
    world.edit(a_version("v3", "user's"))
    world.run(60)
    assert world.services["digits-canary"] == first
    world.route_fault = None
    world.run(120)
    assert world.services["digits-canary"] != first
    assert splits(world)[1:] == [(100, 0), (80, 20)]


def test_refused_route_stalls_after_a_moment_and_holds_the_evidence(kind: str) -> None:
    world = in_first_step(kind)
    before = looks(world)
    world.route_refused_since = world.now
    world.route_accepted = False
    world.run(10)
    assert stalled(world) is None, "a gateway may be slow to learn of a Service"
    world.run(20)
    assert stalled(world) is Reason.ROUTE_NOT_FOUND
    assert looks(world) == before
    world.route_refused_since, world.route_accepted = None, True
    world.run(60)
    assert stalled(world) is None
    assert looks(world) > before


def test_reverted_weights_are_written_back_counted_and_told(kind: str) -> None:
    world = in_first_step(kind)
    before = looks(world)
    world.set_route(100, 0)
    world.turn()
    assert world.weights == (80, 20), "within one turn"
    assert world.status.step is not None
    assert world.status.step.since is None
    assert world.status.route is not None
    assert len(world.status.route.reverts) == 1
    told = next(event for event in world.events if event.reason is EventReason.WEIGHT_RESTORED)
    assert told.warning
    assert "argocd-controller" in told.message
    assert "100/0" in told.message
    world.now += 1
    world.run(14)
    assert looks(world) == before, "the looks that cover the other weights are dropped"
    world.run(60)
    assert looks(world) > before
    assert stalled(world) is None


def test_looks_that_an_absent_operator_missed_are_dropped_if_the_route_was_edited_meanwhile(kind: str) -> None:
    world = in_first_step(kind)
    before = looks(world)
    world.now += 300
    world.set_route(100, 0)
    world.set_route(80, 20)
    world.run(5)
    assert looks(world) == before, "which weights the 300 s had cannot be told"
    assert world.status.route is not None
    assert world.status.route.reverts == ()
    world.run(60)
    assert before < looks(world) < before + 10


def test_looks_that_an_absent_operator_missed_count_if_the_route_was_left_alone(kind: str) -> None:
    world = in_first_step(kind)
    before = looks(world)
    world.now += 300
    world.run(5)
    assert looks(world) >= before + 29


def quarrel(world: World, times: int, every: int = 20, stable: int = 100, canary: int = 0) -> None:
    for _ in range(times):
        world.set_route(stable, canary)
        world.run(every)


def test_four_reverts_in_ten_minutes_are_a_contest(kind: str) -> None:
    world = in_first_step(kind)
    quarrel(world, 3)
    assert stalled(world) is None
    assert world.weights == (80, 20)
    world.set_route(100, 0)
    before, evidence = len(splits(world)), looks(world)
    world.run(300)
    assert stalled(world) is Reason.ROUTE_CONTESTED
    assert world.weights == (100, 0), "nothing is written back upwards any more"
    assert len(splits(world)) == before
    assert looks(world) == evidence
    told = [event for event in world.events if event.reason is EventReason.STALLED]
    assert len(told) == 1
    assert told[0].warning
    assert "argocd-controller" in told[0].message


def test_slow_reverts_are_no_contest(kind: str) -> None:
    world = in_first_step(kind)
    world.room = 1
    quarrel(world, 8, every=220)
    assert stalled(world) is None
    assert world.weights == (80, 20)
    assert world.status.route is not None
    assert len(world.status.route.reverts) <= 4


def test_contest_ends_when_it_was_quiet_for_ten_minutes(kind: str) -> None:
    world = in_first_step(kind)
    quarrel(world, 4)
    world.run(560)
    assert stalled(world) is Reason.ROUTE_CONTESTED
    world.run(60)
    assert stalled(world) is None
    assert world.weights == (80, 20)
    before = looks(world)
    world.run(60)
    assert looks(world) > before


def test_contest_ends_when_the_weights_are_as_decided_for_a_while(kind: str) -> None:
    world = in_first_step(kind)
    quarrel(world, 4)
    before = looks(world)
    world.set_route(80, 20)
    world.run(100)
    assert stalled(world) is Reason.ROUTE_CONTESTED
    assert looks(world) == before, "evidence holds as long as the contest lasts"
    world.run(60)
    assert stalled(world) is None
    world.run(30)
    assert looks(world) > before


def test_rollback_is_written_even_while_contested_but_not_in_every_turn(kind: str) -> None:
    world = in_first_step(kind)
    quarrel(world, 4, stable=20, canary=80)
    assert stalled(world) is Reason.ROUTE_CONTESTED
    world.edit(a_version("v1", kind))
    world.writes.clear()
    for _ in range(90):
        world.set_route(20, 80)
        world.run(1)
    assert set(splits(world)) == {(100, 0)}
    assert 5 <= len(splits(world)) <= 7, "once in 15 s"
    world.run(60, until="Healthy")
    assert world.weights == (100, 0)


def test_contested_share_above_the_decided_one_is_taken_back(kind: str) -> None:
    world = in_first_step(kind)
    quarrel(world, 4, stable=10, canary=90)
    world.run(30)
    assert world.weights == (80, 20), "less for the canary is always written"


def test_revert_at_rest_is_written_back_too(kind: str) -> None:
    world = serving(kind)
    world.set_route(50, 50)
    world.run(1)
    assert world.weights == (100, 0)
    assert EventReason.WEIGHT_RESTORED in reasons(world)


def test_quarrel_at_rest_asks_for_no_turn_once_it_is_over(kind: str) -> None:
    world = serving(kind)
    quarrel(world, 4, stable=50, canary=50)
    assert stalled(world) is Reason.ROUTE_CONTESTED
    decision = world.turn()
    assert decision.due is not None
    world.run(decision.due - world.now + 2)
    world.run(900)
    assert stalled(world) is None
    assert world.turn().due is None


def test_decision_is_the_same_after_a_crash_between_status_and_write(kind: str) -> None:
    world = in_first_step(kind)
    world.set_route(100, 0)
    apply = world.apply
    world.apply = lambda write: None  # type: ignore[method-assign]
    world.turn()
    world.turn()
    world.apply = apply  # type: ignore[method-assign]
    world.run(2)
    assert world.status.route is not None
    assert len(world.status.route.reverts) == 1, "one change by others is counted once"
    assert world.weights == (80, 20)
    assert world.now > START
