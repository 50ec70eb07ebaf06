"""A leader frozen with a write on its way, and woken when another has gone on: the write has no effect.

One process lives through a rollout. At every write the cluster is kept as it is just before, and the write with it.
Each is then a world of its own, in which another process takes over, and the write arrives late.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from lossgate.api import names
from lossgate.api.reasons import Phase
from lossgate.controller.kube import JSON, KubeError
from tests.controller import virtual_time
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.fake_kube import FakeKube, Place, Request, Storage
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import STATUS, kinds, results

Send = Callable[[FakeKube], Awaitable[Any]]


@dataclass(frozen=True)
class Frozen:
    """A write that is on its way, and what is stored at that moment."""

    request: Request
    send: Send
    objects: dict[Place, JSON]
    version: int
    uids: int

    def world(self) -> Cluster:
        """Return a cluster in which the write has not arrived."""
        cluster = a_cluster()
        cluster.storage.objects = copy.deepcopy(self.objects)
        cluster.storage.version, cluster.storage.uids = self.version, self.uids
        return cluster

    async def effect(self, cluster: Cluster) -> Request | None:
        """Let the write arrive in a copy of the cluster, and return it if anything changed."""
        storage = Storage(copy.deepcopy(cluster.storage.objects), cluster.storage.version, cluster.storage.uids)
        try:
            await self.send(FakeKube(storage))
        except KubeError as error:
            if error.status not in (404, 409, 422):
                raise
        return None if storage.version == cluster.storage.version else self.request


class RecordingKube(FakeKube):
    """Keeps every write together with what was stored just before."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        self.frozen: list[Frozen] = []

    async def create(self, body: JSON) -> JSON:
        self._keep(Request("POST", body["kind"], body["metadata"]["name"]), lambda kube: kube.create(body))
        return await super().create(body)

    async def patch(self, kind: str, namespace: str, name: str, changes: Mapping[str, Any]) -> JSON:
        self._keep(Request("PATCH", kind, name), lambda kube: kube.patch(kind, namespace, name, changes))
        return await super().patch(kind, namespace, name, changes)

    async def json_patch(self, kind: str, namespace: str, name: str, operations: Sequence[JSON]) -> JSON:
        self._keep(Request("PATCH", kind, name), lambda kube: kube.json_patch(kind, namespace, name, operations))
        return await super().json_patch(kind, namespace, name, operations)

    async def replace_status(self, body: JSON) -> JSON:
        if _is_turning_point(body, self.storage.objects[PLACE]):
            self._keep(Request("PUT", names.KIND, KEY.name), lambda kube: kube.replace_status(body))
        return await super().replace_status(body)

    async def delete(
        self, kind: str, namespace: str, name: str, preconditions: Mapping[str, str] | None = None
    ) -> None:
        self._keep(Request("DELETE", kind, name), lambda kube: kube.delete(kind, namespace, name, preconditions))
        await super().delete(kind, namespace, name, preconditions)

    def _keep(self, request: Request, send: Send) -> None:
        if request.kind != "Event":
            objects = copy.deepcopy(self.storage.objects)
            self.frozen.append(Frozen(request, send, objects, self.storage.version, self.storage.uids))


def _is_turning_point(body: JSON, stored: JSON) -> bool:
    """One of a hundred looks is like the other; what is decided otherwise than before is kept."""
    return _facts(body) != _facts(stored)


def _facts(body: JSON) -> tuple[Any, ...]:
    status = body.get("status", {})
    return (status.get("phase"), status.get("step", {}).get("index"), status.get("canary", {}).get("weight"))


def a_cluster() -> Cluster:
    return Cluster(v2=0.25, v4=0.55)


async def a_life(first: JSON, second: JSON) -> list[Frozen]:
    """Live through one rollout, the first version's included, and return its writes."""
    cluster = a_cluster()
    if "routeRef" in first["spec"]["traffic"]:
        cluster.storage.new(a_users_route())
    cluster.apply(first)
    recorder = RecordingKube(cluster.storage)
    process = OperatorProcess(cluster, kube=recorder)
    process.start()
    await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
    recorder.frozen.clear()
    cluster.apply(second)
    await process.run(lambda: bool(results(cluster)) and 0 in cluster.replicas().values(), within_seconds=6000)
    return recorder.frozen


def a_users_route() -> JSON:
    backends = [
        {"name": name, "port": 80, "weight": weight} for name, weight in (("digits", 100), ("digits-canary", 0))
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "users", "namespace": KEY.namespace},
        "spec": {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": backends}]},
    }


def a_successor(cluster: Cluster) -> OperatorProcess:
    """Return a process that leads because the Lease of the one before ran out."""
    process = OperatorProcess(cluster)
    process.lease.take_over = "pod-2.5f3a"
    return process


def nothing(cluster: Cluster, rollout: Callable[[str], JSON]) -> None:
    """The successor just goes on."""


def go_back(cluster: Cluster, rollout: Callable[[str], JSON]) -> None:
    """The stable version is applied again while nobody leads."""
    cluster.apply(rollout("v1"))


def abort(cluster: Cluster, rollout: Callable[[str], JSON]) -> None:
    """A person aborts while nobody leads."""
    body = cluster.storage.objects[PLACE]
    canary = cluster.status.canary
    command = f"abort {canary.revision if canary else 'digits-0'} 1"
    cluster.storage.put({**body, "metadata": {**body["metadata"], "annotations": {names.ANNOTATION_COMMAND: command}}})


@pytest.mark.parametrize("traffic", [{"gateway": {"parentRefs": [{"name": "web"}]}}, {"routeRef": {"name": "users"}}])
@pytest.mark.parametrize("version", ["v2", "v4"])
def test_late_write_has_no_effect(version: str, traffic: JSON) -> None:
    """At each write of a promotion and of a rollback, however it goes on, soon after the take-over and later."""
    rollout = partial(a_rollout, scaleDownDelay="30s", traffic=traffic)

    async def scene() -> None:
        lived = await a_life(rollout("v1"), rollout(version))
        assert {frozen.request.kind for frozen in lived} == {"Deployment", "Service", "HTTPRoute", names.KIND}
        for frozen in lived:
            for meanwhile in (nothing, go_back, abort):
                cluster = frozen.world()
                meanwhile(cluster, rollout)
                process = a_successor(cluster)
                process.start()
                await process.run(partial(_is_taken_over, cluster), 60)
                for seconds in (0.5, 5):
                    await process.rest(seconds)
                    found = await frozen.effect(cluster)
                    assert found is None or _brings_only_pods(found), (meanwhile.__name__, found, cluster.status)

    virtual_time.run(scene())


def test_deployment_that_comes_late_gets_no_request_and_goes() -> None:
    async def scene() -> None:
        lived = await a_life(a_rollout("v1"), a_rollout("v4"))
        frozen = next(one for one in lived if _brings_only_pods(one.request))
        cluster = frozen.world()
        go_back(cluster, a_rollout)
        process = a_successor(cluster)
        process.start()
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY and cluster.status.taken_over is not None)
        await process.rest(5)
        await frozen.send(FakeKube(cluster.storage))
        assert set(cluster.replicas()) == {"v1", "v4"}
        await process.rest(20)
        assert cluster.replicas().get("v4", 0) == 0
        assert cluster.weights == (100, 0)

    virtual_time.run(scene())


async def served() -> Cluster:
    """Return a cluster whose first version serves, after the process that brought it there."""
    cluster = a_cluster()
    cluster.apply(a_rollout())
    process = OperatorProcess(cluster)
    process.start()
    await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
    await process.rest()
    return cluster


def test_leader_after_one_that_ended_in_good_order_touches_nothing() -> None:
    async def scene() -> None:
        cluster = await served()
        successor = OperatorProcess(cluster)
        successor.start()
        await successor.rest(60)
        assert successor.kube.writes == []

    virtual_time.run(scene())


def test_take_over_touches_every_child_once_and_says_so() -> None:
    async def scene() -> None:
        cluster = await served()
        successor = a_successor(cluster)
        successor.start()
        await successor.rest(60)
        assert sorted(kinds(successor.kube.writes)) == [
            ("PATCH", "Deployment"),
            ("PATCH", "HTTPRoute"),
            ("PATCH", "Service"),
            ("PATCH", "Service"),
            STATUS,
        ]
        assert cluster.status.taken_over == "pod-2.5f3a"

    virtual_time.run(scene())


def _is_taken_over(cluster: Cluster) -> bool:
    return cluster.status.taken_over is not None


def _brings_only_pods(request: Request) -> bool:
    return (request.method, request.kind) == ("POST", "Deployment")
