"""A status that an earlier version stored is read by this one, which goes on from it and loses nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lossgate.api.names import Revision
from lossgate.api.reasons import EventReason, Phase
from lossgate.rollout import stored
from lossgate.rollout.mending import mend
from lossgate.rollout.snapshot import DeploymentSeen
from tests.rollout.world import World, a_spec
from tests.upgrade.make_samples import LOSSES

FOLDER = Path(__file__).parent
SAMPLES = sorted(FOLDER.glob("status-*/*.json"))
RESTARTS = (EventReason.EVIDENCE_RESTARTED, EventReason.STATUS_MENDED, EventReason.ROLLOUT_STARTED)


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def world_of(sample: dict[str, Any]) -> World:
    """Return the world that a sample was taken from, as today's code finds it."""
    changes: dict[str, Any] = {"gate__maxDuration": f"{sample['maxDuration']:.0f}s"}
    if sample["paused"]:
        changes["paused"] = True
    status, unread = stored.read(sample["status"])
    assert unread == ()
    weights = sample["weights"]
    world = World(a_spec(sample["version"], **changes), dict(LOSSES), now=sample["now"], status=status)
    world.generation = sample["generation"]
    world.weights = (weights[0], weights[1]) if weights else None
    world.services = {name: Revision(revision) for name, revision in sample["services"].items()}
    if status.route is not None:
        world.route_generation = status.route.generation
    for revision, (replicas, ready) in sample["deployments"].items():
        seen = DeploymentSeen(Revision(revision), replicas, existing_replicas=replicas, ready_replicas=ready)
        world.deployments[Revision(revision)] = seen
    return world


def lost(old: Any, new: Any, place: str = "status") -> list[str]:
    """Return what is not in a manifest any more as it was; more may have come to it."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [where for name, part in old.items() for where in lost(part, new.get(name), f"{place}.{name}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [where for one, other in zip(old, new, strict=True) for where in lost(one, other, f"{place}[]")]
    return [] if old == new else [place]


def samples(name: str) -> list[Any]:
    return [pytest.param(path, id=path.parent.name) for path in SAMPLES if path.stem == name]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_status_of_an_earlier_version_is_sound_and_nothing_of_it_is_lost(path: Path) -> None:
    sample = read(path)
    world = world_of(sample)
    assert lost(sample["status"], world.status.to_manifest()) == [], "every field is known, and written back as it was"
    seen = world.snapshot()
    assert mend(seen, world.now) is seen
    before = world.status
    world.now += 1
    world.turn()
    assert not set(RESTARTS) & {event.reason for event in world.events}
    assert world.status.phase in (before.phase, Phase.HEALTHY, Phase.ROLLED_BACK), world.events
    assert world.status.history[: len(before.history)] == before.history
    assert world.status.baseline == before.baseline
    if before.step is not None and world.status.step is not None:
        assert world.status.step.looks >= before.step.looks


@pytest.mark.parametrize("path", samples("progressing"))
def test_evidence_goes_on_to_a_verdict(path: Path) -> None:
    world = world_of(read(path))
    before = world.status.step
    assert before is not None
    world.run(60)
    assert world.status.step is not None
    assert world.status.step.began == before.began
    assert world.status.step.looks >= before.looks + 4, "no look is lost by the upgrade"
    world.loss_by_version["v2"] = 3.0
    world.run(300, until=Phase.ROLLING_BACK)
    assert world.status.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize(
    ("name", "phase"),
    [("promoting", Phase.HEALTHY), ("rolling-back", Phase.ROLLED_BACK), ("initializing", Phase.HEALTHY)],
)
def test_what_was_under_way_is_finished(name: str, phase: Phase) -> None:
    for path in (param.values[0] for param in samples(name)):
        world = world_of(read(path))
        for revision, seen in list(world.deployments.items()):
            world._resize(seen)
            assert world.deployments[revision].ready_replicas == seen.replicas
        world.run(120, until=phase)
        assert world.status.phase is phase, world.events


@pytest.mark.parametrize("path", samples("rolled-back"))
def test_what_was_rolled_back_stays_out(path: Path) -> None:
    world = world_of(read(path)).run(60)
    assert world.status.phase is Phase.ROLLED_BACK
    assert world.weights == (100, 0)
    assert world.events == []


def test_every_version_has_the_same_situations() -> None:
    by_version = {path.parent.name: {other.stem for other in path.parent.iterdir()} for path in SAMPLES}
    assert set(by_version) == {"status-0.1.0", "status-0.2.0"}
    assert len({frozenset(names) for names in by_version.values()}) == 1


def test_a_later_version_may_have_written_more() -> None:
    """After a `helm rollback` this code reads what a later one wrote: what it does not know, it leaves out."""
    sample = read(FOLDER / "status-0.2.0" / "progressing.json")
    manifest = sample["status"]
    manifest |= {"laterField": {"a": 1}}
    manifest["step"] |= {"laterField": 3}
    manifest["conditions"].append(
        {
            "type": "LaterType",
            "status": "True",
            "lastTransitionTime": "2023-11-14T22:13:20Z",
            "reason": "X",
            "message": "",
        }
    )
    manifest["conditions"][0]["reason"] = "LaterReason"
    status, unread = stored.read(manifest)
    assert sorted(unread) == ["conditions.0", "conditions.3"]
    assert status.step is not None
    assert status.step.looks == 27
    assert status.analysis is not None
    assert status.analysis.state == manifest["analysis"]["state"]
