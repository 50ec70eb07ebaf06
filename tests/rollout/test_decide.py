from __future__ import annotations

from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import CreateDeployment, PointService, ScaleDeployment, SetWeights, Write
from lossgate.rollout.looks import LooksWanted, wanted
from lossgate.rollout.snapshot import (
    Absent,
    ArmSample,
    Flawed,
    LookSeen,
    LooksSeen,
    MeasurementFailed,
    NonFinite,
    Obstacle,
)
from tests.rollout.world import World, a_spec


def serving(**changes: Any) -> World:
    """A world whose first version has served for ten minutes."""
    world = World(a_spec(**changes), {"v1": 0.30, "v2": 0.25, "v3": 0.42, "v4": 3.0})
    world.run(60, until="Healthy")
    world.run(600)
    world.writes.clear()
    world.events.clear()
    return world


def phase(world: World) -> Phase:
    return world.status.phase


def reasons(world: World) -> list[EventReason]:
    return [event.reason for event in world.events]


def condition(world: World, type_: ConditionType) -> tuple[str, Reason]:
    found = world.status.condition(type_)
    assert found is not None, f"{type_} is not set"
    return found.status, found.reason


def test_first_version_serves_behind_its_service_and_route() -> None:
    world = World(a_spec()).run(30, until="Healthy")
    kinds = [type(write) for write in world.writes]
    assert kinds == [CreateDeployment, PointService, PointService, SetWeights], "a route never names what is not there"
    assert world.weights == (100, 0)
    assert condition(world, ConditionType.READY) == ("True", Reason.STABLE_SERVING)
    assert world.status.condition(ConditionType.RECONCILING) is None


def test_nothing_happens_while_nothing_changes() -> None:
    world = serving()
    before = world.status
    decision = world.turn()
    assert decision.status == before
    assert decision.writes == ()
    assert decision.events == ()
    assert decision.due is None, "an idle rollout costs nothing"


def test_better_version_is_promoted_without_a_restart() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    canary = world.snapshot().target
    world.run(6000, until="Healthy")
    assert world.status.stable is not None
    assert world.status.stable.revision == canary
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.PROMOTED)
    weights = [write.canary for write in world.writes if isinstance(write, SetWeights)]
    assert weights == [20, 50, 100, 0], "at last the rollout's own name takes over again"
    moved = next(i for i, write in enumerate(world.writes) if write == PointService("digits", canary))
    everything = world.writes.index(SetWeights(0, 100))
    assert everything < moved, "the Service moves when all requests are on the new version"
    world.run(10)
    assert world.weights == (100, 0)
    assert world.writes[-1] == SetWeights(100, 0)
    assert CreateDeployment(canary, 1) in world.writes
    assert ScaleDeployment(canary, 4) in world.writes
    assert world.status.history[-1].result == "Promoted"


def test_old_version_keeps_its_pods_for_the_scale_down_delay() -> None:
    world = serving(scaleDownDelay="5m")
    old = world.status.stable
    assert old is not None
    world.edit(a_spec("v2", scaleDownDelay="5m"))
    world.run(6000, until="Healthy")
    world.run(290)
    assert world.snapshot().ready(old.revision) == 4
    world.run(15)
    assert world.snapshot().ready(old.revision) == 0


@pytest.mark.parametrize(("version", "looks_at_most"), [("v3", 200), ("v4", 5)])
def test_worse_version_is_rolled_back(version: str, looks_at_most: int) -> None:
    world = serving()
    world.edit(a_spec(version))
    world.run(6000, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)
    assert condition(world, ConditionType.READY) == ("True", Reason.STABLE_SERVING)
    assert world.status.history[-1].looks <= looks_at_most
    assert world.weights == (100, 0)
    assert EventReason.HARM_FOUND in reasons(world)


def test_rollback_writes_weight_zero_before_anything_else() -> None:
    world = serving()
    world.edit(a_spec("v4"))
    world.run(6000, until="RollingBack")
    back: list[Write] = world.writes[world.writes.index(SetWeights(80, 20)) + 1 :]
    assert back[0] == SetWeights(100, 0)
    pods = world.snapshot().ready(world.snapshot().target)
    assert pods > 0, "the canary's pods stay until no request can reach them"
    world.run(60, until="RolledBack")
    assert world.snapshot().ready(world.snapshot().target) == 0


def test_rolled_back_revision_is_not_tried_again_until_it_changes() -> None:
    world = serving()
    bad = a_spec("v4")
    world.edit(bad)
    world.run(6000, until="RolledBack")
    world.edit(a_spec("v1"))
    world.run(10)
    assert phase(world) is Phase.HEALTHY
    world.writes.clear()
    world.edit(bad)
    world.run(100)
    assert phase(world) is Phase.ROLLED_BACK
    assert world.writes == []
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_no_weight_before_the_baseline_is_known() -> None:
    world = serving()
    world.labels_per_second = 0.1
    world.edit(a_spec("v2"))
    world.run(100)
    assert condition(world, ConditionType.MEASURED) == ("False", Reason.NO_BASELINE)
    assert world.weights == (100, 0)
    message = world.status.condition(ConditionType.MEASURED)
    assert message is not None
    assert "/1000" in message.message


def test_forecast_is_told_before_weight_moves_and_warns_when_too_slow() -> None:
    world = serving(gate__maxDuration="10m")
    world.edit(a_spec("v2", gate__maxDuration="10m"))
    world.run(60)
    told = reasons(world)
    assert told.index(EventReason.BASELINE_TAKEN) < told.index(EventReason.WEIGHT_CHANGED)
    assert EventReason.CANNOT_CONCLUDE in told


def test_weight_waits_for_ready_pods() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.broken.add(world.snapshot().target)
    world.run(200)
    assert world.weights == (100, 0)
    assert phase(world) is Phase.PROGRESSING


def test_source_down_holds_and_rolls_back_only_after_the_timeout() -> None:
    world = serving(gate__holdTimeout="10m")
    world.edit(a_spec("v2", gate__holdTimeout="10m"))
    world.run(200)
    evidence = world.status.analysis
    assert evidence is not None
    world.measurement = MeasurementFailed(Reason.METRICS_UNREACHABLE, "connection refused")
    world.run(60)
    assert world.weights == (80, 20)
    assert condition(world, ConditionType.MEASURED) == ("False", Reason.METRICS_UNREACHABLE)
    assert world.status.analysis is not None
    assert world.status.analysis.state == evidence.state, "evidence already gathered is kept"
    world.run(600, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.UNMEASURABLE)


def test_source_that_comes_back_fills_in_the_looks_missed() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(200)
    assert world.status.step is not None
    before = world.status.step.looks
    world.measurement = MeasurementFailed(Reason.METRICS_UNREACHABLE, "connection refused")
    world.run(60)
    world.measurement = None
    world.run(20)
    assert world.status.step.looks == before + 8
    assert condition(world, ConditionType.MEASURED) == ("True", Reason.LOOKING)
    assert EventReason.MEASURED_AGAIN in reasons(world)


@pytest.mark.parametrize(
    ("arm", "reason"),
    [
        (Absent(0.0, "0 series match"), Reason.NO_TRAFFIC),
        (Absent(12.0, "no loss series"), Reason.NO_LABELS),
        (ArmSample(0.0, 0.0, 0.0, 9.0), Reason.NO_LABELS),
        (ArmSample(0.0, 0.0, 0.0, 0.0), Reason.NO_TRAFFIC),
    ],
)
def test_silence_of_the_canary_holds_and_never_promotes(arm: ArmSample | Absent, reason: Reason) -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(100)
    world = _with_canary(world, arm, looks=12)
    assert condition(world, ConditionType.MEASURED) == ("False", reason)
    assert phase(world) is Phase.PROGRESSING


def _with_canary(world: World, arm: object, looks: int) -> World:
    """Take looks whose canary side is `arm`."""
    for _ in range(looks):
        world.now += 10
        snapshot = world.snapshot()
        assert world.status.analysis is not None
        want = wanted(snapshot, world.now)
        assert isinstance(want, LooksWanted)
        ends = range(int(want.first_end), int(want.last_end) + 1, 10)
        stable = ArmSample(3200.0, 960.0, 2500.0, 3200.0)
        seen = LooksSeen(tuple(LookSeen(float(end), stable, arm) for end in ends))  # type: ignore[arg-type]
        decision = decide(snapshot.measured(seen), world.now)
        world.status = decision.status
        world.events.extend(decision.events)
        for write in decision.writes:
            world.apply(write)
    return world


def test_loss_that_is_not_a_number_is_harm_at_the_second_look() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(60)
    world = _with_canary(world, NonFinite("sum is NaN"), looks=1)
    assert phase(world) is Phase.PROGRESSING
    world = _with_canary(world, NonFinite("sum is NaN"), looks=1)
    assert phase(world) is Phase.ROLLING_BACK
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.NON_FINITE_LOSS)


def test_flawed_numbers_are_left_out_and_named() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(60)
    assert world.status.step is not None
    looks = world.status.step.looks
    world = _with_canary(world, Flawed(Reason.PARTIAL_DATA, "2 of 3 series"), looks=3)
    assert world.status.step is not None
    assert world.status.step.looks == looks
    assert condition(world, ConditionType.MEASURED) == ("False", Reason.PARTIAL_DATA)


def test_going_back_to_the_stable_version_aborts_without_blame() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(100)
    world.edit(a_spec("v1"))
    world.run(60, until="Healthy")
    assert phase(world) is Phase.HEALTHY
    assert world.weights == (100, 0)
    assert world.status.rolled_back is None
    world.run(2)
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.PROMOTED)


def test_another_version_in_flight_starts_afresh_from_weight_zero() -> None:
    world = serving()
    world.edit(a_spec("v3"))
    world.run(100)
    assert world.weights == (80, 20)
    world.writes.clear()
    world.edit(a_spec("v2"))
    world.turn()
    assert world.writes[0] == SetWeights(100, 0)
    assert world.status.step is not None
    assert world.status.step.looks == 0
    world.run(6000, until="Healthy")
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"
    assert EventReason.CANARY_REPLACED in reasons(world)


def test_paused_rollout_keeps_its_weight_and_still_rolls_back_harm() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(100)
    world.edit(a_spec("v2", paused=True))
    world.run(3000)
    assert phase(world) is Phase.PAUSED
    assert world.weights == (80, 20)
    world.loss_by_version["v2"] = 2.0
    world.run(600, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_resumed_rollout_goes_on_with_its_evidence() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(100)
    world.edit(a_spec("v2", paused=True))
    world.run(1000)
    assert world.status.step is not None
    assert world.status.step.index == 0
    assert world.status.step.looks > 80
    world.edit(a_spec("v2"))
    world.run(5)
    assert phase(world) is Phase.PROGRESSING
    assert world.status.step.index == 1, "the evidence gathered before and during the pause let it pass at once"
    world.run(6000, until="Healthy")
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"


def test_inconclusive_step_pauses_at_the_first_weight_then_rolls_back() -> None:
    changes = {"gate__maxDuration": "5m", "gate__pauseTimeout": "20m"}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    world.run(600, until="Paused")
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.INCONCLUSIVE)
    assert world.weights == (80, 20)
    world.run(1300, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.INCONCLUSIVE)


def test_edit_of_the_gate_resumes_an_inconclusive_rollout_with_fresh_evidence() -> None:
    changes = {"gate__maxDuration": "5m"}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    world.run(600, until="Paused")
    world.edit(a_spec("v2", gate__maxDuration="2h"))
    world.run(5)
    assert phase(world) is Phase.PROGRESSING
    assert world.status.step is not None
    assert world.status.step.looks == 0
    world.run(6000, until="Healthy")
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"


def test_while_no_canary_is_tried_its_service_leads_to_the_stable_version() -> None:
    """A tool that resets a route to halves then loses no request."""
    world = serving()
    stable = world.snapshot().target
    assert set(world.services.values()) == {stable}
    world.edit(a_spec("v3"))
    world.run(100)
    assert set(world.services.values()) == {stable, world.snapshot().target}
    world.run(3000, until="RolledBack")
    world.run(5)
    assert set(world.services.values()) == {stable}


def test_obstacle_is_shown_and_goes_away() -> None:
    world = World(a_spec(), obstacle=Obstacle(Reason.BACKEND_CONFLICT, "Service digits belongs to nobody"))
    world.turn()
    assert condition(world, ConditionType.STALLED) == ("True", Reason.BACKEND_CONFLICT)
    world.obstacle = None
    world.run(30, until="Healthy")
    assert world.status.condition(ConditionType.STALLED) is None


def test_status_survives_the_api_and_stays_small() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(6000, until="Healthy")
    text = str(world.status.to_manifest())
    assert len(text) < 16 * 1024
