"""Every situation meets every input: the page says what follows, and some things hold in each cell."""

from __future__ import annotations

import pytest

from lossgate.api.commands import Outcome
from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.api.status import RolloutStatus
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import Event
from lossgate.rollout.unreadable import refuse_spec
from tests.rollout.inputs import CannotOccurError
from tests.rollout.situations import SITUATIONS, situation
from tests.rollout.truth_table import PAGE, Cell, cells, page
from tests.rollout.world import World


def test_the_page_is_what_happens() -> None:
    text = "docs/reference/lifecycle.md is out of date: run `python -m tests.rollout.truth_table --write`, and read it"
    assert PAGE.read_text(encoding="utf-8") == page(), text


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_input_has_a_decision_that_is_the_same_when_it_is_taken_again(name: str) -> None:
    """Total: nothing raises. Idempotent: what was applied is not applied, nor told, a second time."""
    for cell in cells():
        if cell.situation != name:
            continue
        try:
            world = cell.play()
        except CannotOccurError:
            continue
        _settles(world, cell)


def _settles(world: World, cell: Cell) -> None:
    """Without a look that is due, the same moment decided again and again comes to rest and tells nothing twice."""
    told: list[Event] = []
    for _ in range(10):
        before = world.status
        decision = decide(world.snapshot(), world.now)
        world.status = RolloutStatus.model_validate(decision.status.to_manifest())
        for write in decision.writes:
            world.apply(write)
        told += decision.events
        if decision.writes == () and world.status == before:
            break
    else:
        pytest.fail(f"{cell.situation}, {cell.input.name}: no rest: {decision}")
    assert len(told) == len(set(told)), f"{cell.situation}, {cell.input.name}: {told}"


@pytest.mark.parametrize("name", SITUATIONS)
def test_spec_that_cannot_be_read_changes_nothing_and_is_said_once(name: str) -> None:
    world = situation(name)
    decision = refuse_spec(world.status, 9, "spec.steps: two steps have the same weight", world.now)
    assert decision.writes == ()
    kept = {"conditions", "observed_generation"}
    assert decision.status.model_dump(exclude=kept) == world.status.model_dump(exclude=kept)
    stalled = decision.status.condition(ConditionType.STALLED)
    assert stalled is not None
    assert stalled.reason is Reason.INVALID_SPEC
    assert len(decision.events) == 1
    assert refuse_spec(decision.status, 9, "spec.steps: two steps have the same weight", world.now + 9).events == ()


def test_only_the_first_step_up_and_a_person_send_everything() -> None:
    """No single input but an order, or the last proof, leads from a step to all requests."""
    for cell in cells():
        if cell.situation == "progressing without analysis":
            continue
        try:
            world = cell.play()
        except CannotOccurError:
            continue
        everything = any(getattr(write, "canary", 0) == 100 for write in world.writes)
        if everything and situation(cell.situation).status.phase in (Phase.PROGRESSING, Phase.PAUSED):
            last = world.status.last_command
            assert last is not None, f"{cell.situation}, {cell.input.name}"
            assert (last.outcome, last.text.split()[0]) == (Outcome.OBEYED, "promote"), cell.input.name
