"""What a real API server makes of a write to somebody else's route, and of the next write of its owner."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio import client, config

from lossgate.api.owner import Owner
from lossgate.api.traffic import RouteRef
from lossgate.controller.kube import Kube, KubeError
from lossgate.controller.routes import kept
from lossgate.traffic.reference import ReferencedRoute
from tests.apiserver import ApiServer, as_json

pytestmark = pytest.mark.apiserver

JSON = dict[str, Any]
CRDS = Path("gateway-helm/charts/crds/crds/gatewayapi-crds.yaml")
"""Where the gateway's chart, which the e2e cluster installs, has the Gateway API."""

ROUTER = ReferencedRoute(Owner("digits", "default", "uid-1"), RouteRef(name="models", rule_name="predict"))
GIT = "git-tool"


def a_route(stable: int | None = None, canary: int | None = None) -> JSON:
    def backend(name: str, weight: int | None) -> JSON:
        return {"name": name, "port": 80} | ({} if weight is None else {"weight": weight})

    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "models", "namespace": "default", "labels": {"team": "vision"}},
        "spec": {
            "parentRefs": [{"name": "web"}],
            "hostnames": ["models.example.com"],
            "rules": [
                {"name": "explain", "backendRefs": [backend("explainer", 7)], "timeouts": {"request": "10s"}},
                {
                    "name": "predict",
                    "matches": [{"path": {"type": "PathPrefix", "value": "/predict"}}],
                    "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-a"]}}],
                    "backendRefs": [
                        backend("theirs", 0),
                        backend("digits-canary", canary),
                        backend("digits", stable),
                    ],
                },
            ],
        },
    }


@pytest.fixture(scope="module")
def server(apiserver: ApiServer, programs: Path) -> ApiServer:
    documents = yaml.safe_load_all((programs / CRDS).read_text(encoding="utf-8"))
    (crd,) = (one for one in documents if one and one["metadata"]["name"].startswith("httproutes."))
    apiserver.must("apply", "--server-side", "-f", "-", manifest=crd)
    apiserver.must("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}", "--timeout=30s")
    return apiserver


@pytest.fixture
def route(server: ApiServer) -> Any:
    server.must("apply", "--server-side", f"--field-manager={GIT}", "-f", "-", manifest=a_route())
    yield stored(server)
    server.must("delete", "httproute/models")


def stored(server: ApiServer) -> JSON:
    body: JSON = json.loads(server.must("get", "httproute/models", "-o", "json", "--show-managed-fields"))
    return body


async def write(server: ApiServer, body: JSON, stable: int, canary: int) -> JSON:
    patch = ROUTER.write(kept(body), stable, canary)
    assert patch is not None
    configuration = client.Configuration()
    await config.load_kube_config(str(server.kubeconfig), client_configuration=configuration)
    kube = Kube(client.ApiClient(configuration), lambda *request: None)
    try:
        return await kube.json_patch("HTTPRoute", "default", "models", patch.operations)
    finally:
        await kube.close()


def owned_by(body: JSON, manager: str) -> JSON:
    """Return the fields that a manager owns."""
    entries = [entry["fieldsV1"] for entry in body["metadata"]["managedFields"] if entry["manager"] == manager]
    return entries[0] if entries else {}


def weights(body: JSON) -> dict[str, int]:
    return {backend["name"]: backend["weight"] for backend in body["spec"]["rules"][1]["backendRefs"]}


async def test_two_weights_change_and_nothing_else(server: ApiServer, route: JSON) -> None:
    after = await write(server, route, 80, 20)
    assert weights(after) == {"theirs": 0, "digits-canary": 20, "digits": 80}
    before = copy.deepcopy(route)
    for body in (before, after):
        for backend in body["spec"]["rules"][1]["backendRefs"]:
            if backend["name"] != "theirs":
                del backend["weight"]
        for field in ("resourceVersion", "generation", "managedFields"):
            del body["metadata"][field]
    assert after == before
    assert ROUTER.write(kept(stored(server)), 80, 20) is None


async def test_route_that_changed_since_is_not_written_to(server: ApiServer, route: JSON) -> None:
    server.must("annotate", "httproute/models", "touched=yes")
    with pytest.raises(KubeError) as caught:
        await write(server, route, 80, 20)
    assert caught.value.status == 422
    assert weights(stored(server))["digits-canary"] == 1


async def test_owner_keeps_every_field_but_the_rules_which_the_gateway_api_has_as_one(
    server: ApiServer, route: JSON
) -> None:
    """`spec.rules` is an atomic list: there is no owning a weight alone."""
    after = await write(server, route, 80, 20)
    before = owned_by(route, GIT)
    assert "f:rules" in before["f:spec"]
    del before["f:spec"]["f:rules"]
    assert owned_by(after, GIT) == before
    assert owned_by(after, "lossgate") == {"f:spec": {"f:rules": {}}}


async def test_server_side_apply_without_weights_conflicts_rather_than_reset_them(
    server: ApiServer, route: JSON
) -> None:
    await write(server, route, 80, 20)
    done = server.kubectl("apply", "--server-side", f"--field-manager={GIT}", "-f", "-", stdin=as_json(a_route()))
    assert done.returncode != 0
    assert 'conflict with "lossgate"' in done.stderr
    assert ".spec.rules" in done.stderr
    assert weights(stored(server))["digits-canary"] == 20


async def test_server_side_apply_with_the_live_weights_has_no_conflict(server: ApiServer, route: JSON) -> None:
    """What Argo CD does with ignoreDifferences and RespectIgnoreDifferences=true."""
    live = await write(server, route, 80, 20)
    manifest = {field: live[field] for field in ("apiVersion", "kind", "spec")}
    manifest["metadata"] = a_route()["metadata"]
    server.must("apply", "--server-side", f"--field-manager={GIT}", "-f", "-", manifest=manifest)
    assert weights(stored(server))["digits-canary"] == 20
    after = await write(server, stored(server), 50, 50)
    assert weights(after)["digits-canary"] == 50


async def test_forced_reset_is_seen_with_the_name_of_who_did_it(server: ApiServer, route: JSON) -> None:
    await write(server, route, 80, 20)
    force = ("apply", "--server-side", "--force-conflicts", f"--field-manager={GIT}", "-f", "-")
    server.must(*force, manifest=a_route(100, 0))
    seen = ROUTER.seen(kept(stored(server)), ()).route
    assert seen is not None
    assert (seen.stable_weight, seen.canary_weight) == (100, 0)
    assert seen.changed_by == GIT
