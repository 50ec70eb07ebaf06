from __future__ import annotations

from typing import Any

import pytest

from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.spec import Service
from lossgate.workload import service

OWNER = Owner("digits", "ml", "uid-1")
STABLE, CANARY = Revision("digits-1a2b3c4d"), Revision("digits-5e6f7a8b")
PORT = Service(port=8080, targetPort=8000)


def a_stored(revision: Revision = STABLE, **spec: Any) -> dict[str, Any]:
    """The Service as the API server returns it, defaults filled in."""
    body = service.manifest(OWNER, PORT, "digits", revision)
    defaults = {
        "clusterIP": "10.0.0.7",
        "clusterIPs": ["10.0.0.7"],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    return {**body, "spec": {**defaults, **body["spec"], **spec}}


def a_slice(*pods: str, service_name: str = "digits", ready: bool | None = True) -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready, "serving": ready, "terminating": False}
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": service_name, "lossgate.io/rollout": "digits"}},
        "endpoints": [
            {"addresses": ["10.1.0.1"], "conditions": conditions, "targetRef": {"kind": "Pod", "name": pod}}
            for pod in pods
        ],
    }


def ready(*slices: dict[str, Any], revision: Revision = STABLE) -> dict[Revision, int]:
    return dict(service.seen(a_stored(revision), slices, PORT).ready)


def test_service_is_owned_and_selects_one_revision() -> None:
    body = service.manifest(OWNER, PORT, "digits-canary", CANARY)
    assert OWNER.owns(body)
    assert (body["metadata"]["name"], body["metadata"]["namespace"]) == ("digits-canary", "ml")
    assert body["metadata"]["labels"]["lossgate.io/rollout"] == "digits"
    assert body["spec"]["selector"] == {"lossgate.io/rollout": "digits", "lossgate.io/revision": CANARY}
    assert body["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": 8000, "protocol": "TCP"}]


def test_service_as_made_is_as_specified_after_the_api_server_filled_it_in() -> None:
    seen = service.seen(a_stored(), [], PORT)
    assert seen.as_specified
    assert seen.revision == STABLE
    assert seen.ready == {}


@pytest.mark.parametrize(
    "ports",
    [
        [],
        [{"name": "http", "port": 81, "targetPort": 8000, "protocol": "TCP"}],
        [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}],
        [
            {"name": "http", "port": 8080, "targetPort": 8000, "protocol": "TCP"},
            {"name": "more", "port": 9000, "targetPort": 9000, "protocol": "TCP"},
        ],
    ],
)
def test_other_ports_are_not_as_specified(ports: list[dict[str, Any]]) -> None:
    assert not service.seen(a_stored(ports=ports), [], PORT).as_specified


@pytest.mark.parametrize("selector", [None, {}, {"app": "theirs"}])
def test_service_that_selects_no_revision_of_ours_has_none(selector: dict[str, str] | None) -> None:
    seen = service.seen(a_stored(selector=selector), [a_slice("web-0")], PORT)
    assert seen.revision is None
    assert seen.ready == {"": 1}


def test_ready_pods_are_counted_over_all_slices_of_the_service() -> None:
    slices = (
        a_slice(f"{STABLE}-5d9c7b8f4-x2x7q", f"{STABLE}-5d9c7b8f4-9kq2w"),
        a_slice(f"{STABLE}-5d9c7b8f4-zzzzz"),
        a_slice(f"{STABLE}-5d9c7b8f4-aaaaa", service_name="digits-canary"),
    )
    assert ready(*slices) == {STABLE: 3}


@pytest.mark.parametrize("state", [False, None])
def test_pods_that_are_not_known_to_be_ready_do_not_count(state: bool | None) -> None:
    assert ready(a_slice(f"{STABLE}-5d9c7b8f4-x2x7q", ready=state)) == {}


def test_pod_listed_in_two_slices_for_a_moment_is_one() -> None:
    pod = f"{STABLE}-5d9c7b8f4-x2x7q"
    assert ready(a_slice(pod), a_slice(pod)) == {STABLE: 1}


@pytest.mark.parametrize("pod", [f"{CANARY}-5d9c7b8f4-x2x7q", "web-0", "web", "a-b-c", "", f"{STABLE}0-5d9c-x2x7q"])
def test_pod_of_another_revision_or_of_nobody_is_not_ours(pod: str) -> None:
    slices = [a_slice(f"{STABLE}-5d9c7b8f4-x2x7q", pod)]
    seen = service.seen(a_stored(), slices, PORT)
    assert seen.ready == {STABLE: 1, "": 1}
    assert not seen.only(STABLE, 1), "the Service has just changed what it selects"


def test_only_this_revision_and_enough_of_it() -> None:
    pods = [f"{STABLE}-5d9c7b8f4-{number}" for number in range(2)]
    seen = service.seen(a_stored(), [a_slice(*pods)], PORT)
    assert seen.only(STABLE, 2)
    assert not seen.only(STABLE, 3)
    assert not seen.only(CANARY, 1)
    assert not service.seen(a_stored(), [], PORT).only(STABLE, 0), "no endpoint is never enough"


@pytest.mark.parametrize("endpoints", [None, [], [{"addresses": ["10.1.0.1"]}]])
def test_slices_without_usable_endpoints_count_nothing(endpoints: Any) -> None:
    assert ready({**a_slice(), "endpoints": endpoints}) == {}


@pytest.mark.parametrize("length", [1, 37, 38, 48, 49, 50])
def test_pods_of_rollouts_with_long_names_are_recognised(length: int) -> None:
    """The API server cuts what it generates a pod's name from to 58 characters, and adds 5."""
    name = "m" * length
    stable, canary = Revision(f"{name}-1a2b3c4d"), Revision(f"{name}-5e6f7a8b")
    pods = {revision: f"{revision}-5d9c7b8f4f-"[:58] + "x2x7q" for revision in (stable, canary)}
    body = service.manifest(Owner(name, "ml", "uid-1"), PORT, name, stable)
    seen = service.seen(body, [a_slice(pods[stable], service_name=name)], PORT)
    assert seen.ready == {stable: 1}
    seen = service.seen(body, [a_slice(pods[canary], service_name=name)], PORT)
    assert seen.ready == {"": 1}


def an_endpoint(address: str, pod: str, *, ready: bool = True) -> dict[str, Any]:
    return {"addresses": [address], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}


def test_addresses_are_those_of_the_revision_behind_the_service_ready_or_not() -> None:
    labels = {"kubernetes.io/service-name": "digits", "lossgate.io/rollout": "digits"}
    ports = [{"name": "http", "port": 8080}]
    pods = [
        an_endpoint("10.1.0.2", f"{STABLE}-5d9-b"),
        an_endpoint("10.1.0.1", f"{STABLE}-5d9-a", ready=False),
        an_endpoint("10.1.0.9", "digits-99999999-5d9-a"),
        an_endpoint("fd00::1", f"{STABLE}-5d9-c"),
    ]
    own = {"metadata": {"labels": labels}, "ports": ports, "endpoints": pods}
    twice = {"metadata": {"labels": labels}, "ports": ports, "endpoints": pods[:1]}
    other = {
        "metadata": {"labels": labels | {"kubernetes.io/service-name": "digits-canary"}},
        "ports": ports,
        "endpoints": [an_endpoint("10.1.0.8", f"{STABLE}-5d9-d")],
    }
    found = service.addresses([own, twice, other], "digits", STABLE)
    assert found == ("10.1.0.1:8080", "10.1.0.2:8080", "[fd00::1]:8080")
    assert service.addresses([{"metadata": {"labels": labels}}], "digits", STABLE) == ()
