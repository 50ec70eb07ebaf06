"""A seeded status is just one look away from its verdict, on evidence that the engine itself packed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lossgate.api.status import RolloutStatus
from lossgate.stats import unpack
from tests import seeded
from tests.rollout.world import World, a_spec

ONE_STEP = {"steps": [{"weight": 50}], "loss__interval": "1s", "loss__settle": "0s"}


def progressing(version: str, loss: float) -> World:
    world = World(a_spec("v1", **ONE_STEP), {"v1": 0.30, version: loss}, labels_per_second=8000.0)
    world.run(60, until="Healthy")
    world.edit(a_spec(version, **ONE_STEP))
    return world.run(8)


def rollout(world: World) -> seeded.Manifest:
    return {
        "metadata": {"name": "digits", "namespace": "ml", "generation": world.generation},
        "spec": world.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        "status": world.status.to_manifest(),
    }


@pytest.mark.parametrize(
    ("version", "loss", "seed", "then", "looks"),
    [("v2", 0.30, seeded.before_promotion, "Promoting", 80), ("v4", 0.345, seeded.before_harm, "RollingBack", 40)],
)
def test_next_look_brings_the_verdict(
    version: str, loss: float, seed: Callable[..., seeded.Manifest], then: str, looks: int
) -> None:
    world = progressing(version, loss)
    status = seed(rollout(world), last_end=world.now)
    world.status = RolloutStatus.model_validate(status)
    assert world.status.to_manifest() == status
    assert world.status.step is not None
    assert world.status.step.looks == looks - 1
    world.turn()
    assert world.status.phase == "Progressing"
    world.now += 1
    world.turn()
    assert world.status.phase == then
    assert world.status.analysis is not None
    assert world.status.analysis.state is not None
    gate = unpack(world.status.analysis.state)
    assert (gate.looks, gate.last_end) == (looks, world.now)
