"""The size changes at any moment, pods start late, room is short: no version is ever left with too few pods."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgate.api.names import Revision
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.rollout.decision import Decision, ScaleDeployment, SetWeights, Write
from lossgate.rollout.snapshot import DeploymentSeen
from tests.rollout.test_decide import condition, phase, reasons, serving
from tests.rollout.test_setbacks import in_first_step, set_pods
from tests.rollout.world import World, a_spec

BRISK = {"gate__onInconclusive": "Promote", "gate__maxDuration": "40s", "scaleDownDelay": "20s"}


@dataclass
class SlowWorld(World):
    """Pods start late and only where there is room; whatever a write leaves too small is noted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wrong: list[str] = []
        self.total_room = 99
        self.asked = 0

    def turn(self) -> Decision:
        self.asked = self.snapshot().replicas
        self._start_pods()
        return super().turn()

    def apply(self, write: Write) -> None:
        before = self.weights
        super().apply(write)
        if isinstance(write, SetWeights):
            self._check_raise(before, write)
        if isinstance(write, ScaleDeployment) and self.status.phase is not Phase.INITIALIZING:
            self._check_size(write)

    def _check_raise(self, before: tuple[int, int] | None, write: SetWeights) -> None:
        if before is None or write.canary <= before[1]:
            return
        canary = self.services["digits-canary"]
        needed = self._needed(write.canary)
        if write.canary == 100:
            needed = max(self.asked, self.status.started_replicas or 0)
        if self.deployments[canary].ready_replicas < needed:
            self.wrong.append(f"{self.now}: {write} with {self.deployments[canary]}, {needed} needed of {self.asked}")

    def _check_size(self, write: ScaleDeployment) -> None:
        assert self.weights is not None
        for service, weight in zip(("digits", "digits-canary"), self.weights, strict=True):
            needed = self._needed(weight)
            if self.services[service] == write.revision and self.asked > 0 and write.replicas < needed:
                self.wrong.append(f"{self.now}: {write} at {weight}% of {self.asked}")

    def _needed(self, weight: int) -> int:
        return math.ceil(self.asked * weight / 100)

    def _resize(self, seen: DeploymentSeen) -> None:
        ready = min(seen.ready_replicas, seen.replicas)
        self.deployments[seen.revision] = replace(seen, existing_replicas=seen.replicas, ready_replicas=ready)

    def _start_pods(self) -> None:
        for revision, seen in self.deployments.items():
            taken = sum(other.ready_replicas for other in self.deployments.values())
            if seen.ready_replicas < seen.replicas and taken < self.total_room and self.random.random() < 0.5:
                self.deployments[revision] = replace(seen, ready_replicas=seen.ready_replicas + 1)


@dataclass
class User:
    """Somebody, or an autoscaler, who edits the spec at random."""

    random: random.Random
    version: str = "v1"
    replicas: int | None = 4
    paused: bool = False

    def edit(self) -> RolloutSpec:
        match self.random.randrange(8):
            case 0 | 1 | 2 | 3:
                self.replicas = self.random.choice([0, 1, 2, 3, 4, 5, 8, 8, None])
            case 4 | 5:
                self.version = self.random.choice(["v1", "v2", "v3"])
            case 6:
                self.paused = not self.paused
        return self.spec()

    def spec(self) -> RolloutSpec:
        return a_spec(self.version, replicas=self.replicas, paused=self.paused, **BRISK)


def sizes(world: World) -> Iterator[tuple[int, int]]:
    for seen in world.deployments.values():
        yield seen.replicas, seen.ready_replicas


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_whatever_changes_no_version_is_left_short_and_sizes_converge(seed: int) -> None:
    chance = random.Random(seed)
    user = User(chance)
    losses = {"v1": 0.3, "v2": 0.25, "v3": 0.3}
    world = SlowWorld(user.spec(), losses, seed=seed, labels_per_second=2000.0)
    for _ in range(250):
        if chance.random() < 0.05:
            world.edit(user.edit())
        if chance.random() < 0.03:
            world.total_room = chance.choice([4, 6, 10, 99])
        world.turn()
        assert world.wrong == []
        world.now += 1.0
    world.total_room = 99
    user.paused, user.replicas = False, 5
    world.edit(user.spec())
    world.run(240)
    assert world.wrong == []
    stable = world.status.stable
    assert stable is not None
    assert phase(world) in (Phase.HEALTHY, Phase.ROLLED_BACK), world.status
    assert world.weights == (100, 0)
    assert sorted(sizes(world), reverse=True)[0] == (5, 5)
    assert sum(replicas for replicas, _ in sizes(world)) == 5
    assert world.deployments[Revision(stable.revision)].replicas == 5
    assert world.status.replicas == 5, "an autoscaler sees the pods that exist"
    assert world.status.selector == "lossgate.io/rollout=digits"


def resize(world: World, replicas: int | None, version: str = "v2", **changes: Any) -> None:
    world.edit(a_spec(version, replicas=replicas, **changes))


@pytest.mark.parametrize("replicas", [1, 2, 8])
def test_another_size_in_a_step_is_no_new_version_and_resets_no_evidence(replicas: int) -> None:
    # flagger: an autoscaler changed the size in the middle of an analysis.
    world = in_first_step()
    world.run(300)
    assert world.status.step is not None
    looks = world.status.step.looks
    told = len(world.events)
    resize(world, replicas)
    world.run(11)
    assert world.status.step.looks in (looks + 1, looks + 2)
    assert len(world.events) == told
    assert world.weights == (80, 20)
    assert world.deployments[world.snapshot().target].replicas == math.ceil(replicas * 0.2)


def test_fewer_stable_pods_never_come_before_the_weight_has_somewhere_to_go() -> None:
    # kserve: the old version was made smaller before the new one was ready.
    world = serving()
    stable = world.snapshot().target
    world.edit(a_spec("v2"))
    world.pods_start = False
    world.run(120)
    assert world.weights == (100, 0)
    assert world.deployments[stable].ready_replicas == 4
    assert not [write for write in world.writes if isinstance(write, ScaleDeployment)]


@pytest.mark.parametrize(("now", "promoted_at"), [(2, 4), (4, 4), (6, 6)])
def test_promotion_needs_the_larger_of_now_and_the_start_then_the_size_asked_for(now: int, promoted_at: int) -> None:
    world = in_first_step()
    resize(world, now)
    canary = world.snapshot().target
    world.run(3000, until="Promoting")
    world.run(60, until="Healthy")
    assert ScaleDeployment(canary, promoted_at) in world.writes
    world.run(3)
    assert world.deployments[canary].replicas == now


def test_size_zero_in_a_rollout_holds_it_and_its_evidence() -> None:
    changes: dict[str, Any] = {
        "progressDeadlineSeconds": 60,
        "gate__maxDuration": "10m",
        "gate__onInconclusive": "Promote",
    }
    world = in_first_step(**changes)
    world.run(100)
    assert world.status.step is not None
    looks = world.status.step.looks
    resize(world, 0, **changes)
    world.silent = (world.now, world.now + 1200)
    world.run(1200)
    assert phase(world) is Phase.PROGRESSING, "nothing is decided while nothing serves"
    assert all(seen.replicas == 0 for seen in world.deployments.values())
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.REQUESTED)
    assert reasons(world).count(EventReason.PAUSED) == 1
    assert condition(world, ConditionType.READY) == ("True", Reason.STABLE_SERVING)
    resize(world, 4, **changes)
    world.run(15)
    assert (world.status.step.index, phase(world)) == (0, Phase.PROGRESSING), "the time at size 0 does not count"
    assert world.status.step.looks >= looks
    assert condition(world, ConditionType.PROMOTED) == ("Unknown", Reason.ANALYSING)
    world.run(3000, until="Healthy")
    assert world.status.history[-1].result == "Promoted"


def test_size_zero_does_not_keep_a_bad_version_in_the_route() -> None:
    world = in_first_step("v4", gate__guardExcess="1000%")
    world.run(3000, until="RollingBack")
    world.weights = (80, 20)
    resize(world, 0, "v4")
    world.run(3)
    assert world.weights == (100, 0)


def test_size_that_nobody_owns_any_more_stays_as_it_is() -> None:
    world = serving(replicas=6)
    resize(world, None, "v1")
    world.run(5)
    assert world.writes == []
    resize(world, None, "v2")
    world.run(6000, until="Promoting")
    world.run(60, until="Healthy")
    world.run(3)
    assert world.deployments[world.snapshot().target].replicas == 6


def test_deployment_that_was_deleted_comes_back_at_its_size_also_where_the_spec_names_none() -> None:
    world = serving(replicas=6)
    resize(world, None, "v1")
    world.run(3)
    del world.deployments[world.snapshot().target]
    world.run(3)
    assert world.deployments[world.snapshot().target].replicas == 6


READY_AND_WEIGHT = [
    # asked, ready before, ready now, weight now
    (10, 2, 2, 20),
    (10, 2, 1, 20),
    (10, 2, 0, 0),
    (10, 1, 2, 20),
    (10, 1, 1, 0),
    (10, 0, 0, 0),
]


@pytest.mark.parametrize(("replicas", "before", "now", "weight"), READY_AND_WEIGHT)
def test_weight_rises_to_all_pods_of_the_step_and_falls_only_when_none_is_ready(
    replicas: int, before: int, now: int, weight: int
) -> None:
    world = serving(replicas=replicas)
    world.edit(a_spec("v2", replicas=replicas))
    canary = world.snapshot().target
    for ready in (before, now):
        world.turn()
        world.deployments[canary] = replace(world.deployments[canary], ready_replicas=ready)
        world.run(3)
    assert world.weights == (100 - weight, weight)


def no_room(world: World, failure: str = "") -> None:
    """Let the canary have one pod and no more."""
    canary = world.snapshot().target
    world.room = 1
    world.deployments[canary] = replace(world.deployments[canary], ready_replicas=1, failure=failure)


def test_no_room_for_the_promotion_holds_says_how_many_and_goes_on_when_there_is() -> None:
    world = in_first_step(steps=[{"weight": 20}])
    world.room = 3
    world.run(3000, until="Promoting")
    world.run(900)
    assert phase(world) is Phase.PROMOTING
    assert world.weights == (80, 20)
    promoted = world.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert (promoted.status, promoted.reason) == ("Unknown", Reason.INSUFFICIENT_CAPACITY)
    assert "3/4 pods of v2 are ready" in promoted.message
    assert reasons(world).count(EventReason.INSUFFICIENT_CAPACITY) == 1
    assert world.status.step is not None
    assert world.status.step.looks > 150, "evidence is gathered on"
    world.room = 99
    world._resize(world.deployments[world.snapshot().target])
    world.run(30, until="Healthy")
    assert condition(world, ConditionType.PROMOTED) == ("True", Reason.PROMOTED)


def test_harm_found_while_there_is_no_room_for_the_promotion_rolls_back() -> None:
    world = in_first_step(steps=[{"weight": 20}])
    world.room = 3
    world.run(3000, until="Promoting")
    world.loss_by_version["v2"] = 3.0
    world.run(900, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_quota_is_told_at_once_and_other_missing_pods_when_they_are_late() -> None:
    world = in_first_step()
    no_room(world, failure='pods "x" is forbidden: exceeded quota: gpus')
    world.run(1200)
    told = [event.message for event in world.events if event.reason is EventReason.INSUFFICIENT_CAPACITY]
    assert len(told) == 1
    assert "1/2 pods of v2 are ready" in told[0]
    assert "exceeded quota: gpus" in told[0]
    assert world.weights == (80, 20), "a version that has served is held, not rolled back"


@pytest.mark.parametrize(("ready", "served", "rolled_back"), [(0, False, True), (1, False, True), (1, True, False)])
def test_canary_that_never_gets_the_pods_of_its_first_step_is_rolled_back_with_the_clusters_reason(
    ready: int, served: bool, rolled_back: bool
) -> None:
    changes = {"replicas": 10, "progressDeadlineSeconds": 300}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    canary = world.snapshot().target
    if served:
        world.run(60)
        assert world.weights == (80, 20)
    world.turn()
    world.deployments[canary] = replace(
        world.deployments[canary], ready_replicas=ready, deadline_exceeded=True, failure="exceeded quota: gpus"
    )
    if not served:
        world.turn()
        assert condition(world, ConditionType.PROMOTED) == ("False", Reason.PROGRESS_DEADLINE)
        return
    world.run(400)
    assert (phase(world) is Phase.ROLLED_BACK) is rolled_back
    assert world.weights == (80, 20)


def test_deadline_counts_also_where_the_deployment_does_not_say_so() -> None:
    changes = {"replicas": 10, "progressDeadlineSeconds": 300}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    world.room = 1
    world.run(320, until="RolledBack")
    promoted = world.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert promoted.reason is Reason.PROGRESS_DEADLINE
    assert "Only 1/2 pods of the canary" in promoted.message


def test_quota_before_the_first_step_is_why_nothing_is_measured() -> None:
    world = serving()
    world.edit(a_spec("v2"))
    world.broken.add(world.snapshot().target)
    world.run(3)
    canary = world.snapshot().target
    world.deployments[canary] = replace(world.deployments[canary], failure="exceeded quota: gpus")
    world.turn()
    assert condition(world, ConditionType.MEASURED) == ("False", Reason.INSUFFICIENT_CAPACITY)


def test_stable_version_without_a_pod_is_stalled_and_told_once() -> None:
    world = serving()
    stable = world.snapshot().target
    world.broken.add(stable)
    world._resize(world.deployments[stable])
    world.run(50)
    assert condition(world, ConditionType.READY) == ("False", Reason.STABLE_UNAVAILABLE)
    assert world.status.condition(ConditionType.STALLED) is None, "Helm gives up at once where it says Stalled"
    world.run(20)
    assert condition(world, ConditionType.STALLED) == ("True", Reason.STABLE_UNAVAILABLE)
    assert reasons(world) == [EventReason.STABLE_UNAVAILABLE]
    world.broken.clear()
    world._resize(world.deployments[stable])
    world.turn()
    assert world.status.condition(ConditionType.STALLED) is None


def test_first_version_that_starts_is_not_stalled() -> None:
    world = World(a_spec(), pods_start=False)
    world.run(60)
    assert world.status.condition(ConditionType.STALLED) is None


def test_pods_that_come_back_after_a_total_loss_regain_their_weight() -> None:
    world = in_first_step()
    set_pods(world, broken=True)
    world.run(60)
    set_pods(world, broken=False)
    world.run(3)
    assert world.weights == (80, 20)
