"""Whatever happens, and in whatever order: the invariants of a rollout hold at every turn, and it comes to rest."""

from __future__ import annotations

import pytest

from tests.rollout.histories import comes_to_rest, heal, play


def lives(seed: int, actions: int) -> None:
    world = play(seed, actions)
    heal(world)
    assert comes_to_rest(world), f"seed {seed}: {world.status}"


@pytest.mark.parametrize("seed", range(12))
def test_no_history_breaks_an_invariant_or_has_no_end(seed: int) -> None:
    lives(seed, actions=25)


@pytest.mark.soak
@pytest.mark.parametrize("block", range(20))
def test_many_histories(block: int) -> None:
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        lives(seed, actions=60)
