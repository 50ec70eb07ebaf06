from __future__ import annotations

import pytest

from lossgate.api.reasons import Phase, Reason
from lossgate.controller.kube import KubeError
from tests.controller import virtual_time
from tests.controller.cluster import PLACE, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import (
    kinds,
    play,
    stalled,
)


@pytest.mark.parametrize("code", [400, 403, 422])
def test_refused_template_is_shown_and_the_stable_version_goes_on_serving(code: int) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        def refuse(request: Request) -> KubeError | None:
            is_new = (request.method, request.kind) == ("POST", "Deployment")
            return KubeError(code, "POST Deployment", "image: Required value") if is_new else None

        process.kube.refuse = refuse
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: stalled(cluster) is not None)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.TEMPLATE_INVALID
        assert "image: Required value" in found[1]
        assert cluster.weights == (100, 0)
        attempts = len([request for request in process.kube.requests if request.method == "POST"])
        await process.rest(300)
        assert len([request for request in process.kube.requests if request.method == "POST"]) <= attempts + 21
        process.kube.refuse = lambda request: None
        await process.run(lambda: stalled(cluster) is None, within_seconds=20)
        assert cluster.replicas()["v2"] >= 1

    play(scene)


def test_refused_patch_is_shown_too() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        process.kube.refuse = lambda request: (
            KubeError(403, "PATCH Deployment", "denied by policy") if request.method == "PATCH" else None
        )
        cluster.apply(a_rollout("v1", replicas=6))
        await process.run(lambda: stalled(cluster) is not None)
        found = stalled(cluster)
        assert found is not None
        assert "denied by policy" in found[1]

    play(scene)


def test_foreign_service_of_the_same_name_is_left_untouched() -> None:
    async def scene() -> None:
        cluster = Cluster()
        metadata = {"name": "digits", "namespace": "ml"}
        cluster.storage.new({"kind": "Service", "metadata": metadata, "spec": {"selector": {"app": "theirs"}}})
        cluster.apply(a_rollout())
        process = OperatorProcess(cluster)
        process.start()
        await process.run(lambda: stalled(cluster) is not None)
        await process.rest(60)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.BACKEND_CONFLICT
        assert "Service digits exists" in found[1]
        assert cluster.storage.objects["Service", "ml", "digits"]["spec"] == {"selector": {"app": "theirs"}}
        cluster.storage.remove(("Service", "ml", "digits"))
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        assert stalled(cluster) is None

    virtual_time.run(scene())


def test_children_are_not_created_twice_while_the_watches_lag() -> None:
    async def scene() -> None:
        cluster = Cluster()
        cluster.watches_lag = True
        cluster.apply(a_rollout())
        process = OperatorProcess(cluster)
        process.start()
        await process.rest(120)
        assert [kind for method, kind in kinds(process.kube.writes) if method == "POST"] == [
            "Deployment",
            "Service",
            "Service",
            "HTTPRoute",
        ]

    virtual_time.run(scene())


def test_new_process_takes_over_children_that_its_watches_do_not_show_yet() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        del process
        successor = OperatorProcess(cluster)
        cluster.on_rollout, cluster.on_child = successor.deliver_rollout, None
        cluster.watches_lag = True
        successor.queue.open()
        successor.deliver_rollout("ADDED", cluster.storage.objects[PLACE])
        before = {place: body for place, body in cluster.storage.objects.items() if "spec" in body}
        await successor.rest(60)
        assert {place: cluster.storage.objects[place]["spec"] for place in before} == {
            place: body["spec"] for place, body in before.items()
        }
        assert stalled(cluster) is None, "its own children are no conflict"

    play(scene)


def test_api_server_that_fails_is_tried_again_ever_later() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        process.kube.refuse = lambda request: KubeError(503, "PUT", "busy")
        cluster.apply(a_rollout("v2"))
        await process.rest(300)
        assert 8 <= len(process.kube.requests) <= 20
        process.kube.refuse = lambda request: None
        await process.run(lambda: cluster.status.phase is Phase.PROGRESSING, within_seconds=31)

    play(scene)


def test_unreadable_spec_changes_nothing() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2", steps=[]))
        await process.rest(60)
        assert process.kube.requests == []
        assert cluster.weights == (100, 0)

    play(scene)
