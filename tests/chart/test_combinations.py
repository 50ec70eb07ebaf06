"""Any two choices go together: a real API server takes the objects of every combination, and the pods as restricted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from tests.apiserver import ApiServer, as_json
from tests.chart.combinations import pairwise
from tests.chart.conftest import Objects, Render, the
from tests.chart.monitoring import monitor_crds

HOME = "combined"
PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
DROP = {"action": "labeldrop", "regex": "pod", "sourceLabels": ["pod"]}
MONITOR = {"create": True, "labels": {"release": "p"}, "interval": "15s", "scrapeTimeout": "10s", "relabelings": [DROP]}
TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "p"}}]}}
FLAGS: dict[str, dict[str, dict[str, Any]]] = {
    "namespaces": {"all": {}, "named": {"watchNamespaces": ["combined-a", "combined-b"]}},
    "crds": {
        "kept": {},
        "removed": {"crds": {"keep": False}},
        "elsewhere": {"crds": {"create": False}},
    },
    "replicas": {"one": {}, "two": {"replicas": 2}},
    "disruption": {"off": {}, "on": {"podDisruptionBudget": {"create": True}}},
    "network": {
        "off": {},
        "open": {"networkPolicy": {"create": True}},
        "narrow": {
            "networkPolicy": {
                "create": True,
                "ingress": {"from": [PEER]},
                "egress": {
                    "apiServer": {"cidrs": ["10.0.0.1/32", "fd00::1/128"]},
                    "prometheus": {"to": [PEER], "ports": [443]},
                    "dns": {"to": [{"ipBlock": {"cidr": "169.254.20.10/32"}}]},
                    "extra": [{"to": [PEER], "ports": [{"port": 4317}]}],
                },
            }
        },
    },
    "monitor": {"off": {}, "service": {"serviceMonitor": MONITOR}, "pod": {"podMonitor": MONITOR}},
    "rights": {
        "granted": {},
        "with-secrets": {"rbac": {"readSecrets": True}},
        "elsewhere": {"rbac": {"create": False}},
    },
    "credentials": {
        "none": {},
        "token": {"existingSecret": {"name": "p", "tokenKey": "token"}},
        "password": {"existingSecret": {"name": "p", "usernameKey": "user", "passwordKey": "password"}},
        "file": {"tokenFile": "/var/run/prometheus/token", "headers": {"X-Scope-OrgID": "ml|$(A)"}},
    },
    "authority": {
        "none": {},
        "configmap": {"caConfigMap": {"name": "ca"}},
        "secret": {"caSecret": {"name": "ca", "key": "root.pem"}},
    },
    "account": {
        "own": {},
        "annotated": {"serviceAccount": {"name": "mine", "annotations": {"example.com/role": "reader"}}},
        "given": {"serviceAccount": {"create": False, "name": "default"}},
    },
    "ids": {"fixed": {}, "platform": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None}}},
    "more": {
        "off": {},
        "on": {
            "extraEnv": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "extraVolumes": [TOKEN],
            "extraVolumeMounts": [{"name": "token", "mountPath": "/var/run/prometheus"}],
            "commonLabels": {"team": "ml", "example.com/paged": "true"},
            "podLabels": {"team": "ops"},
            "podAnnotations": {"example.com/a": "b"},
            "service": {"annotations": {"prometheus.io/scrape": "true"}},
            "image": {"digest": f"sha256:{'0' * 64}", "pullSecrets": ["a", "b"]},
            "priorityClassName": "system-cluster-critical",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"},
            ],
        },
    },
}
ROWS = pairwise({flag: list(choices) for flag, choices in FLAGS.items()})
WITHOUT_CLUSTER = pairwise(
    {flag: list(choices) for flag, choices in FLAGS.items() if flag not in ("namespaces", "crds")}
)


def values_of(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a combination; those of one block are put together."""
    whole: dict[str, Any] = {"prometheus": {"url": "https://prometheus:9090", "allowed": ["https://other"]}}
    for flag, choice in row.items():
        part = FLAGS[flag][choice]
        if flag in ("credentials", "authority"):
            whole["prometheus"] |= part
        else:
            whole |= part
    return whole


def pod_of(objects: Objects) -> dict[str, Any]:
    """Return a pod as the Deployment would make it: admission looks at pods, of Deployments it only warns."""
    template = the("Deployment", objects)["spec"]["template"]
    metadata = template["metadata"] | {"name": "operator", "namespace": HOME}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def label(row: Mapping[str, str]) -> str:
    return ",".join(f"{flag}={choice}" for flag, choice in row.items())


@pytest.fixture(scope="module")
def prepared(apiserver: ApiServer) -> ApiServer:
    """The API server with the namespaces, restricted, and the CRDs of both monitors."""
    crds = monitor_crds()
    apiserver.must("apply", "--server-side", "-f", "-", manifest=crds)
    strict = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": strict}}
        for name in (HOME, "combined-a", "combined-b")
    ]
    apiserver.must("apply", "-f", "-", manifest=namespaces)
    names = [f"crd/{crd['metadata']['name']}" for crd in crds]
    apiserver.must("wait", "--for=condition=Established", *names, "--timeout=30s")
    return apiserver


def refusals(server: ApiServer, objects: Objects) -> str:
    """Return what the API server says against objects, warnings included; it stores nothing."""
    done = server.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-",
        stdin=as_json(objects),
    )  # fmt: skip
    assert done.returncode == 0 or done.stderr
    return done.stderr


def test_all_pairs_are_among_the_combinations() -> None:
    for (one, first), (other, second) in itertools.combinations(FLAGS.items(), 2):
        met = {(row[one], row[other]) for row in ROWS}
        assert met == set(itertools.product(first, second))


@pytest.mark.apiserver
@pytest.mark.parametrize("row", ROWS, ids=label)
def test_the_api_server_takes_every_combination(prepared: ApiServer, render: Render, row: dict[str, str]) -> None:
    objects = render(values_of(row), namespace=HOME)
    assert refusals(prepared, [*objects, pod_of(objects)]) == ""


@pytest.mark.apiserver
@pytest.mark.parametrize("which", ["operator", "lossgate-test"])
def test_a_looser_pod_would_be_refused(prepared: ApiServer, render: Render, which: str) -> None:
    objects = render(namespace=HOME)
    pods = [item for item in (*objects, pod_of(objects)) if item["kind"] == "Pod" and item["metadata"]["name"] == which]
    assert refusals(prepared, pods) == ""
    for container in pods[0]["spec"]["containers"]:
        container["securityContext"]["allowPrivilegeEscalation"] = True
    assert "violates PodSecurity" in refusals(prepared, pods)


@pytest.mark.apiserver
def test_a_misspelt_field_would_be_refused(prepared: ApiServer, render: Render) -> None:
    objects = render({"serviceMonitor": MONITOR, "crds": {"create": False}}, namespace=HOME)
    the("ServiceMonitor", objects)["spec"]["endpoints"][0]["honourLabels"] = True
    assert 'unknown field "honourLabels"' in refusals(prepared, objects)


@pytest.mark.parametrize("row", WITHOUT_CLUSTER, ids=label)
def test_a_namespaces_administrator_can_do_without_cluster_scoped_objects(render: Render, row: dict[str, str]) -> None:
    values = values_of(row) | FLAGS["namespaces"]["named"] | FLAGS["crds"]["elsewhere"]
    homes = {item["metadata"].get("namespace") for item in render(values, namespace=HOME)}
    assert homes <= {HOME, "combined-a", "combined-b"}
