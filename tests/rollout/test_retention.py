"""Which Deployments of earlier revisions are kept, and that a version that comes back finds its pods."""

from __future__ import annotations

import pytest

from lossgate.api.names import Revision
from lossgate.api.reasons import EventReason, Phase
from lossgate.rollout.decision import CreateDeployment, DeleteDeployment, ScaleDeployment
from tests.rollout.test_decide import phase, reasons, serving
from tests.rollout.world import World, a_spec

FAST = {"gate__onInconclusive": "Promote", "gate__maxDuration": "1m", "scaleDownDelay": "10s"}


def promoted(world: World, version: str, **changes: object) -> Revision:
    """Bring in a version without waiting for its verdict."""
    world.loss_by_version.setdefault(version, 0.3)
    world.edit(a_spec(version, **(FAST | changes)))
    world.run(1)
    world.run(600, until="Healthy")
    world.run(15)
    assert world.status.stable is not None
    assert world.status.stable.model_version == version
    return Revision(world.status.stable.revision)


def aborted(world: World, version: str, back_to: str, **changes: object) -> Revision:
    """Begin a rollout and go back to the stable version."""
    world.loss_by_version.setdefault(version, 0.3)
    world.edit(a_spec(version, **(FAST | changes)))
    revision = world.snapshot().target
    world.run(50)
    world.edit(a_spec(back_to, **(FAST | changes)))
    world.run(20)
    assert phase(world) is Phase.HEALTHY
    return revision


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_old_revisions_are_kept_without_pods_up_to_the_limit(limit: int) -> None:
    world = serving(revisionHistoryLimit=limit, **FAST)
    assert world.status.stable is not None
    served = [Revision(world.status.stable.revision)]
    served += [promoted(world, f"v1{number}", revisionHistoryLimit=limit) for number in range(5)]
    old = served[-2::-1][: max(limit, 1)]
    assert set(world.deployments) == {served[-1], *old}, "the one replaced last stays in any case"
    assert [world.deployments[revision].replicas for revision in old] == [0] * len(old)


def test_revision_that_was_tried_in_vain_is_kept_and_counts() -> None:
    world = serving(revisionHistoryLimit=2, **FAST)
    first = world.snapshot().target
    second = promoted(world, "v12", revisionHistoryLimit=2)
    tried = [aborted(world, version, "v12", revisionHistoryLimit=2) for version in ("v13", "v14")]
    assert set(world.deployments) == {second, first, *tried}
    tried.append(aborted(world, "v15", "v12", revisionHistoryLimit=2))
    assert set(world.deployments) == {second, first, *tried[1:]}
    assert all(world.deployments[revision].replicas == 0 for revision in (first, *tried[1:]))


def test_revision_that_was_used_again_is_no_longer_the_oldest() -> None:
    world = serving(revisionHistoryLimit=2, **FAST)
    served = [promoted(world, version, revisionHistoryLimit=2) for version in ("v12", "v13", "v12", "v14", "v15")]
    assert set(world.deployments) == {served[4], served[3], served[2]}


def test_replaced_canary_keeps_its_deployment_but_no_pod() -> None:
    world = serving()
    world.edit(a_spec("v3"))
    replaced = world.snapshot().target
    world.run(100)
    world.edit(a_spec("v2"))
    world.run(60)
    assert world.deployments[replaced].replicas == 0
    assert not any(isinstance(write, DeleteDeployment) for write in world.writes)


def test_old_template_that_is_applied_again_makes_no_new_deployment() -> None:
    world = serving(**FAST)
    first = world.snapshot().target
    promoted(world, "v12")
    promoted(world, "v13")
    world.writes.clear()
    world.edit(a_spec("v1", **FAST))
    world.run(30)
    assert ScaleDeployment(first, 1) in world.writes
    assert not any(isinstance(write, CreateDeployment) for write in world.writes)


def test_previous_version_that_comes_back_in_time_keeps_its_pods() -> None:
    slow = {"scaleDownDelay": "10m"}
    world = serving(**FAST | slow)
    first = world.snapshot().target
    promoted(world, "v12", **slow)
    assert world.deployments[first].replicas == 4
    world.writes.clear()
    world.events.clear()
    world.edit(a_spec("v1", **(FAST | slow)))
    world.run(1)
    world.run(600, until="Healthy")
    assert world.status.stable is not None
    assert world.status.stable.revision == first
    assert not [write for write in world.writes if isinstance(write, ScaleDeployment) and write.revision == first]


def test_previous_version_that_is_judged_again_gives_up_the_pods_it_does_not_need_in_time() -> None:
    slow = {"scaleDownDelay": "5m"}
    world = serving(**FAST | slow)
    first = world.snapshot().target
    promoted(world, "v12", **slow)
    world.events.clear()
    world.edit(a_spec("v1", **slow))
    world.run(320)
    assert world.weights == (80, 20)
    assert world.deployments[first].replicas == 1
    assert EventReason.SCALED_DOWN not in reasons(world), "it did not give up its pods: it serves a share"
