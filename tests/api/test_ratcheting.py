"""What was stored before a rule came does not stop a change of anything else; a wrong field stays to be mended."""

from __future__ import annotations

import copy
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lossgate.api import crd
from tests import rollouts
from tests.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

CRD = "customresourcedefinition/modelrollouts.lossgate.io"
CHECKS = ("x-kubernetes-validations", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "enum")
CONTAINER = {"name": "model", "ports": [{"name": "http", "containerPort": 8000}]}
IN_UNITS = {"gate": {"absoluteMargin": "0.01"}}


def a_step(**fields: Any) -> dict[str, Any]:
    return {"steps": [{"weight": 50, **fields}]}


QUERY = 'up{revision="$revision"}'


def a_guardrail(**fields: Any) -> dict[str, Any]:
    return {"guardrails": [{"name": "up", "query": QUERY, **fields}]}


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # what was stored, what it is changed to: as wrong as before
    "weights": ({"steps": [{"weight": 25}, {"weight": 5}]}, {"steps": [{"weight": 30}, {"weight": 5}]}),
    "margins": (
        {"steps": [{"weight": 5, "margin": "6%"}, {"weight": 50, "margin": "7%"}], "gate": {"margin": "8%"}},
        {"steps": [{"weight": 5, "margin": "5%"}, {"weight": 50, "margin": "7%"}]},
    ),
    "last-margin": (a_step(margin="6%"), a_step(margin="7%")),
    "last-margin-by-the-gate": (a_step(margin="6%") | {"gate": {"margin": "4%"}}, {"gate": {"margin": "3%"}}),
    "last-margin-in-loss-units": (a_step(absoluteMargin="0.02") | IN_UNITS, a_step(absoluteMargin="0.03")),
    "unit-of-the-margin": (a_step(absoluteMargin="0.02"), a_step(absoluteMargin="0.01")),
    "min-duration": (a_step(minDuration="48h"), a_step(minDuration="36h")),
    "min-duration-by-the-gate": (
        a_step(minDuration="2h") | {"gate": {"maxDuration": "1h"}},
        {"gate": {"maxDuration": "90m"}},
    ),
    "port": ({"service": {"targetPort": "grpc"}}, {"service": {"targetPort": "rpc"}}),
    "port-by-the-template": (
        {"service": {"targetPort": "grpc"}},
        {"template": {"spec": {"containers": [{**CONTAINER, "image": "digits:v2"}]}}},
    ),
    "selector": ({"loss": {"selector": {"revision": "a"}}}, {"loss": {"selector": {"revision": "b"}}}),
    "selector-of-the-namespace": (
        {"loss": {"selector": {"namespace": "a"}}},
        {"loss": {"selector": {"namespace": "b"}}},
    ),
    "labels": (
        {"loss": {"labels": {"revision": "a", "namespace": "a"}}},
        {"loss": {"labels": {"revision": "b", "namespace": "b"}}},
    ),
    "margins-of-the-gate": ({"gate": {"margin": "5%", "absoluteMargin": "0.01"}}, {"gate": {"margin": "6%"}}),
    "canary": ({"canary": {"replicas": 2, "maxSurge": 2}}, {"canary": {"replicas": 3}}),
    "guard": ({"gate": {"guardExcess": "0%"}}, {"gate": {"guardExcess": "0.0%"}}),
    "interval": ({"loss": {"interval": "20m"}}, {"loss": {"interval": "30m"}}),
    "deadline": ({"progressDeadlineSeconds": 0}, {"progressDeadlineSeconds": 100000}),
    "history": ({"revisionHistoryLimit": 30}, {"revisionHistoryLimit": 31}),
    "replicas": ({"replicas": 1001}, {"replicas": 1002}),
    "plain-credentials": (
        {"loss": {"prometheus": {"url": "http://p", "secretRef": {"name": "a"}}}},
        {"loss": {"prometheus": {"secretRef": {"name": "b"}}}},
    ),
    "plain-authority": (
        {"loss": {"prometheus": {"url": "http://p", "caRef": {"kind": "Secret", "name": "a"}}}},
        {"loss": {"prometheus": {"url": "http://q"}}},
    ),
    "route": ({"traffic": {"routeRef": {"name": "a"}}}, {"traffic": {"routeRef": {"name": "b"}}}),
    "guardrail-without-limit": (a_guardrail(), a_guardrail(query=QUERY + " * 2", preset="EnvoyGatewayErrorRate")),
    "guardrail-limits": (a_guardrail(min=2, max=1), a_guardrail(min=3, max=1)),
    "guardrail-interval": (a_guardrail(max=1, interval="10s"), a_guardrail(max=1, interval="11s")),
}

NEIGHBOURS: list[dict[str, Any]] = [
    {"paused": True},
    {"model": {"version": "v2"}},
    {"scaleDownDelay": "1m"},
    {"gate": {"minLabels": 200}},
    {"loss": {"settle": "1m"}},
    {"loss": {"prometheus": {"headers": {"X-Tenant": "a"}}}},
    {"service": {"port": 81}},
    {"template": {"spec": {"terminationGracePeriodSeconds": 5}}},
]
"""Changes of other fields, also of those beside the wrong one in the same part."""

LONG_NAME = "a" * 60


def loosened(node: Any) -> Any:
    """Return a schema without anything that refuses a value for what it says."""
    if isinstance(node, list):
        return [loosened(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: loosened(value)
        for key, value in node.items()
        if key not in CHECKS or (key in ("minimum", "maximum") and not isinstance(value, int | float))
    }


@dataclass(frozen=True)
class Api:
    """The API server, asked without a program in between: there are hundreds of questions."""

    server: ApiServer

    def ask(self, method: str, path: str, body: Any) -> tuple[bool, str]:
        """Return whether a request was taken, and the words of the answer."""
        config = yaml.safe_load(self.server.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": kind}
        url = f"{cluster['server']}/apis/lossgate.io/v1alpha1/namespaces/default/modelrollouts{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                return True, answer.read().decode()
        except urllib.error.HTTPError as error:
            return False, json.loads(error.read())["message"]

    def create(self, name: str, changes: dict[str, Any], query: str = "") -> tuple[bool, str]:
        """Create a ModelRollout."""
        manifest = rollouts.changed(changes)
        manifest["metadata"]["name"] = name
        return self.ask("POST", query, manifest)

    def patch(self, name: str, body: dict[str, Any], subresource: str = "") -> tuple[bool, str]:
        """Try a change of a ModelRollout without storing it."""
        return self.ask("PATCH", f"/{name}{subresource}?dryRun=All", body)

    def serve(self, definition: dict[str, Any], folder: Path) -> None:
        """Apply a CRD and wait until the API server judges by it."""
        path = folder / "crd.yaml"
        path.write_text(yaml.safe_dump(definition))
        self.server.must("apply", "--server-side", "--force-conflicts", "-f", str(path))
        self.server.must("wait", "--for=condition=Established", CRD, "--timeout=30s")
        is_strict = "x-kubernetes-validations" in json.dumps(definition)
        deadline = time.monotonic() + 60
        while self.create("probe", {"steps": [{"weight": 100}]}, "?dryRun=All")[0] is is_strict:
            assert time.monotonic() < deadline, "the API server does not judge by the new CRD"


def loose_crd() -> dict[str, Any]:
    definition = copy.deepcopy(crd.build())
    version = definition["spec"]["versions"][0]
    version["schema"] = loosened(version["schema"])
    return definition


@pytest.fixture(scope="module")
def api(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API server with one wrong ModelRollout per rule, stored before the rules were there."""
    folder, api = tmp_path_factory.mktemp("crds"), Api(apiserver)
    api.serve(loose_crd(), folder)
    for name, (stored, _) in {**WRONG, LONG_NAME: ({}, {})}.items():
        stored_now, words = api.create(name, stored)
        assert stored_now, words
    api.serve(crd.build(), folder)
    yield api
    apiserver.must("delete", "modelrollouts", "--all")


@pytest.mark.parametrize("name", [*WRONG, LONG_NAME])
def test_metadata_and_status_of_an_old_object_can_be_written(api: Api, name: str) -> None:
    accepted, words = api.patch(name, {"metadata": {"annotations": {"team": "vision"}}})
    assert accepted, words
    accepted, words = api.patch(name, {"status": {"phase": "Healthy"}}, "/status")
    assert accepted, words


@pytest.mark.parametrize("name", [*WRONG, LONG_NAME])
def test_other_fields_of_an_old_object_can_be_changed(api: Api, name: str) -> None:
    for change in NEIGHBOURS:
        accepted, words = api.patch(name, {"spec": change})
        assert accepted, f"{change}: {words}"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_cannot_be_changed_to_another_wrong_value(api: Api, name: str) -> None:
    accepted, _ = api.patch(name, {"spec": WRONG[name][1]})
    assert not accepted
