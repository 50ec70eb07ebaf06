"""Histories in which something other than the loss goes wrong: each ends, and none leaves a bad version serving."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout.decision import PointService, SetWeights
from lossgate.rollout.snapshot import HistorySeen
from tests.rollout.test_decide import condition, phase, reasons, serving
from tests.rollout.world import World, a_spec


def set_pods(world: World, *, broken: bool) -> None:
    """Break or mend the canary's pods."""
    canary = world.snapshot().target
    (world.broken.add if broken else world.broken.discard)(canary)
    world._resize(world.deployments[canary])


def in_first_step(version: str = "v2", **changes: object) -> World:
    world = serving()
    world.edit(a_spec(version, **changes))
    world.run(100)
    assert world.weights == (80, 20)
    return world


def test_passed_step_that_waits_for_pods_says_so_and_still_finds_harm() -> None:
    world = in_first_step()
    world.room = 1
    world.run(1200)
    assert world.weights == (80, 20)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.INSUFFICIENT_CAPACITY)
    world.loss_by_version["v2"] = 5.0
    world.run(1200, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_passed_step_is_left_when_the_pods_come() -> None:
    world = in_first_step()
    world.room = 1
    world.run(1200)
    world.room = 99
    world._resize(world.deployments[world.snapshot().target])
    world.run(3)
    assert world.weights == (50, 50)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.ANALYSING)


def test_canary_that_was_ready_once_and_crashes_for_good_is_rolled_back() -> None:
    world = in_first_step()
    set_pods(world, broken=True)
    world.run(590)
    assert phase(world) is Phase.PROGRESSING
    assert world.weights == (100, 0)
    measured = world.status.condition(ConditionType.MEASURED)
    assert measured is not None
    assert measured.status == "Unknown"
    world.run(60, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.PROGRESS_DEADLINE)


def test_flapping_canary_meets_the_deadline_of_its_step() -> None:
    world = in_first_step(gate__maxDuration="30m", gate__onInconclusive="Rollback")
    for _ in range(12):
        set_pods(world, broken=True)
        world.run(100)
        set_pods(world, broken=False)
        world.run(60)
    world.run(120, until="RolledBack")
    assert phase(world) is Phase.ROLLED_BACK


def test_canary_that_dies_while_promoting_loses_its_share() -> None:
    world = in_first_step()
    world.run(6000, until="Promoting")
    world.room = 2
    set_pods(world, broken=True)
    world.run(5)
    assert world.weights == (100, 0)
    world.run(700, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.PROGRESS_DEADLINE)


def test_history_without_a_present_label_still_gives_a_decision() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.measurement = HistorySeen(5000.0, 1500.0, 4000.0, 0.0)
    world.run(3)
    assert EventReason.CANNOT_CONCLUDE in reasons(world)
    told = next(event.message for event in world.events if event.reason is EventReason.BASELINE_TAKEN)
    assert "for ever" in told


def test_change_of_the_loss_source_takes_the_weight_back_until_there_is_a_baseline() -> None:
    world = in_first_step()
    world.labels_per_second = 0.01
    world.edit(a_spec("v2", loss__selector={"model": "digits"}))
    world.run(5)
    assert world.weights == (100, 0)
    assert phase(world) is Phase.PROGRESSING


def test_another_size_does_not_resume_an_inconclusive_rollout() -> None:
    changes = {"gate__maxDuration": "5m"}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    world.run(600, until="Paused")
    world.edit(a_spec("v2", replicas=5, **changes))
    world.run(10)
    assert phase(world) is Phase.PAUSED


def test_harm_stays_final_though_another_version_was_tried_since() -> None:
    world = serving()
    bad = a_spec("v4")
    for spec in (bad, a_spec("v3")):
        world.edit(spec)
        world.run(1)
        world.run(6000, until="RolledBack")
    world.writes.clear()
    world.edit(bad)
    world.run(200)
    assert phase(world) is Phase.ROLLED_BACK
    assert world.weights == (100, 0)
    assert world.status.canary is not None
    assert world.status.canary.model_version == "v4", "the status speaks of the version that the spec asks for"


def test_conditions_follow_the_generation() -> None:
    world = serving()
    world.edit(a_spec(replicas=6))
    world.run(2)
    assert {item.observed_generation for item in world.status.conditions} == {world.generation}


def test_promotion_by_policy_does_not_claim_safety() -> None:
    changes = {"gate__maxDuration": "5m", "gate__onInconclusive": "Promote"}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    world.run(1)
    world.run(3000, until="Healthy")
    told = next(event.message for event in world.events if event.reason is EventReason.PROMOTING)
    assert "onInconclusive" in told
    assert "not worse" not in told


def test_service_of_a_replaced_canary_waits_until_no_gateway_sends_requests_to_it() -> None:
    """A weight of 0 that is stored is not in force yet: the next canary's pods, still starting, would get them."""
    world = in_first_step()
    before = world.services["digits-canary"]
    world.pods_start = False
    world.edit(a_spec("v3"))
    world.route_accepted = False
    world.run(5)
    assert world.weights == (100, 0)
    assert world.services["digits-canary"] == before
    world.route_accepted = True
    world.run(2)
    assert world.services["digits-canary"] == world.snapshot().target != before


def test_failed_promotion_comes_back_to_a_service_that_leads_to_the_stable_version() -> None:
    """The stable Service had turned to the new version already: requests would come back to the dead pods."""
    world = in_first_step()
    new, old = world.snapshot().target, world.services["digits"]
    world.command = f"promote {new} once"
    while world.services["digits"] != new:
        world.turn()
    set_pods(world, broken=True)
    world.writes.clear()
    world.turn()
    assert world.writes[:2] == [PointService("digits", old), SetWeights(100, 0)]


def test_share_that_was_decided_is_not_written_to_pods_that_were_lost_since() -> None:
    """The process died between status and route, and then all pods of both versions: nothing is ready for the share."""
    world = in_first_step()
    set_pods(world, broken=True)
    world.broken.add(world.services["digits"])
    world._resize(world.deployments[world.services["digits"]])
    world._set_route((100, 0))
    world.turn()
    assert world.weights == (100, 0)
    set_pods(world, broken=False)
    world.turn()
    assert world.weights == (80, 20)
