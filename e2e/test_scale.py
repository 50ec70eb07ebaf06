"""The size changes while a canary has half of the requests: no version ever has fewer pods than its share needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import ceil
from typing import Any

import pytest

from e2e.replay import Moment, Replay
from e2e.stage import ROLLOUT, Stage, poll
from lossgate.api import names

WEIGHT = 50


@pytest.fixture(scope="module")
def halved(stage: Stage) -> Iterator[Stage]:
    """Two pods of the first version, sized by `kubectl scale` alone, and one of the second with half of the requests.

    No verdict comes before a test asks for one; when all is played, no request may have failed.
    """
    stage.apply(sized_by_others(stage, "v1"))
    stage.kubectl("scale", "modelrollout", ROLLOUT, "--replicas=2")
    stage.wait_for(lambda seen: seen.get("phase") == "Healthy", 240, "v1 serves")
    stage.wait_for(lambda seen: seen["stable"]["readyReplicas"] == 2, 120, "two pods of v1")
    stage.start_client(60)
    stage.apply(sized_by_others(stage, "v2"))
    stage.wait_for(lambda seen: seen.get("step", {}).get("looks", 0) >= 1, 240, "a look at half of the requests")
    yield stage
    statistics = stage.client_statistics()
    assert statistics["errors"] == 0, json.dumps(statistics, indent=1)
    assert statistics["ok"] > 1_000


def sized_by_others(stage: Stage, version: str) -> dict[str, Any]:
    gate = {"margin": "5%", "minLabels": 100_000_000}
    body = stage.rollout(version, steps=[{"weight": WEIGHT}], gate=gate)
    del body["spec"]["replicas"]
    return body


def ready(stage: Stage) -> tuple[int, int]:
    """Return the ready pods of the stable version and of the canary, by the status."""
    status = stage.status()
    return status["stable"]["readyReplicas"], status.get("canary", {}).get("readyReplicas", 0)


def has_its_share(moment: Moment, replicas: int) -> bool:
    """Return whether each version had the pods that its share of the requests to `replicas` pods needs."""
    return all(
        moment.ready.get(service, 0) >= ceil(replicas * weight / 100) for service, weight in moment.weights.items()
    )


def test_scaling_up_and_down_by_hand(halved: Stage) -> None:
    replay = Replay(halved, ROLLOUT)
    halved.kubectl("scale", "modelrollout", ROLLOUT, "--replicas=4")
    poll(lambda: ready(halved) == (4, 2), 120, "4 and 2 pods", halved.story)
    assert all(has_its_share(moment, 2) for moment in replay.moments())
    halved.kubectl("scale", "modelrollout", ROLLOUT, "--replicas=3")
    poll(lambda: halved.status()["stable"]["replicas"] == 3, 120, "3 pods", halved.story)
    moments = list(replay.moments())
    assert all(has_its_share(moment, 3) for moment in moments)
    assert {moment.weights[f"{ROLLOUT}-canary"] for moment in moments} == {WEIGHT}


def test_autoscaler_scales_through_the_scale_subresource(halved: Stage) -> None:
    """Without a metrics API an autoscaler still enforces its smallest size."""
    replay = Replay(halved, ROLLOUT)
    target = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": ROLLOUT}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    halved.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": ROLLOUT, "namespace": halved.namespace},
            "spec": {"scaleTargetRef": target, "minReplicas": 5, "maxReplicas": 6, "metrics": [cpu]},
        }
    )
    poll(lambda: ready(halved) == (5, 3), 180, "5 and 3 pods", halved.story)
    assert all(has_its_share(moment, 3) for moment in replay.moments())
    path = f"/apis/{names.API_VERSION}/namespaces/{halved.namespace}/{names.PLURAL}/{ROLLOUT}/scale"
    scale = json.loads(halved.cluster.kubectl("get", "--raw", path))
    assert scale["spec"]["replicas"] == 5
    assert scale["status"] == {"replicas": 8, "selector": f"{names.LABEL_ROLLOUT}={ROLLOUT}"}, "pods of both versions"


def test_promotion_without_room_waits_and_goes_on_when_there_is_room(halved: Stage) -> None:
    """Asks for the verdict, with a quota in the way of the canary's full size."""
    replay = Replay(halved, ROLLOUT)
    pods = len(halved.get("pods")["items"])
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": halved.namespace}}
    halved.apply({**quota, "spec": {"hard": {"pods": str(pods)}}})
    poll(lambda: halved.get("resourcequota", "full").get("status", {}).get("used"), 60, "the quota counts")
    halved.merge(ROLLOUT, {"gate": {"maxDuration": "1s", "onInconclusive": "Promote"}})
    halved.wait_for(lambda seen: seen["phase"] == "Promoting", 60, "promoting")

    def is_refused() -> bool:
        events = halved.get("events")["items"]
        return any(event["reason"] == "FailedCreate" and "quota" in event["message"] for event in events)

    poll(is_refused, 60, "a pod refused by the quota", halved.story)
    status = halved.status()
    assert status["phase"] == "Promoting", halved.story()
    assert status["canary"]["weight"] == WEIGHT, "a proven version without room keeps its share"
    halved.kubectl("delete", "resourcequota", "full")
    halved.kubectl("wait", "modelrollout", ROLLOUT, "--for=condition=Promoted", "--timeout=180s")
    moments = list(replay.moments())
    assert all(has_its_share(moment, 5) for moment in moments)
    status = halved.status()
    assert status["stable"]["modelVersion"] == "v2"
    assert ready(halved) == (5, 0), "it lands at full size"


def test_canary_that_no_node_has_room_for_gets_no_request(halved: Stage) -> None:
    """Runs on the version that was promoted: its baseline is known, so that only the missing pod is in the way."""
    body = sized_by_others(halved, "v3")
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["resources"]["requests"]["cpu"] = "1000"
    halved.apply(body)
    status = halved.wait_for(lambda seen: "canary" in seen and "baseline" in seen, 60, "a canary and a baseline")
    canary = status["canary"]["revision"]

    def is_unschedulable() -> bool:
        pods = halved.get("pods", selector=f"{names.LABEL_REVISION}={canary}")["items"]
        conditions = [item for pod in pods for item in pod["status"].get("conditions", [])]
        return any(item.get("reason") == "Unschedulable" for item in conditions)

    poll(is_unschedulable, 60, "the canary's pod has no node", halved.story)
    halved.wait_for(
        lambda seen: any("no pod of v3 is ready" in item["message"] for item in seen["conditions"]),
        60,
        "it says that no pod is ready",
    )
    status = halved.status()
    assert status["phase"] == "Progressing"
    assert status["canary"]["weight"] == 0
    assert halved.condition("Ready")["status"] == "True"
