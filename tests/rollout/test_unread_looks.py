"""Looks that cannot be read, for a while or ever: what is said, for how long it is borne, and what is left of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.rollout.looks import next_end
from lossgate.rollout.snapshot import Absent, ArmSample, LookSeen, LooksSeen, MeasurementFailed, Obstacle
from tests.rollout.world import World, a_spec

DOWN = MeasurementFailed(Reason.METRICS_UNREACHABLE, "connection refused")
HOLD_SECONDS = 60


def in_first_step(**changes: Any) -> World:
    """A world at 20% with a look every 10 s and a short patience."""
    changes = {"gate__holdTimeout": f"{HOLD_SECONDS}s", **changes}
    world = World(a_spec(**changes), {"v1": 0.3, "v2": 0.29})
    world.run(300)
    world.edit(a_spec("v2", **changes))
    world.run(60)
    assert world.weights == (80, 20)
    return world


def measured(world: World) -> tuple[str, Reason]:
    found = world.status.condition(ConditionType.MEASURED)
    assert found is not None
    return found.status, found.reason


def looks_of(world: World) -> int:
    assert world.status.step is not None
    return world.status.step.looks


def due(world: World, canary: ArmSample | Absent, stable: ArmSample | None = None) -> LooksSeen:
    """The look that is due next, with these numbers."""
    stable = stable or ArmSample(3200.0, 960.0, 2500.0, 3200.0)
    end = next_end(world.status, world.spec.loss)
    assert end is not None
    world.now = end + world.spec.loss.settle_seconds
    return LooksSeen((LookSeen(end, stable, canary),))


def test_outage_that_ends_in_a_quiet_time_is_over() -> None:
    """One look without an answer, then none with labels: as long as there is nothing to read nothing is unreadable."""
    world = in_first_step()
    world.measurement = DOWN
    world.run(15)
    assert measured(world) == ("False", Reason.METRICS_UNREACHABLE)
    world.measurement = None
    world.silent = (world.now - 20, world.now + 1000)
    world.run(15)
    assert measured(world) == ("False", Reason.NO_TRAFFIC)
    world.run(HOLD_SECONDS + 30)
    assert world.status.phase is Phase.PROGRESSING


def test_patience_ends_at_a_question_without_an_answer_and_not_without_a_question() -> None:
    world = in_first_step()
    world.measurement = DOWN
    world.run(15)
    world.route_fault = Obstacle(Reason.ROUTE_NOT_FOUND, "the route is gone")
    world.measurement = None
    world.run(2 * HOLD_SECONDS)
    assert world.status.phase is Phase.PROGRESSING, "nobody asked, so nobody knows that it is still down"
    world.route_fault = None
    world.run(40)
    assert measured(world) == ("True", Reason.LOOKING)


def test_patience_ends() -> None:
    world = in_first_step()
    world.measurement = DOWN
    world.run(HOLD_SECONDS + 25, until="RolledBack")
    assert world.status.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)
    promoted = world.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert promoted.reason is Reason.UNMEASURABLE


@pytest.mark.parametrize(("predictions", "reason"), [(None, Reason.NO_TRAFFIC), (12.0, Reason.NO_LABELS)])
def test_version_without_series_is_named_at_the_second_look(predictions: float | None, reason: Reason) -> None:
    world = in_first_step()
    for said in ("True", "False", "False"):
        world.measurement = due(world, Absent(predictions, "0 series matched"))
        world.turn()
        assert measured(world)[0] == said
    assert measured(world) == ("False", reason)


def test_labels_that_the_source_forgot_and_found_again_count_once() -> None:
    world = in_first_step()
    canary = ArmSample(800.0, 240.0, 600.0, 800.0, stood=9200.0, stands=10_000.0)
    expected = looks_of(world)
    for stood, stands, counts in (
        (9200.0, 10_000.0, True),
        (10_000.0, 10_800.0, True),
        (8000.0, 11_600.0, False),
        (11_600.0, 12_400.0, True),
        (None, 800.0, False),
        (800.0, 1600.0, True),
    ):
        world.measurement = due(world, replace(canary, stood=stood, stands=stands))
        world.turn()
        expected += counts
        assert looks_of(world) == expected
        assert measured(world)[1] is (Reason.LOOKING if counts else Reason.PARTIAL_DATA)
    assert world.status.phase is Phase.PROGRESSING


def test_clock_that_goes_back_is_said_and_nothing_counts_twice() -> None:
    world = in_first_step(gate__holdTimeout="2h")
    before = looks_of(world)
    world.now -= 240
    world.run(5)
    assert measured(world) == ("False", Reason.STALE_SAMPLES)
    assert looks_of(world) == before
    world.now += 240
    world.run(30)
    assert measured(world) == ("True", Reason.LOOKING)
    assert looks_of(world) in (before + 3, before + 4)


def test_weights_that_came_under_a_clock_that_was_ahead_are_in_force_now() -> None:
    world = in_first_step()
    assert world.status.step is not None
    ahead = world.status.step.model_copy(update={"since": world.now + 3600, "looks": 0})
    world.status = world.status.model_copy(update={"step": ahead, "analysis": None})
    world.run(60)
    assert looks_of(world) >= 2
