"""Rollouts with a guardrail, from start to end."""

from __future__ import annotations

from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout.decision import SetWeights
from lossgate.rollout.guardrail_seen import NoValue, Reading, Unreadable, Value
from tests.rollout.test_decide import condition, phase, reasons, serving
from tests.rollout.world import World, a_spec

ERRORS = {"name": "errors", "query": 'x{revision="$revision"}', "max": 0.01}
BAD = Value(0.5, "query x at noon")
EMPTY = NoValue("the query gave no series")
DOWN = Unreadable(Reason.METRICS_UNREACHABLE, "refused")


def advance(world: World, seconds: float, until: Phase | None = None) -> World:
    """Take a turn every five seconds of the world."""
    end = world.now + seconds
    while world.now < end and (until is None or phase(world) is not until):
        world.now += 5
        world.turn()
    return world


def guarded(version: str = "v2", guardrail: dict[str, Any] | None = None, **changes: Any) -> World:
    """A rollout in the first of its steps, with the weight in force and its guardrail evaluated."""
    world = serving()
    changes = {"steps": [{"weight": 50}], "guardrails": [guardrail or ERRORS], **changes}
    world.edit(a_spec(version, **changes))
    advance(world, 60)
    assert world.weights is not None
    assert world.weights[1] > 0
    return world


def test_rollout_within_its_limits_is_promoted() -> None:
    world = guarded(steps=[{"weight": 20}, {"weight": 50}])
    advance(world, 6000, until=Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.PROMOTED)


def test_third_failure_in_a_row_takes_the_weight_back_first_of_all() -> None:
    world = guarded()
    world.readings["errors"] = BAD
    world.writes.clear()
    advance(world, 20)
    assert phase(world) is Phase.PROGRESSING
    assert EventReason.GUARDRAIL_FAILING in reasons(world)
    advance(world, 10, until=Phase.ROLLING_BACK)
    assert world.writes[0] == SetWeights(100, 0)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.GUARDRAIL_FAILED)
    advance(world, 60, until=Phase.ROLLED_BACK)
    assert world.status.history[-1].reason is Reason.GUARDRAIL_FAILED
    assert world.status.guardrails[0].failures == 3, "still to be read at three in the morning"


@pytest.mark.parametrize("reading", [EMPTY, DOWN, Value(0.5)])
def test_passed_step_is_not_left_while_a_guardrail_is_not_within_its_limit(reading: Reading) -> None:
    world = guarded(guardrail=ERRORS | {"failureLimit": 100})
    advance(world, 600)
    world.readings["errors"] = reading
    advance(world, 600)
    analysis = world.status.analysis
    assert analysis is not None
    assert analysis.verdict == "NonInferior"
    assert phase(world) is Phase.PROGRESSING
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.GUARDRAIL_PENDING)
    measured = condition(world, ConditionType.MEASURED)
    assert measured[0] == ("True" if isinstance(reading, Value) else "False")
    del world.readings["errors"]
    advance(world, 20, until=Phase.PROMOTING)
    assert phase(world) is Phase.PROMOTING
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.ANALYSING)


def in_promotion(**changes: Any) -> World:
    """A promotion that waits for pods, so that not everything is routed to the new version yet."""
    world = guarded(**changes)
    world.room = 3
    advance(world, 3000, until=Phase.PROMOTING)
    assert phase(world) is Phase.PROMOTING
    return world


def find_room(world: World) -> None:
    world.room = 99
    for deployment in list(world.deployments.values()):
        world._resize(deployment)


@pytest.mark.parametrize("reading", [EMPTY, DOWN, Value(0.5)])
def test_promotion_is_not_committed_while_a_guardrail_is_not_within_its_limit(reading: Reading) -> None:
    world = in_promotion(guardrail=ERRORS | {"failureLimit": 100})
    world.readings["errors"] = reading
    advance(world, 20)
    find_room(world)
    advance(world, 300)
    assert phase(world) is Phase.PROMOTING
    assert world.weights == (50, 50)
    del world.readings["errors"]
    advance(world, 600, until=Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"


def test_failing_guardrail_rolls_back_a_promotion_that_is_not_committed() -> None:
    world = in_promotion()
    world.readings["errors"] = BAD
    advance(world, 300, until=Phase.ROLLED_BACK)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.GUARDRAIL_FAILED)


def test_promotion_that_is_never_measured_again_ends_with_the_step() -> None:
    world = in_promotion(gate__maxDuration="20m", gate__holdTimeout="10m", gate__onInconclusive="Rollback")
    world.readings["errors"] = EMPTY
    advance(world, 3000, until=Phase.ROLLED_BACK)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.INCONCLUSIVE)
    promoted = world.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert promoted.message.startswith("The step could not be left within gate.maxDuration (20m)")
    assert promoted.message.endswith("Guardrail errors cannot be measured: the query gave no series")


def test_failing_guardrail_rolls_back_a_paused_rollout() -> None:
    world = guarded()
    world.edit(a_spec("v2", steps=[{"weight": 50}], guardrails=[ERRORS], paused=True))
    advance(world, 10)
    assert phase(world) is Phase.PAUSED
    world.readings["errors"] = BAD
    advance(world, 300, until=Phase.ROLLED_BACK)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.GUARDRAIL_FAILED)


@pytest.mark.parametrize("reading", [EMPTY, Value(0.5)])
def test_not_even_an_inconclusive_step_that_promotes_does_so_past_a_guardrail(reading: Reading) -> None:
    changes = {"gate__maxDuration": "5m", "gate__onInconclusive": "Promote"}
    world = guarded(guardrail=ERRORS | {"failureLimit": 100}, **changes)
    world.readings["errors"] = reading
    advance(world, 600, until=Phase.PAUSED)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.INCONCLUSIVE)
    world.edit(a_spec("v2", steps=[{"weight": 50}], **changes))
    advance(world, 10)
    assert phase(world) is Phase.PROGRESSING, "an edit of the guardrails is another test"


def test_next_version_counts_afresh() -> None:
    world = guarded()
    world.readings["errors"] = BAD
    advance(world, 20)
    assert world.status.guardrails[0].failures == 2
    world.edit(a_spec("v3", steps=[{"weight": 20}], guardrails=[ERRORS]))
    advance(world, 40)
    assert phase(world) is Phase.PROGRESSING
    assert all(status.failures == 0 for status in world.status.guardrails)


def test_step_begins_with_nothing_known_of_its_guardrails() -> None:
    world = guarded(steps=[{"weight": 20}, {"weight": 50}])
    while world.status.step is not None and world.status.step.index == 0:
        advance(world, 5)
    known = len(world.status.guardrails)
    assert known == 0
    advance(world, 5)
    assert world.status.guardrails[0].result == "Pending"


def test_next_evaluation_makes_the_rollout_due() -> None:
    world = guarded()
    world.now += 0.5
    due = world.turn().due
    evaluated = world.status.guardrails[0].evaluated
    assert evaluated is not None
    assert due == evaluated + 10 + 5


def test_passed_step_that_waits_for_pods_is_not_given_up_for_an_evaluation_under_way() -> None:
    world = guarded(steps=[{"weight": 20}, {"weight": 50}], gate__maxDuration="20m")
    world.room = 1
    advance(world, 1300)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.INSUFFICIENT_CAPACITY)
    for _ in range(5):
        world.unanswered.add("errors")
        advance(world, 10)
        world.unanswered.clear()
        advance(world, 10)
    assert phase(world) is Phase.PROGRESSING
    find_room(world)
    advance(world, 30)
    assert world.weights == (50, 50)
