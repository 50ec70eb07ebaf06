"""When a rollout is looked at again: never in the past, which would keep the operator busy with nothing else."""

from __future__ import annotations

from lossgate.api.reasons import Phase
from lossgate.rollout.decision import Decision
from lossgate.rollout.looks import LooksWanted, wanted
from tests.rollout.world import World, a_spec


def serving() -> World:
    world = World(a_spec(), {"v1": 0.30, "v2": 0.25, "v3": 0.25, "v4": 3.0})
    return world.run(60, until="Healthy").run(600)


def phase(world: World) -> Phase:
    return world.status.phase


def turns(world: World, seconds: int) -> list[Decision]:
    decisions = []
    for _ in range(seconds):
        decisions.append(world.turn())
        due = decisions[-1].due
        assert due is None or due > world.now, world.status
        world.now += 1.0
    return decisions


def test_due_time_is_never_past_while_a_rollout_follows_a_promotion() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.run(6000, until="Healthy")
    old = world.status.previous
    assert old is not None
    world.edit(a_spec("v3"))
    turns(world, 700)
    assert world.status.phase is Phase.PROGRESSING
    assert world.deployments[world.snapshot().target].replicas > 0
    pods = world.snapshot().deployment(old.revision)
    assert pods is None or pods.replicas == 0, "its time is over"


def test_due_time_is_never_past_while_a_rollback_waits_for_its_gateway() -> None:
    world = serving()
    world.edit(a_spec("v4"))
    world.run(3000, until="RollingBack")
    world.run(3)
    assert world.status.settled is not None
    world.route_accepted = False
    turns(world, 60)
    assert phase(world) is Phase.ROLLING_BACK, "requests may still reach it"
    world.route_accepted = True
    turns(world, 10)
    assert phase(world) is Phase.ROLLED_BACK


def test_first_look_after_an_edit_of_the_interval_is_on_its_grid_and_counts_nothing_twice() -> None:
    world = serving()
    world.edit(a_spec("v3"))
    world.run(400)
    before = wanted(world.snapshot(), world.now + 60)
    assert isinstance(before, LooksWanted)
    counted_until = before.first_end - 10
    for interval in (3, 7, 15, 60):
        world.spec = a_spec("v3", loss={"interval": f"{interval}s", "settle": "5s"})
        want = wanted(world.snapshot(), world.now + 600)
        assert isinstance(want, LooksWanted)
        assert want.first_end % interval == 0
        assert want.last_end % interval == 0
        assert counted_until <= want.first_end - interval < counted_until + 2 * interval
