"""Writes what a version of the operator stores in each situation: `python -m tests.upgrade.make_samples VERSION`.

The samples of a version are made by that version's own code, in its tests' world, and never again: check out the commit
that it was released from (0.1.0: c128d02, the last before its chart became 0.2.0; 0.2.0: 172b492), put this file at the
same place in it, run it there, and copy the folder `status-VERSION` here. A new release adds a folder of its own.

Each sample has the status as stored and what else there was at that moment: versions in the spec, pods, Services and
the route's weights, so that today's code can go on from it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.rollout.world import World, a_spec

LOSSES = {"v1": 0.30, "v2": 0.30, "v3": 0.25, "v4": 3.0}


def serving() -> World:
    """Return a world whose first version serves, with a history of losses."""
    world = World(a_spec(), dict(LOSSES))
    world.run(60, until="Healthy")
    return world.run(600)


def rolled_out(version: str, seconds: float, until: str | None = None, **changes: Any) -> World:
    """Return a world in which a version is on its way."""
    world = serving()
    world.edit(a_spec(version, **changes))
    world.run(1)
    return world.run(seconds, until=until)


def promoting() -> World:
    """Return a world whose canary passed all steps and awaits its pods."""
    world = rolled_out("v3", 3600, until="Promoting")
    world.now += 1
    world.turn()
    return world


def healthy_with_history() -> World:
    """Return a world after a promotion and a rollback."""
    world = rolled_out("v3", 3600, until="Promoting")
    world.run(200, until="Healthy")
    world.edit(a_spec("v4"))
    world.run(1)
    world.run(900, until="RolledBack")
    world.edit(a_spec("v3"))
    return world.run(30)


SITUATIONS = {
    "initializing": lambda: World(a_spec(), dict(LOSSES), pods_start=False).run(2),
    "healthy": serving,
    "progressing": lambda: rolled_out("v2", 300),
    "paused": lambda: rolled_out("v2", 300, paused=True),
    "inconclusive": lambda: rolled_out("v2", 900, until="Paused", gate__maxDuration="5m"),
    "promoting": promoting,
    "rolling-back": lambda: rolled_out("v4", 900, until="RollingBack"),
    "rolled-back": lambda: rolled_out("v4", 900, until="RolledBack"),
    "healthy-with-history": healthy_with_history,
}


def sample(world: World) -> dict[str, Any]:
    """Return what is stored, and what else there is."""
    return {
        "now": world.now,
        "generation": world.generation,
        "version": world.spec.model.version,
        "paused": world.spec.paused,
        "maxDuration": world.spec.gate.max_duration_seconds,
        "deployments": {revision: [seen.replicas, seen.ready_replicas] for revision, seen in world.deployments.items()},
        "services": dict(world.services),
        "weights": world.weights,
        "status": world.status.to_manifest(),
    }


def main(version: str) -> None:
    """Write all samples of the version that this runs in."""
    folder = Path(__file__).parent / f"status-{version}"
    folder.mkdir(exist_ok=True)
    for name, build in SITUATIONS.items():
        world = build()
        text = json.dumps(sample(world), indent=1, sort_keys=True)
        (folder / f"{name}.json").write_text(f"{text}\n")
        print(name, world.status.phase, world.status.step.looks if world.status.step else "")


if __name__ == "__main__":
    main(sys.argv[1])
