from __future__ import annotations

import copy
from typing import Any

import pytest

from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.traffic import gateway
from tests import rollouts

OWNER = Owner("digits", "ml", "uid-1")


def a_spec(*parents: dict[str, Any], hostnames: list[str] | None = None, port: int = 80) -> RolloutSpec:
    traffic: dict[str, Any] = {"parentRefs": list(parents) or [{"name": "web"}]}
    if hostnames is not None:
        traffic["hostnames"] = hostnames
    changes = {"traffic": {"gateway": traffic}, "service": {"port": port}}
    return RolloutSpec.model_validate(rollouts.changed(changes)["spec"])


def condition(type_: str, status: str = "True", generation: int = 4, message: str = "") -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": type_,
        "message": message,
    }


def a_parent(name: str = "web", *conditions: dict[str, Any]) -> dict[str, Any]:
    return {
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name},
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "conditions": list(conditions) or [condition("Accepted"), condition("ResolvedRefs")],
    }


def a_stored(*parents: dict[str, Any], spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """A route as the API server returns it: the CRD's defaults are filled in."""
    backends = [
        {"group": "", "kind": "Service", "name": "digits", "port": 80, "weight": 95},
        {"group": "", "kind": "Service", "name": "digits-canary", "port": 80, "weight": 5},
    ]
    body: dict[str, Any] = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "digits", "namespace": "ml", "generation": 4, "resourceVersion": "9", "uid": "u"},
        "spec": {
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backends}],
            **(spec or {}),
        },
    }
    return {**body, "status": {"parents": list(parents)}} if parents else body


def test_route_is_owned_and_sends_each_service_its_share() -> None:
    body = gateway.manifest(OWNER, a_spec(hostnames=["a.example.com"], port=8080), 95, 5)
    assert OWNER.owns(body)
    assert (body["metadata"]["name"], body["metadata"]["namespace"]) == ("digits", "ml")
    assert body["metadata"]["labels"]["lossgate.io/rollout"] == "digits"
    assert body["spec"]["hostnames"] == ["a.example.com"]
    backends = body["spec"]["rules"][0]["backendRefs"]
    assert [(backend["name"], backend["port"], backend["weight"]) for backend in backends] == [
        ("digits", 8080, 95),
        ("digits-canary", 8080, 5),
    ]


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        (a_spec(), {}),
        (a_spec(), {"hostnames": []}),
        (a_spec(hostnames=["a.example.com", "b.example.com"]), {"hostnames": ["a.example.com", "b.example.com"]}),
        (
            a_spec({"name": "web", "namespace": "gateways", "sectionName": "https"}, {"name": "inner"}),
            {
                "parentRefs": [
                    {
                        "group": "gateway.networking.k8s.io",
                        "kind": "Gateway",
                        "name": "web",
                        "namespace": "gateways",
                        "sectionName": "https",
                    },
                    {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "inner"},
                ]
            },
        ),
    ],
    ids=["plain", "empty-hostnames", "hostnames", "parents"],
)
def test_route_that_the_api_server_filled_in_is_as_specified(spec: RolloutSpec, stored: dict[str, Any]) -> None:
    seen = gateway.seen(OWNER, spec, a_stored(spec=stored))
    assert seen.as_specified
    assert (seen.stable_weight, seen.canary_weight) == (95, 5)


def test_route_as_made_is_as_specified() -> None:
    spec = a_spec({"name": "web", "sectionName": "https"}, hostnames=["a.example.com"], port=8080)
    for weights in ((100, 0), (50, 50), (0, 100)):
        seen = gateway.seen(OWNER, spec, gateway.manifest(OWNER, spec, *weights))
        assert seen.as_specified
        assert (seen.stable_weight, seen.canary_weight) == weights


def edited(change: str) -> dict[str, Any]:
    body = copy.deepcopy(a_stored())
    spec, rule = body["spec"], body["spec"]["rules"][0]
    match change:
        case "hostname added":
            spec["hostnames"] = ["a.example.com"]
        case "parent changed":
            spec["parentRefs"][0]["name"] = "other"
        case "match narrowed":
            rule["matches"][0]["path"]["value"] = "/predict"
        case "port changed":
            rule["backendRefs"][0]["port"] = 81
        case "third backend":
            rule["backendRefs"].append({"group": "", "kind": "Service", "name": "theirs", "port": 80, "weight": 1})
        case "canary removed":
            del rule["backendRefs"][1]
        case "rules removed":
            del spec["rules"]
        case "filter added":
            rule["filters"] = [{"type": "RequestMirror"}]
        case "second rule":
            spec["rules"].append(copy.deepcopy(rule))
    return body


@pytest.mark.parametrize(
    "change",
    [
        "hostname added",
        "parent changed",
        "match narrowed",
        "port changed",
        "third backend",
        "canary removed",
        "rules removed",
        "filter added",
        "second rule",
    ],
)
def test_edited_route_is_not_as_specified(change: str) -> None:
    assert not gateway.seen(OWNER, a_spec(), edited(change)).as_specified


def test_weights_are_judged_apart() -> None:
    body = a_stored()
    body["spec"]["rules"][0]["backendRefs"][1]["weight"] = 60
    seen = gateway.seen(OWNER, a_spec(), body)
    assert seen.as_specified
    assert (seen.stable_weight, seen.canary_weight) == (95, 60)


def test_removed_backend_gets_nothing_and_one_without_weight_gets_one() -> None:
    seen = gateway.seen(OWNER, a_spec(), edited("canary removed"))
    assert (seen.stable_weight, seen.canary_weight) == (95, 0)
    body = a_stored()
    del body["spec"]["rules"][0]["backendRefs"][1]["weight"]
    assert gateway.seen(OWNER, a_spec(), body).canary_weight == 1


def test_route_is_accepted_when_its_gateway_said_so_of_the_present_generation() -> None:
    seen = gateway.seen(OWNER, a_spec(), a_stored(a_parent()))
    assert seen.accepted
    assert seen.message == ""


@pytest.mark.parametrize(
    ("parents", "why"),
    [
        ([], "no gateway has answered"),
        ([a_parent("web", condition("Accepted"))], "has not judged"),
        ([a_parent("web", condition("Accepted", generation=3), condition("ResolvedRefs"))], "has not judged"),
        ([a_parent("web", condition("Accepted"), condition("ResolvedRefs", generation=3))], "has not judged"),
        (
            [a_parent("web", condition("Accepted", "False", message="no listener"), condition("ResolvedRefs"))],
            "gateway web: Accepted is False: no listener",
        ),
        (
            [a_parent("web", condition("Accepted"), condition("ResolvedRefs", "False", message="no Service"))],
            "gateway web: ResolvedRefs is False: no Service",
        ),
        ([a_parent("web", condition("Accepted", "Unknown"), condition("ResolvedRefs"))], "Accepted is Unknown"),
    ],
)
def test_route_is_not_accepted_before(parents: list[dict[str, Any]], why: str) -> None:
    seen = gateway.seen(OWNER, a_spec(), a_stored(*parents))
    assert not seen.accepted
    assert why in seen.message


def test_every_parent_must_accept() -> None:
    spec = a_spec({"name": "web"}, {"name": "inner"})
    group = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    parents = {"parentRefs": [{**group, "name": "web"}, {**group, "name": "inner"}]}

    def accepted(*answers: dict[str, Any]) -> bool:
        return gateway.seen(OWNER, spec, a_stored(*answers, spec=parents)).accepted

    assert not accepted(a_parent("web"))
    assert not accepted(a_parent("web"), a_parent("inner", condition("Accepted", "False"), condition("ResolvedRefs")))
    assert accepted(a_parent("web"), a_parent("inner"))


def test_route_of_which_no_gateway_has_said_anything_is_not_accepted() -> None:
    body = a_stored()
    for status in ({}, {"status": None}, {"status": {"parents": None}}):
        assert not gateway.seen(OWNER, a_spec(), {**body, **status}).accepted
