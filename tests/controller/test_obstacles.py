from __future__ import annotations

import pytest

from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.controller.kube import KubeError
from tests.controller import virtual_time
from tests.controller.cluster import PLACE, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import STATUS, kinds, looks_taken, play, results, stalled


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


def test_quota_on_deployments_is_a_lack_of_room_and_no_fault_of_the_template() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        process.kube.refuse = lambda request: (
            KubeError(403, "POST", "forbidden: exceeded quota: small")
            if (request.method, request.kind) == ("POST", "Deployment")
            else None
        )
        cluster.apply(a_rollout("v2", progressDeadlineSeconds=60))
        await process.run(lambda: stalled(cluster) is not None)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.INSUFFICIENT_CAPACITY
        await process.run(lambda: cluster.status.phase is Phase.ROLLED_BACK)
        promoted = cluster.status.condition(ConditionType.PROMOTED)
        assert promoted is not None
        assert promoted.reason is Reason.PROGRESS_DEADLINE
        assert "exceeded quota: small" in promoted.message

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


def test_unreadable_spec_is_said_once_and_changes_nothing() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        before = cluster.status
        cluster.apply(a_rollout("v2", steps=[{"weight": 100}], gate={"margin": "5"}))
        await process.rest(600)
        assert kinds(process.kube.requests) == [STATUS, ("POST", "Event")]
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.INVALID_SPEC
        assert "spec.steps[0].weight: Input should be less than or equal to 99" in found[1]
        assert "spec.gate.margin: '5' is not a percentage; write a number followed by %, such as \"5%\"" in found[1]
        assert "Value error" not in found[1]
        assert cluster.status.observed_generation == before.observed_generation + 1
        assert (cluster.status.phase, cluster.status.stable) == (before.phase, before.stable)
        assert cluster.weights == (100, 0)
        process.kube.requests.clear()
        cluster.apply(a_rollout())
        await process.rest(60)
        assert stalled(cluster) is None

    play(scene)


def test_unreadable_spec_in_a_rollout_leaves_pods_weights_and_evidence_alone() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        before, pods = cluster.status, cluster.replicas()
        cluster.apply(a_rollout("v2", gate={"margin": "5"}))
        await process.rest(300)
        assert (cluster.weights, cluster.replicas()) == ((80, 20), pods)
        assert cluster.status.analysis == before.analysis
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: "Promoted" in results(cluster), within_seconds=6000)

    play(scene)


def test_deployment_that_somebody_else_scales_is_not_fought_over_at_full_speed() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        def scale_back() -> None:
            for body in list(cluster.storage.of_kind("Deployment")):
                if body["spec"]["replicas"] == 4:
                    cluster.storage.edit(("Deployment", "ml", body["metadata"]["name"]), body["spec"] | {"replicas": 7})

        for _ in range(250):
            scale_back()
            await process.rest(2)
        patches = [request for request in process.kube.requests if request.kind == "Deployment"]
        assert len(patches) == 3, "set back three times, then left until the window is over"
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.BACKEND_CONFLICT
        assert "Point the autoscaler at the ModelRollout" in found[1]
        await process.rest(1300)
        assert cluster.replicas() == {"v1": 4}, "set back when they stopped"
        assert stalled(cluster) is None

    play(scene)


@pytest.mark.parametrize("seconds", [0, 5])
def test_obstacle_outlives_the_process_that_met_it(seconds: float) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        def refuse(request: Request) -> KubeError | None:
            is_new = (request.method, request.kind) == ("POST", "Deployment")
            return KubeError(422, "POST Deployment", "image: Required value") if is_new else None

        process.kube.refuse = refuse
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: stalled(cluster) is not None)
        await process.rest(seconds)
        said, told = stalled(cluster), list(cluster.storage.of_kind("Event"))
        successor = OperatorProcess(cluster)
        successor.kube.refuse = refuse
        successor.start()
        await successor.rest(40)
        assert stalled(cluster) == said
        assert list(cluster.storage.of_kind("Event")) == told
        statuses = [request.body["status"] for request in successor.kube.requests if request.method == "PUT"]
        assert all("Stalled" in str(status["conditions"]) for status in statuses), "not for one turn does it seem well"

    play(scene)


def test_obstacle_that_was_mended_while_nobody_ran_is_gone_soon() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        process.kube.refuse = lambda request: (
            KubeError(422, "POST Deployment", "image: Required value")
            if (request.method, request.kind) == ("POST", "Deployment")
            else None
        )
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: stalled(cluster) is not None)
        successor = OperatorProcess(cluster)
        successor.start()
        await successor.run(lambda: stalled(cluster) is None, within_seconds=5)
        assert cluster.replicas()["v2"] >= 1

    play(scene)
