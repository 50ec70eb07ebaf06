"""Evidence in the status that this program cannot read must neither stop a rollout nor decide it."""

from __future__ import annotations

import pytest

from lossgate.api.reasons import EventReason, Phase
from lossgate.stats import unpack
from tests.rollout.test_decide import phase, reasons
from tests.rollout.test_setbacks import in_first_step
from tests.rollout.world import World


def spoil(world: World, state: str) -> None:
    assert world.status.analysis is not None
    world.status = world.status.model_copy(
        update={"analysis": world.status.analysis.model_copy(update={"state": state})}
    )


def state_of(world: World) -> str:
    assert world.status.analysis is not None
    assert world.status.analysis.state is not None
    return world.status.analysis.state


@pytest.mark.parametrize("state", ["", "v1:AAAA", "v2:AAAA", "v2:!", "v3:AAAA", "nonsense"])
def test_it_is_gathered_anew_from_the_first_look_of_the_step(state: str) -> None:
    world = in_first_step()
    looks, end = unpack(state_of(world)).looks, unpack(state_of(world)).last_end
    assert looks > 0
    spoil(world, state)
    world.now += 1
    decision = world.turn()
    again = unpack(state_of(world))
    assert (again.looks, again.last_end) in [(looks, end), (looks + 1, (end or 0) + 1)], "no look is lost, none twice"
    told = [event for event in decision.events if event.reason is EventReason.EVIDENCE_RESTARTED]
    assert len(told) == 1
    assert told[0].warning
    world.turn()
    assert reasons(world).count(EventReason.EVIDENCE_RESTARTED) == 1


def test_harm_is_found_all_the_same() -> None:
    world = in_first_step()
    spoil(world, "v9:AAAA")
    world.loss_by_version["v2"] = 5.0
    world.run(300, until="RolledBack")
    assert phase(world) is Phase.ROLLED_BACK
