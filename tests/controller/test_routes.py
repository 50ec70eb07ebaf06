"""Routes of users, routes that somebody else writes to, and names that are taken, in the cluster in memory."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lossgate.api import names
from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.controller.kube import JSON, KubeError
from tests.controller import virtual_time
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import kinds, looks_taken, play, stalled

ROUTE = ("HTTPRoute", "ml", "models")
OWN_ROUTE = ("HTTPRoute", *KEY)
REFERENCE = {"routeRef": {"name": "models", "ruleName": "predict"}}


def a_users_route() -> JSON:
    def backend(name: str, **fields: Any) -> JSON:
        return {"group": "", "kind": "Service", "name": name, "port": 80, **fields}

    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "models", "namespace": "ml", "annotations": {"tracking": "argocd"}},
        "spec": {
            "parentRefs": [{"name": "web"}],
            "hostnames": ["models.example.com"],
            "rules": [
                {"name": "explain", "backendRefs": [backend("explainer", weight=7)], "timeouts": {"request": "10s"}},
                {
                    "name": "predict",
                    "matches": [{"path": {"type": "PathPrefix", "value": "/predict"}}],
                    "filters": [{"type": "RequestHeaderModifier"}],
                    "backendRefs": [backend("theirs", weight=0), backend("digits-canary"), backend("digits")],
                },
            ],
        },
    }


def apply(cluster: Cluster, version: str) -> None:
    cluster.apply(a_rollout(version, traffic=REFERENCE))


def weights(cluster: Cluster) -> dict[str, int | None]:
    backends = cluster.storage.objects[ROUTE]["spec"]["rules"][1]["backendRefs"]
    return {backend["name"]: backend.get("weight") for backend in backends}


def without_our_weights(route: JSON) -> JSON:
    """All of a route but what the API server counts and what the operator may change."""
    body = copy.deepcopy(route)
    for field in ("resourceVersion", "generation", "uid"):
        body["metadata"].pop(field, None)
    body.pop("status", None)
    for backend in body["spec"]["rules"][1]["backendRefs"]:
        if backend["name"] != "theirs":
            backend.pop("weight", None)
    return body


def route_writes(process: OperatorProcess) -> list[Request]:
    return [request for request in process.kube.writes if request.kind == "HTTPRoute"]


def play_with_users_route(scene: Callable[[Cluster, OperatorProcess], Awaitable[None]]) -> None:
    """Run a scene in which the first version serves behind a route of the user's."""

    async def all_of_it() -> None:
        cluster = Cluster(v2=0.25, v3=0.42, v4=3.0)
        cluster.storage.new(a_users_route())
        apply(cluster, "v1")
        process = OperatorProcess(cluster)
        process.start()
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        await process.rest()
        assert weights(cluster) == {"theirs": 0, "digits-canary": 0, "digits": 100}
        process.kube.requests.clear()
        await scene(cluster, process)

    virtual_time.run(all_of_it())


async def reach_first_step(cluster: Cluster, process: OperatorProcess, version: str = "v2") -> None:
    apply(cluster, version)
    await process.run(lambda: looks_taken(cluster) > 2)


def test_whole_rollout_changes_two_weights_of_the_users_route_and_nothing_else() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        apply(cluster, "v2")
        await process.run(lambda: cluster.status.phase is Phase.PROMOTING, 7200)
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        await process.rest(30)
        assert without_our_weights(cluster.storage.objects[ROUTE]) == without_our_weights(a_users_route())
        assert weights(cluster) == {"theirs": 0, "digits-canary": 0, "digits": 100}
        assert OWN_ROUTE not in cluster.storage.objects
        assert [request.method for request in route_writes(process)] == ["PATCH"] * 4, "one write per change"
        assert all(isinstance(request.body, list) for request in route_writes(process))
        assert ("GET", "HTTPRoute") not in kinds(process.kube.requests)

    play_with_users_route(scene)


def test_idle_rollout_costs_nothing_when_the_users_route_changes_elsewhere() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        spec = copy.deepcopy(cluster.storage.objects[ROUTE]["spec"])
        spec["hostnames"] = ["other.example.com"]
        cluster.storage.edit(ROUTE, spec)
        await process.rest(60)
        assert route_writes(process) == []
        assert len(process.kube.writes) <= 1, "one status write takes note of the edit"

    play_with_users_route(scene)


def test_route_that_goes_and_comes_back_wakes_the_rollout() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        await reach_first_step(cluster, process)
        route = cluster.storage.objects[ROUTE]
        cluster.storage.remove(ROUTE)
        await process.run(lambda: stalled(cluster) is not None, within_seconds=2)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.ROUTE_NOT_FOUND
        assert "no HTTPRoute models" in found[1]
        taken = looks_taken(cluster)
        await process.rest(120)
        assert looks_taken(cluster) == taken
        assert ROUTE not in cluster.storage.objects, "a user's route is never created"
        cluster.storage.new({field: route[field] for field in ("apiVersion", "kind", "metadata", "spec")})
        await process.run(lambda: stalled(cluster) is None, within_seconds=3)
        await process.run(lambda: looks_taken(cluster) > taken, within_seconds=60)

    play_with_users_route(scene)


def test_rule_without_the_canary_is_named_and_mended_at_once() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        spec = copy.deepcopy(cluster.storage.objects[ROUTE]["spec"])
        backends = spec["rules"][1]["backendRefs"]
        canary = backends.pop(1)
        cluster.storage.edit(ROUTE, spec)
        await process.run(lambda: stalled(cluster) is not None, within_seconds=2)
        assert "digits-canary" in str(stalled(cluster))
        backends.append({**canary, "weight": 0})
        cluster.storage.edit(ROUTE, spec)
        await process.run(lambda: stalled(cluster) is None, within_seconds=2)

    play_with_users_route(scene)


def test_conflicting_write_of_the_route_is_decided_again() -> None:
    """Field report 12: other tools write to the same route all the time."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        def meanwhile(request: Request) -> KubeError | None:
            if (request.method, request.kind) == ("PATCH", "HTTPRoute") and not edited:
                edited.append(request)
                spec = copy.deepcopy(cluster.storage.objects[ROUTE]["spec"])
                spec["rules"].insert(0, {"name": "new", "backendRefs": []})
                cluster.storage.edit(ROUTE, spec)
            return None

        edited: list[Request] = []
        process.kube.refuse = meanwhile
        apply(cluster, "v2")
        await process.run(lambda: looks_taken(cluster) > 0)
        rules = cluster.storage.objects[ROUTE]["spec"]["rules"]
        assert [rule["name"] for rule in rules] == ["new", "explain", "predict"]
        assert [backend.get("weight") for backend in rules[2]["backendRefs"]] == [0, 20, 80]
        assert kinds(process.kube.requests).count(("GET", "HTTPRoute")) == 1
        assert stalled(cluster) is None

    play_with_users_route(scene)


def test_refused_patch_of_the_route_is_shown_not_repeated_at_once() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        process.kube.refuse = lambda request: (
            KubeError(422, "PATCH HTTPRoute", "denied by policy weights-frozen")
            if (request.method, request.kind) == ("PATCH", "HTTPRoute")
            else None
        )
        apply(cluster, "v2")
        await process.run(lambda: stalled(cluster) is not None)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.ROUTE_NOT_FOUND
        assert "denied by policy weights-frozen" in found[1]
        assert looks_taken(cluster) == 0

    play_with_users_route(scene)


def revert(cluster: Cluster) -> None:
    """Set the weights as a GitOps tool does that has 100 and 0 in Git."""
    spec = copy.deepcopy(cluster.storage.objects[ROUTE]["spec"])
    for backend in spec["rules"][1]["backendRefs"]:
        if backend["name"] != "theirs":
            backend["weight"] = 100 if backend["name"] == "digits" else 0
    cluster.storage.edit(ROUTE, spec)


def test_gitops_tool_that_reverts_at_once_is_counted_until_the_route_is_contested() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        await reach_first_step(cluster, process)
        before = len(route_writes(process))

        def revert_what_was_written(event: str, body: JSON) -> None:
            if body["kind"] == "HTTPRoute" and body["spec"]["rules"][1]["backendRefs"][1].get("weight") == 20:
                revert(cluster)
            else:
                process.deliver_child(event, body)

        cluster.on_child = revert_what_was_written
        revert(cluster)
        await process.run(lambda: stalled(cluster) is not None, within_seconds=60)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.ROUTE_CONTESTED
        await process.rest(120)
        assert len(route_writes(process)) - before == 3
        assert weights(cluster)["digits-canary"] == 0
        events = [request.body for request in process.kube.requests if request.kind == "Event"]
        contested = [event for event in events if "RouteContested" in event["message"]]
        assert [event["type"] for event in contested] == ["Warning"]

    play_with_users_route(scene)


def test_restarted_operator_goes_on_with_a_contest() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        await reach_first_step(cluster, process)
        for _ in range(4):
            revert(cluster)
            await process.rest(5)
        assert stalled(cluster) is not None
        cluster.on_rollout = cluster.on_child = None
        successor = OperatorProcess(cluster)
        successor.start()
        await successor.rest(60)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.ROUTE_CONTESTED
        assert route_writes(successor) == []

    play_with_users_route(scene)


def test_two_rollouts_in_one_rule_are_told_apart_and_neither_is_judged() -> None:
    """Field report 12: two rollouts on one route."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        await reach_first_step(cluster, process)
        spec = copy.deepcopy(cluster.storage.objects[ROUTE]["spec"])
        for name in ("faces", "faces-canary"):
            spec["rules"][1]["backendRefs"].append({"name": name, "port": 80, "weight": 50})
        cluster.storage.edit(ROUTE, spec)
        await process.rest(60)
        assert stalled(cluster) is None, "foreign backends are none of our business"
        faces = a_rollout(traffic=REFERENCE)
        faces["metadata"]["name"] = "faces"
        cluster.storage.new(faces)
        await process.run(lambda: stalled(cluster) is not None, within_seconds=2)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.BACKEND_CONFLICT
        assert "ModelRollout faces" in found[1]
        taken = looks_taken(cluster)
        await process.rest(60)
        assert looks_taken(cluster) == taken
        apply(cluster, "v1")
        await process.run(lambda: weights(cluster)["digits-canary"] == 0, within_seconds=5)

    play_with_users_route(scene)


def test_route_that_no_gateway_serves_is_said_and_nothing_is_judged() -> None:
    """Field report 2: a platform that does not split is found out before anything is judged."""

    async def scene() -> None:
        cluster = Cluster(v2=0.25)
        cluster._accept = lambda route: None  # type: ignore[method-assign]
        cluster.storage.new(a_users_route())
        apply(cluster, "v1")
        process = OperatorProcess(cluster)
        process.start()
        await process.rest(120)
        assert cluster.status.phase is Phase.INITIALIZING
        ready = cluster.status.condition(ConditionType.READY)
        assert ready is not None
        assert "no gateway has answered" in ready.message
        assert cluster.source.requests == []

    virtual_time.run(scene())


def test_weight_never_rises_before_the_canary_has_endpoints_and_stable_is_never_scaled() -> None:
    """Field report 3."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.broken.add("v2")
        apply(cluster, "v2")
        await process.rest(120)
        assert weights(cluster) == {"theirs": 0, "digits-canary": 0, "digits": 100}
        assert route_writes(process) == []
        cluster.broken.clear()
        await process.run(lambda: weights(cluster)["digits-canary"] == 20)
        assert cluster.replicas()["v1"] == 4

    play_with_users_route(scene)


@pytest.mark.parametrize("kind", ["Service", "HTTPRoute", "Deployment"])
def test_child_that_somebody_deletes_is_created_again(kind: str) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        for place in [place for place in cluster.storage.objects if place[0] == kind]:
            before = cluster.storage.objects[place]["spec"]
            cluster.storage.remove(place)
            await process.rest(20)
            assert cluster.storage.objects[place]["spec"] == before
        assert cluster.status.phase is Phase.HEALTHY
        assert stalled(cluster) is None

    play(scene)


@pytest.mark.parametrize("kind", ["Service", "HTTPRoute", "Deployment"])
def test_foreign_object_in_the_place_of_a_deleted_child_is_left_untouched(kind: str) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        place = next(place for place in cluster.storage.objects if place[0] == kind)
        cluster.storage.remove(place)
        holder = {"kind": names.KIND, "name": "faces", "uid": "uid-faces", "controller": True}
        metadata = {"name": place[2], "namespace": "ml", "ownerReferences": [holder]}
        template = {"replicas": 1, "parentRefs": []}
        theirs = cluster.storage.new(
            {"kind": kind, "metadata": {**metadata, "annotations": {names.ANNOTATION_MODEL_VERSION: "x"}}}
            | {"spec": template}
        )
        await process.run(lambda: stalled(cluster) is not None, within_seconds=30)
        await process.rest(60)
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.BACKEND_CONFLICT
        assert "belongs to ModelRollout faces" in found[1]
        assert cluster.storage.objects[place]["spec"] == theirs["spec"]
        cluster.storage.remove(place)
        await process.run(lambda: stalled(cluster) is None, within_seconds=30)

    play(scene)


def test_stable_deployment_whose_template_is_gone_is_said_to_be_lost() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) > 0)
        stable = cluster.status.stable
        assert stable is not None
        cluster.storage.remove(("Deployment", "ml", stable.revision))
        cluster.storage.remove(("EndpointSlice", "ml", "digits-x"))
        await process.rest(30)
        ready = cluster.status.condition(ConditionType.READY)
        assert ready is not None
        assert (ready.status, ready.reason) == ("False", Reason.STABLE_UNAVAILABLE)
        assert "Its Deployment is gone" in ready.message

    play(scene)


def test_rollout_made_anew_waits_for_the_children_of_its_forerunner() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        children = [place for place in cluster.storage.objects if place[0] in ("Deployment", "Service", "HTTPRoute")]
        cluster.storage.remove(PLACE)
        before = {place: cluster.storage.objects[place]["spec"] for place in children}
        process.kube.requests.clear()
        cluster.apply(a_rollout())
        await process.rest(60)
        assert cluster.status.phase is Phase.INITIALIZING
        found = stalled(cluster)
        assert found is not None
        assert found[0] is Reason.BACKEND_CONFLICT
        assert "belongs to an earlier ModelRollout digits that was deleted" in found[1]
        assert {place: cluster.storage.objects[place]["spec"] for place in children} == before
        assert {request.method for request in process.kube.writes} <= {"POST", "PUT"}
        for place in children:
            cluster.storage.remove(place)
            await process.rest(5)
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY, within_seconds=60)
        assert stalled(cluster) is None
        uid = cluster.storage.objects[PLACE]["metadata"]["uid"]
        owners = [cluster.storage.objects[place]["metadata"]["ownerReferences"][0]["uid"] for place in children]
        assert owners == [uid] * len(children)

    play(scene)
