"""Each field of the spec is edited in the middle of a step, and what becomes of the evidence is looked at."""

from __future__ import annotations

import copy
from functools import cache

import pytest

from lossgate.api.reasons import EventReason, Phase
from tests.rollout.situations import GUARDRAIL, situation
from tests.rollout.spec_edits import EDITS, PAGE, Effect, fields, page, tried
from tests.rollout.test_decide import phase
from tests.rollout.world import World, a_spec


def test_every_field_is_classified() -> None:
    assert sorted(path for path, _ in fields()) == sorted(EDITS), (
        "say in spec_edits.py what an edit of it does, and why"
    )


def test_the_page_is_what_is_tried() -> None:
    text = "docs/spec-edits.md is out of date: run `python -m tests.rollout.spec_edits --write`"
    assert PAGE.read_text(encoding="utf-8") == page(), text


@cache
def _in_second_step() -> World:
    """A rollout of v2 in its second step, with looks in it and a guardrail that failed once."""
    world = situation("healthy")
    limits = [{**GUARDRAIL, "failureLimit": 2}]
    world.edit(a_spec("v2", guardrails=limits))
    world.run(2)
    assert world.status.step is not None
    world.run(1200)
    assert world.status.step.index == 1
    world.events.clear()
    return world


TRIED = [path for path in EDITS if EDITS[path].path != "-"]


@pytest.mark.parametrize("path", TRIED)
def test_edit_in_the_middle_of_a_step(path: str) -> None:
    world = copy.deepcopy(_in_second_step())
    before = world.status
    assert before.step is not None
    assert before.analysis is not None
    spec = tried(world.spec, path)
    assert spec is not None
    assert spec != world.spec, "an edit that changes nothing tries nothing"
    world.loss_by_version["v3"] = 0.3
    world.edit(spec)
    world.unanswered = {guardrail.name for guardrail in spec.guardrails}
    world.turn()
    after, told = world.status, [event.reason for event in world.events]
    assert after.step is not None
    assert after.analysis is not None
    keeps = after.step.looks >= before.step.looks and after.analysis.state is not None
    match EDITS[path].effect:
        case Effect.REVISION:
            assert (after.step.index, after.baseline, keeps) == (0, None, False)
            assert EventReason.CANARY_REPLACED in told
        case Effect.ROLLOUT:
            assert (after.step.index, after.baseline, keeps) == (0, None, False)
            assert EventReason.EVIDENCE_RESTARTED in told
            assert after.canary is not None
            assert after.canary.weight == 0, "no request goes to it while there is no baseline"
        case Effect.STEP:
            assert (after.step.looks, after.analysis.state, after.baseline) == (0, None, before.baseline)
            assert after.step.weight <= before.step.weight
            assert EventReason.EVIDENCE_RESTARTED in told
        case Effect.GUARDRAIL:
            assert keeps
            assert [status.result for status in after.guardrails] == ["Pending"]
        case Effect.KEPT | Effect.NEXT:
            assert keeps
            assert (after.step.index, after.step.began) == (before.step.index, before.step.began)
            assert [status.result for status in after.guardrails] == [status.result for status in before.guardrails]
            assert EventReason.EVIDENCE_RESTARTED not in told


def test_no_look_from_before_an_edit_enters_the_step_that_it_begins() -> None:
    """A backlog that arrives together with the edit was taken under the old question, or at the old weight."""
    for path in ("steps.weight", "gate.margin", "loss.interval_seconds"):
        world = copy.deepcopy(_in_second_step())
        world.now += 200
        spec = tried(world.spec, path)
        assert spec is not None
        world.edit(spec)
        world.turn()
        assert world.status.step is not None
        assert world.status.step.looks == 0, path
        assert world.status.analysis is not None
        assert world.status.analysis.state is None, path


@pytest.mark.parametrize("path", [path for path in TRIED if EDITS[path].effect in (Effect.STEP, Effect.ROLLOUT)])
def test_edit_takes_a_promotion_that_waits_back_to_its_step(path: str) -> None:
    world = situation("promoting after the proof")
    spec = tried(world.spec, path)
    assert spec is not None
    world.edit(spec)
    world.turn()
    assert world.status.phase is Phase.PROGRESSING
    assert world.status.step is not None
    assert world.status.step.looks == 0


def test_pause_of_the_spec_holds_a_promotion_that_waits_and_it_goes_on_with_its_evidence() -> None:
    world = situation("promoting after the proof")
    world.edit(world.spec.model_copy(update={"paused": True}))
    world.run(30)
    assert phase(world) is Phase.PAUSED
    world.edit(world.spec.model_copy(update={"paused": False}))
    world.run(3)
    assert phase(world) is Phase.PROMOTING


def test_pause_does_not_use_up_the_time_of_the_step() -> None:
    world = situation("paused by a command")
    world.silent = (0.0, world.now + 1e6)
    spec = world.spec
    world.edit(spec.model_copy(update={"gate": spec.gate.model_copy(update={"max_duration_seconds": 600.0})}))
    world.run(1200)
    assert world.status.canary is not None
    world.command = f"resume {world.status.canary.revision} now"
    world.run(60)
    assert phase(world) is Phase.PROGRESSING
    world.run(600, until=Phase.PAUSED)
    assert phase(world) is Phase.PAUSED, "what is left of the time ends as ever"


def test_more_patience_does_not_send_requests_to_a_canary_that_waits_for_a_person() -> None:
    world = situation("inconclusive")
    spec = world.spec
    world.edit(spec.model_copy(update={"gate": spec.gate.model_copy(update={"pause_timeout_seconds": 86400.0})}))
    world.run(30)
    assert world.status.phase is Phase.PAUSED


def test_a_list_of_steps_that_grows_shorter_raises_no_weight() -> None:
    world = situation("progressing")
    steps = a_spec(steps=[{"weight": 10}, {"weight": 60}]).steps
    world.edit(world.spec.model_copy(update={"steps": steps}))
    world.run(5)
    assert world.weights == (90, 10)
