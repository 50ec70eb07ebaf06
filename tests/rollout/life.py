"""Lives of rollouts, moment by moment: what the API server would hand out after each turn of the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lossgate.api.reasons import Phase, Reason
from lossgate.api.status import RolloutStatus
from lossgate.rollout.snapshot import MeasurementFailed, Obstacle
from tests.rollout.world import World, a_spec

Manifest = dict[str, Any]

UNSEEN: Manifest = {"observedGeneration": -1}
"""The status that the CRD's default gives an object that no operator has seen."""
LOSSES = {"v1": 0.30, "v2": 0.25, "v3": 0.42, "v4": 3.0}


@dataclass(frozen=True, slots=True)
class Moment:
    """A ModelRollout as it is stored, and whether the operator has had a turn since the last edit."""

    manifest: Manifest
    phase: Phase
    served: bool
    """Whether a version has ever served."""


def manifest(world: World) -> Manifest:
    """Return the ModelRollout as the API server has it."""
    status = UNSEEN if world.status == RolloutStatus() else world.status.to_manifest()
    return {
        "apiVersion": "lossgate.io/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": world.name, "namespace": "ml", "generation": world.generation},
        "status": status,
    }


def live(world: World, seconds: float, until: str | None = None, *, stride: float = 1.0) -> Iterator[Moment]:
    """Yield the moments of a life, before its first turn and after each, until the phase is `until`."""
    yield _moment(world)
    end = world.now + seconds
    while world.now < end:
        world.turn()
        yield _moment(world)
        if until is not None and world.status.phase == until:
            return
        world.now += stride
    assert until is None, f"not {until} within {seconds:.0f} s: {world.status}"


def _moment(world: World) -> Moment:
    served = world.status.phase is not Phase.INITIALIZING
    return Moment(manifest(world), world.status.phase, served)


def served(**changes: Any) -> World:
    """Return a world whose first version has served for ten minutes, without its events."""
    world = World(a_spec(**changes), dict(LOSSES))
    world.run(60, until="Healthy")
    world.run(600)
    world.events.clear()
    return world


def first_version() -> Iterator[Moment]:
    """The first version's pods take a minute to start."""
    world = World(a_spec(), dict(LOSSES), pods_start=False)
    yield from live(world, 60)
    world.pods_start = True
    for seen in list(world.deployments.values()):
        world._resize(seen)
    yield from live(world, 60, "Healthy")
    yield from live(world, 60)


def first_version_refused() -> Iterator[Moment]:
    """The API server refuses the first Deployment, until the template is mended."""
    world = World(a_spec(), dict(LOSSES), obstacle=Obstacle(Reason.TEMPLATE_INVALID, "image: Required value"))
    world.pods_start = False
    yield from live(world, 30)
    world.obstacle, world.pods_start = None, True
    for seen in list(world.deployments.values()):
        world._resize(seen)
    yield from live(world, 60, "Healthy")


def promoted() -> Iterator[Moment]:
    """A rollout of about six hours that ends well."""
    slow = {"loss__interval": "2m"}
    world = served(**slow)
    world.edit(a_spec("v2", **slow))
    yield from live(world, 2)
    began = world.now
    yield from live(world, 10 * 3600, "Healthy", stride=15)
    assert world.now - began > 5 * 3600
    yield from live(world, 1200, stride=15)


def rolled_back() -> Iterator[Moment]:
    """Harm is found; then the spec goes back."""
    world = served()
    world.edit(a_spec("v4"))
    yield from live(world, 6000, "RolledBack")
    yield from live(world, 60)
    world.edit(a_spec("v1"))
    yield from live(world, 60, "Healthy")


def aborted() -> Iterator[Moment]:
    """The spec goes back to the stable version while the next is being judged."""
    world = served()
    world.edit(a_spec("v2"))
    yield from live(world, 100)
    world.edit(a_spec("v1"))
    yield from live(world, 2)
    yield from live(world, 60, "Healthy")
    yield from live(world, 5)


def paused() -> Iterator[Moment]:
    """Paused on request for an hour, then let go on."""
    world = served()
    world.edit(a_spec("v2"))
    yield from live(world, 100)
    world.edit(a_spec("v2", paused=True))
    yield from live(world, 3600, stride=10)
    assert world.status.phase is Phase.PAUSED
    world.edit(a_spec("v2"))
    yield from live(world, 6000, "Healthy")


def inconclusive() -> Iterator[Moment]:
    """Too little time for a verdict, and nobody comes."""
    short = {"gate__maxDuration": "5m", "gate__pauseTimeout": "10m"}
    world = served(**short)
    world.edit(a_spec("v2", **short))
    yield from live(world, 600, "Paused")
    yield from live(world, 1200, "RolledBack")


def outage() -> Iterator[Moment]:
    """Prometheus is away for five minutes in the middle."""
    world = served()
    world.edit(a_spec("v2"))
    yield from live(world, 300)
    world.measurement = MeasurementFailed(Reason.METRICS_UNREACHABLE, "connection refused (http://prometheus:9090)")
    yield from live(world, 300)
    world.measurement = None
    yield from live(world, 6000, "Healthy")


def stalled() -> Iterator[Moment]:
    """The API server refuses the canary's Deployment for a while."""
    world = served()
    world.edit(a_spec("v2"))
    world.obstacle = Obstacle(Reason.TEMPLATE_INVALID, "image: Required value")
    yield from live(world, 120)
    world.obstacle = None
    yield from live(world, 6000, "Healthy")


def stable_unavailable() -> Iterator[Moment]:
    """All pods of the stable version are gone for two minutes."""
    world = served()
    pods = next(iter(world.deployments.values()))
    world.broken.add(pods.revision)
    world._resize(pods)
    yield from live(world, 120)
    world.broken.clear()
    world._resize(pods)
    yield from live(world, 30)


LIVES: tuple[Callable[[], Iterator[Moment]], ...] = (
    first_version,
    first_version_refused,
    promoted,
    rolled_back,
    aborted,
    paused,
    inconclusive,
    outage,
    stalled,
    stable_unavailable,
)
