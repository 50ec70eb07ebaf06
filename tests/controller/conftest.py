"""What tests of faults begin with and are compared to."""

from __future__ import annotations

from typing import Any

import pytest

from lossgate.api.reasons import Phase
from tests.controller import virtual_time
from tests.controller.prometheus_stage import LOOKS_AFTER, Seed, Stage, play
from tests.controller.scene import looks_taken


@pytest.fixture(scope="session")
def healthy() -> Seed:
    """The first version serves."""
    seeds: list[Seed] = []

    async def scene(stage: Stage) -> None:
        await stage.process.run(lambda: stage.cluster.status.phase is Phase.HEALTHY)
        await stage.process.rest()
        seeds.append(Seed(stage.cluster.storage, virtual_time.monotonic()))

    play(scene)
    return seeds[0]


@pytest.fixture(scope="session")
def undisturbed(healthy: Seed) -> dict[int, tuple[Any, ...]]:
    """The evidence by the number of looks, in a run without faults."""
    found: dict[int, tuple[Any, ...]] = {}

    async def scene(stage: Stage) -> None:
        stage.apply("v2")
        for count in range(1, LOOKS_AFTER + 8):
            await stage.until_looks(count)
            found[looks_taken(stage.cluster)] = stage.evidence()

    play(scene, healthy)
    return found
