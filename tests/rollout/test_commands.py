"""People's commands: `docs/reference/lifecycle.md` has what each does in each situation, this what it means."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from lossgate.api.commands import Command, Outcome, Verb
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from tests.rollout.situations import SITUATIONS, give, situation, weights_asked
from tests.rollout.test_decide import condition, phase, reasons
from tests.rollout.world import World, a_spec


def last(world: World) -> tuple[Outcome, str]:
    command = world.status.last_command
    assert command is not None
    return command.outcome, command.message


def all_but_the_command(world: World) -> dict[str, Any]:
    return world.status.model_dump(exclude={"last_command"})


def assert_refused(world: World, verb: Verb, revision: str | None, why: str) -> None:
    """Give a command that must not be carried out: all goes on as if it had not been given."""
    world.events.clear()
    world.writes.clear()
    without = copy.deepcopy(world)
    without.turn()
    give(world, verb, revision)
    outcome, message = last(world)
    assert outcome is Outcome.REFUSED
    assert why in message
    assert all_but_the_command(world) == all_but_the_command(without)
    assert world.writes == without.writes
    told = [event for event in world.events if event.reason is EventReason.COMMAND_REFUSED]
    assert [event.warning for event in told] == [True]
    assert why in told[0].message


@pytest.mark.parametrize("name", SITUATIONS)
def test_wrong_revision_does_nothing(name: str) -> None:
    for verb in Verb:
        assert_refused(situation(name), verb, "digits-00000000", "")


@pytest.mark.parametrize("name", SITUATIONS)
def test_same_text_again_changes_nothing(name: str) -> None:
    for verb in Verb:
        world = give(situation(name), verb)
        before = world.status.last_command
        world.events.clear()
        world.run(3)
        assert world.status.last_command == before
        assert not {EventReason.COMMAND_OBEYED, EventReason.COMMAND_REFUSED} & set(reasons(world))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("halt {canary}", "the first word must be one of promote, abort, retry, pause, resume, rollback"),
        ("promote", "name the revision"),
        ("promote v2", "the canary is digits-"),
    ],
)
def test_text_that_is_no_command_is_refused_with_words(text: str, why: str) -> None:
    world = situation("progressing")
    assert world.status.canary is not None
    world.command = text.format(canary=world.status.canary.revision)
    world.turn()
    assert last(world)[0] is Outcome.REFUSED
    assert why in last(world)[1]
    assert phase(world) is Phase.PROGRESSING


def test_empty_annotation_is_no_command() -> None:
    assert Command.parse("  ") is None
    assert Command.parse(None) is None


def test_time_of_a_command_is_read_where_there_is_one() -> None:
    command = Command.parse("pause  digits-1 1970-01-01T00:01:00Z\n")
    assert command is not None
    assert (command.verb, command.revision, command.given) == (Verb.PAUSE, "digits-1", 60.0)
    for nonce in ("again", "2026-11-25", "2026-11-25T10:00:00"):
        other = Command.parse(f"pause digits-1 {nonce}")
        assert other is not None
        assert other.given is None


def test_command_that_a_tool_puts_back_is_stale() -> None:
    world = situation("progressing")
    give(world, Verb.ABORT, nonce="2026-11-25T10:00:00Z").run(60, until=Phase.ROLLED_BACK)
    abort = world.command
    give(world, Verb.RETRY, nonce="2026-11-25T10:05:00Z").run(60)
    world.command = abort
    world.turn()
    assert last(world)[0] is Outcome.REFUSED
    assert "it is older than the last command" in last(world)[1]
    assert phase(world) is Phase.PROGRESSING


def test_command_in_a_dump_is_not_carried_out_when_the_object_is_created_again() -> None:
    world = situation("progressing")
    dumped = give(world, Verb.ABORT).command
    again = World(world.spec, world.loss_by_version, command=dumped)
    again.run(30, until=Phase.HEALTHY)
    assert last(again)[0] is Outcome.REFUSED
    assert phase(again) is Phase.HEALTHY


def test_command_for_a_canary_that_the_spec_has_left_is_refused() -> None:
    world = situation("progressing")
    assert world.status.canary is not None
    left = world.status.canary.revision
    world.edit(a_spec("v3"))
    give(world, Verb.PROMOTE, left)
    assert last(world)[0] is Outcome.REFUSED
    assert "is on its way out" in last(world)[1]
    assert world.status.canary.model_version == "v3"


# promote


def test_promotion_by_order_says_so_with_the_numbers_of_that_moment() -> None:
    world = situation("progressing")
    give(world, Verb.PROMOTE).run(60, until=Phase.HEALTHY)
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.REQUESTED)
    entry = world.status.history[-1]
    assert (entry.result, entry.reason) == ("Promoted", Reason.REQUESTED)
    assert entry.labels.canary > 0
    told = next(event for event in world.events if event.reason is EventReason.PROMOTING)
    assert told.warning
    assert "without the proof" in told.message
    assert "canary loss 0." in told.message


def test_promotion_by_order_waits_for_pods() -> None:
    world = situation("promoting")
    world.run(300)
    assert weights_asked(world) == []
    world.room = 99
    world._resize(world.deployments[world.snapshot().target])
    world.run(60, until=Phase.HEALTHY)
    assert weights_asked(world)[0] == 100


def test_promotion_by_order_of_a_canary_without_pods_stands_until_it_has_some() -> None:
    world = situation("healthy")
    world.edit(a_spec("v2"))
    canary = world.snapshot().target
    world.broken.add(canary)
    world.run(5)
    give(world, Verb.PROMOTE).run(60)
    assert weights_asked(world) == []
    world.broken.clear()
    world._resize(world.deployments[canary])
    world.run(60, until=Phase.HEALTHY)
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.REQUESTED)
    assert weights_asked(world)[0] == 100, "the order was not forgotten for a ramp"


def test_promotion_by_order_of_a_canary_that_stays_without_pods_is_rolled_back() -> None:
    world = situation("healthy")
    world.edit(a_spec("v2"))
    world.broken.add(world.snapshot().target)
    world.run(5)
    give(world, Verb.PROMOTE).run(700, until=Phase.ROLLED_BACK)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.PROGRESS_DEADLINE)


# abort and retry


def test_aborted_revision_is_not_tried_again_while_the_spec_asks_for_it() -> None:
    world = situation("aborted")
    canary = world.snapshot().target
    world.run(1000)
    assert phase(world) is Phase.ROLLED_BACK
    assert world.status.rolled_back == canary
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.ABORTED)
    assert weights_asked(world) == []
    assert world.snapshot().ready(canary) == 0


@pytest.mark.parametrize("way", ["v1", "v3"])
def test_aborted_revision_that_the_spec_asks_for_anew_is_tried(way: str) -> None:
    world = situation("aborted")
    world.edit(a_spec(way))
    world.run(2)
    world.edit(a_spec("v2"))
    world.run(2)
    assert phase(world) is Phase.PROGRESSING
    assert world.status.canary is not None
    assert world.status.canary.model_version == "v2"


def test_after_an_abort_the_next_canary_starts_from_the_last_good_version() -> None:
    """Field report 1: the status lists two versions, and their weights add up to 100."""
    world = situation("aborted")
    world.edit(a_spec("v3"))
    for _ in range(100):
        world.turn()
        world.now += 1
        stable, canary = world.status.stable, world.status.canary
        assert stable is not None
        assert canary is not None
        assert (stable.model_version, canary.model_version) == ("v1", "v3")
        assert stable.weight + canary.weight == 100
    assert world.weights == (80, 20)
    left = {revision: seen.replicas for revision, seen in world.deployments.items()}
    assert sorted(left.values()) == [0, 1, 4], "no pod is left of the version in between"


def test_back_to_the_running_version_before_the_canary_is_ready_starts_nothing() -> None:
    """Field report 13: A, then B, then A again before B is ready."""
    world = situation("healthy")
    serving = world.snapshot().target
    world.pods_start = False
    world.edit(a_spec("v2"))
    world.run(5)
    world.edit(a_spec("v1"))
    world.run(60)
    assert phase(world) is Phase.HEALTHY
    assert world.status.stable is not None
    assert world.status.stable.revision == serving
    assert world.status.canary is None
    assert world.status.rolled_back is None
    assert weights_asked(world) == []
    assert {revision for revision, seen in world.deployments.items() if seen.replicas} == {serving}
    assert reasons(world).count(EventReason.ROLLOUT_STARTED) == 1


def test_retry_starts_afresh_and_a_second_verdict_stands() -> None:
    world = situation("harmed")
    give(world, Verb.RETRY)
    assert world.status.baseline is None
    assert world.status.step is not None
    assert (world.status.step.index, world.status.step.looks) == (0, 0)
    world.run(600, until=Phase.ROLLED_BACK)
    assert [entry.reason for entry in world.status.history] == [Reason.HARM, Reason.HARM]
    world.run(100)
    assert phase(world) is Phase.ROLLED_BACK


def test_verdict_that_a_retry_has_lifted_does_not_come_back() -> None:
    world = situation("harmed")
    world.loss_by_version["v4"] = 0.25
    give(world, Verb.RETRY).run(60)
    give(world, Verb.PROMOTE).run(60, until=Phase.HEALTHY)
    world.edit(a_spec("v2"))
    world.run(5)
    give(world, Verb.PROMOTE).run(60, until=Phase.HEALTHY)
    world.edit(a_spec("v4"))
    world.run(3)
    assert phase(world) is Phase.PROGRESSING


# pause and resume


def test_command_pause_outlasts_the_one_of_the_spec() -> None:
    world = situation("paused by both")
    world.edit(a_spec("v2"))
    world.run(5)
    assert phase(world) is Phase.PAUSED
    assert world.status.pause is not None
    assert world.status.pause.message == "A command paused it; resume to go on."
    give(world, Verb.RESUME)
    assert phase(world) is Phase.PROGRESSING


def test_pause_by_command_keeps_the_weight_and_the_evidence() -> None:
    world = situation("paused by a command")
    assert world.status.step is not None
    looks = world.status.step.looks
    world.run(100)
    assert world.weights == (80, 20)
    assert world.status.step.looks > looks
    give(world, Verb.RESUME).run(1)
    assert world.status.step.looks > looks
    assert world.status.paused_by is None


def test_resume_of_an_inconclusive_pause_begins_anew_from_the_first_step() -> None:
    world = situation("inconclusive")
    give(world, Verb.RESUME)
    assert world.status.step is not None
    assert (world.status.step.index, world.status.step.looks) == (0, 0)
    assert world.status.analysis is not None
    assert world.status.analysis.state is None
    world.run(250)
    assert phase(world) is Phase.PROGRESSING
    world.run(200, until=Phase.PAUSED)
    assert phase(world) is Phase.PAUSED, "the new budget has an end as the first had"


# rollback


def test_rollback_within_the_scale_down_delay_moves_all_requests_at_once() -> None:
    world = situation("promoted")
    give(world, Verb.ROLLBACK)
    world.run(2)
    assert world.weights == (0, 100), "the ready pods of the old version take everything"
    world.run(60, until=Phase.ROLLED_BACK)
    world.run(2)
    assert world.weights == (100, 0)
    stable = world.status.stable
    assert stable is not None
    assert stable.model_version == "v1"
    assert world.services["digits"] == stable.revision
    assert world.status.history[-1].model_version == "v2"
    assert (world.status.history[-1].result, world.status.history[-1].reason) == ("RolledBack", Reason.ABORTED)
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.ABORTED)
    assert condition(world, ConditionType.READY) == ("True", Reason.STABLE_SERVING)
    assert {EventReason.GOING_BACK, EventReason.ROLLED_BACK} <= set(reasons(world))


def test_rollback_without_pods_starts_them_before_any_request_moves() -> None:
    world = situation("returning")
    world.run(100)
    assert weights_asked(world) == []
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.ABORTED)
    world.room = 99
    assert world.status.canary is not None
    world._resize(world.deployments[world.status.canary.revision])  # type: ignore[index]
    world.run(60, until=Phase.ROLLED_BACK)
    assert weights_asked(world)[0] == 100
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v1"


def test_rollback_to_a_version_whose_pods_never_come_is_given_up() -> None:
    world = situation("promoted").run(700)
    assert world.status.previous is not None
    world.broken.add(world.status.previous.revision)
    give(world, Verb.ROLLBACK).run(700, until=Phase.HEALTHY)
    assert weights_asked(world) == []
    assert EventReason.RETURN_GIVEN_UP in reasons(world)
    world.run(20)
    assert phase(world) is Phase.HEALTHY
    assert condition(world, ConditionType.PROMOTED)[0] == "True"
    assert world.deployments[world.status.previous.revision].replicas == 0  # type: ignore[index]


def test_version_left_by_a_rollback_stays_ready_for_a_while_and_is_not_tried_again() -> None:
    world = situation("returned")
    left = world.snapshot().target
    world.run(500)
    assert phase(world) is Phase.ROLLED_BACK
    assert world.snapshot().ready(left) == 4
    world.run(200)
    assert world.snapshot().ready(left) == 0
    assert left in world.deployments, "kept, so that a rollback leads there again"
    assert world.weights == (100, 0)


def test_second_rollback_leads_to_the_version_that_was_left() -> None:
    world = situation("returned")
    give(world, Verb.ROLLBACK).run(60, until=Phase.ROLLED_BACK).run(2)
    assert phase(world) is Phase.HEALTHY, "the spec asks for this one"
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v2"
    assert world.status.rolled_back is None


def test_after_a_rollback_a_retry_judges_the_version_that_was_left() -> None:
    world = situation("returned")
    give(world, Verb.RETRY).run(60)
    assert world.weights == (80, 20)
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.ANALYSING)
    world.run(700)
    assert EventReason.SCALED_DOWN not in reasons(world)


def test_rollback_leads_back_though_the_version_that_serves_has_no_ready_pod() -> None:
    world = situation("promoted")
    serving = world.snapshot().target
    world.broken.add(serving)
    world._resize(world.deployments[serving])
    give(world, Verb.ROLLBACK).run(60, until=Phase.ROLLED_BACK)
    assert world.status.stable is not None
    assert world.status.stable.model_version == "v1"


def test_rollback_when_the_old_deployment_is_gone_is_refused() -> None:
    world = situation("promoted")
    assert world.status.previous is not None
    del world.deployments[world.status.previous.revision]  # type: ignore[arg-type]
    assert_refused(world, Verb.ROLLBACK, None, "is gone; edit the spec")
