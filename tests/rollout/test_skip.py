"""A change that is no new model comes in on readiness alone, and only while it is asked for."""

from __future__ import annotations

from typing import Any

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout.looks import wanted
from tests.rollout.situations import SHORT, situation, weights_asked
from tests.rollout.test_decide import condition, phase, reasons
from tests.rollout.world import World, a_spec


def skipping(version: str = "v2", **changes: Any) -> World:
    """A world in which a change has just begun to come in without analysis; there are no labels at all."""
    world = situation("healthy")
    world.labels_per_second = 0.0
    world.edit(a_spec(version, **changes))
    world.skip_analysis = world.snapshot().target
    world.run(2)
    return world


def test_change_that_is_no_new_model_ramps_on_ready_pods_without_a_question_to_prometheus() -> None:
    world = skipping()
    for _ in range(120):
        assert wanted(world.snapshot(), world.now) is None
        world.turn()
        world.now += 1
    assert phase(world) is Phase.HEALTHY
    assert weights_asked(world) == [20, 50, 100, 0]
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.ANALYSIS_SKIPPED)
    promoted = world.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert "without analysis" in promoted.message
    assert world.status.history[-1].reason is Reason.ANALYSIS_SKIPPED
    assert EventReason.BASELINE_TAKEN not in reasons(world)
    assert [event.reason for event in world.events if "without analysis" in event.message][:1] == [
        EventReason.ANALYSIS_SKIPPED
    ]


def test_conditions_of_a_rollout_without_analysis_do_not_speak_of_judging() -> None:
    world = skipping().run(10)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.ANALYSIS_SKIPPED)
    assert world.status.condition(ConditionType.MEASURED) is None


def test_each_step_is_held_for_one_recheck_at_least() -> None:
    world = skipping()
    world.run(14)
    assert world.weights == (80, 20)
    world.run(5)
    assert world.weights == (50, 50)


def test_step_without_analysis_waits_for_its_pods() -> None:
    world = skipping()
    world.room = 1
    world.run(200)
    assert world.weights == (80, 20)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.INSUFFICIENT_CAPACITY)


def test_crash_without_analysis_is_rolled_back() -> None:
    world = skipping()
    canary = world.snapshot().target
    world.broken.add(canary)
    world._resize(world.deployments[canary])
    world.run(2)
    assert world.weights == (100, 0)
    world.run(700, until=Phase.ROLLED_BACK)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.PROGRESS_DEADLINE)


def test_annotation_does_nothing_for_any_other_revision() -> None:
    world = skipping()
    world.labels_per_second = 400.0
    world.edit(a_spec("v4"))
    world.run(600, until=Phase.ROLLED_BACK)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_annotation_does_not_bring_in_a_revision_that_was_rolled_back() -> None:
    world = situation("harmed")
    world.skip_analysis = world.snapshot().target
    world.run(100)
    assert phase(world) is Phase.ROLLED_BACK
    assert weights_asked(world) == []


def test_annotation_added_in_the_middle_takes_effect_from_where_the_rollout_is() -> None:
    world = situation("progressing")
    world.skip_analysis = world.snapshot().target
    world.run(60, until=Phase.HEALTHY)
    assert phase(world) is Phase.HEALTHY
    assert weights_asked(world)[:2] == [50, 100]


def test_annotation_added_to_an_inconclusive_rollout_resumes_it() -> None:
    world = situation("inconclusive")
    world.skip_analysis = world.snapshot().target
    world.run(2)
    assert phase(world) is Phase.PROGRESSING
    world.run(100, until=Phase.HEALTHY)
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.ANALYSIS_SKIPPED)


def test_annotation_does_not_end_a_pause_that_a_person_asked_for() -> None:
    world = situation("paused by a command")
    world.skip_analysis = world.snapshot().target
    world.run(100)
    assert phase(world) is Phase.PAUSED
    assert world.weights == (80, 20)


def test_annotation_removed_brings_analysis_from_the_first_step() -> None:
    world = skipping("v4")
    world.run(20)
    assert world.weights == (50, 50)
    world.skip_analysis = None
    world.labels_per_second = 400.0
    world.writes.clear()
    world.run(30)
    assert weights_asked(world) == [0, 20], "no request goes to it before there is a baseline"
    assert EventReason.ANALYSIS_RESUMED in reasons(world)
    world.run(600, until=Phase.ROLLED_BACK)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_annotation_removed_before_everything_is_routed_takes_the_promotion_back() -> None:
    world = skipping()
    world.room = 2
    world.run(60, until=Phase.PROMOTING)
    world.skip_analysis = None
    world.labels_per_second = 400.0
    world.run(30)
    assert phase(world) is Phase.PROGRESSING
    assert world.weights == (80, 20)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.ANALYSING)


def test_time_without_a_verdict_does_not_make_a_rollout_without_analysis_inconclusive() -> None:
    world = skipping("v2", paused=True, **SHORT)
    world.run(900)
    world.edit(a_spec("v2", **SHORT))
    world.run(3)
    assert phase(world) is Phase.PROGRESSING
    assert EventReason.INCONCLUSIVE not in reasons(world)
