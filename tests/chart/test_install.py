"""The chart's objects on a real API server: accepted, restricted, and with the rights that the operator needs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver import ApiServer, as_json
from tests.chart.conftest import CHART, Helm, Render

pytestmark = pytest.mark.apiserver

ACCOUNT = "system:serviceaccount:lossgate-system:lossgate"
HOME = "lossgate-system"
USERS = "ml"

Resource = tuple[str, ...]
"""Group, resource, subresource, name; what is left out at the end is empty."""

ROLLOUTS = ("lossgate.io", "modelrollouts")
DEPLOYMENTS = ("apps", "deployments")
SERVICES = ("", "services")
SLICES = ("discovery.k8s.io", "endpointslices")
ROUTES = ("gateway.networking.k8s.io", "httproutes")
LEASES = ("coordination.k8s.io", "leases")

NEEDED: list[tuple[str, Resource, str]] = [
    (USERS, ROLLOUTS, "list watch"),
    (USERS, (*ROLLOUTS, "status"), "update"),
    (USERS, (*ROLLOUTS, "finalizers"), "update"),
    (USERS, DEPLOYMENTS, "get list watch create patch delete"),
    (USERS, SERVICES, "get list watch create patch"),
    (USERS, SLICES, "list watch"),
    (USERS, ROUTES, "get list watch create patch"),
    (USERS, ("", "events"), "create"),
    ("", ("apiextensions.k8s.io", "customresourcedefinitions"), "list watch"),
    (HOME, LEASES, "create"),
    (HOME, (*LEASES, "", "lossgate"), "get update"),
]
DENIED: list[tuple[str, Resource, str]] = [
    (USERS, ROLLOUTS, "get create update patch delete"),
    (USERS, (*ROLLOUTS, "status"), "get patch"),
    (USERS, ("", "events"), "get list patch update"),
    (USERS, ("events.k8s.io", "events"), "create patch"),
    (USERS, DEPLOYMENTS, "update deletecollection"),
    (USERS, SERVICES, "update delete"),
    (USERS, ROUTES, "update delete"),
    (USERS, ("", "secrets"), "get list watch"),
    (USERS, ("", "pods"), "get list watch create delete"),
    ("", ("", "namespaces"), "get list watch"),
    (USERS, LEASES, "create get update"),
    (HOME, LEASES, "get list watch update delete"),
    (HOME, (*LEASES, "", "another"), "get update"),
]


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@pytest.fixture(scope="module")
def installed(apiserver: ApiServer, render: Render) -> list[dict[str, Any]]:
    """The chart's objects, applied; nothing runs, for there is no node."""
    apiserver.must("apply", "-f", "-", manifest=[namespace(HOME), namespace(USERS)])
    objects = render("crds.create=false", "prometheus.url=http://prometheus:9090")
    apiserver.must("apply", "--server-side", "-f", "-", manifest=objects)
    return objects


def allowed(server: ApiServer, account: str, where: str, resource: Resource, verbs: str) -> str:
    """Which of the verbs the API server's own authorizer allows; it also answers for kinds that it does not serve."""
    target = dict(zip(("group", "resource", "subresource", "name"), resource, strict=False))
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": account, "resourceAttributes": target | {"namespace": where, "verb": verb}},
        }
        for verb in verbs.split()
    ]
    lines = '{.spec.resourceAttributes.verb} {.status.allowed}{"\\n"}'
    answers = server.must("create", "-o", f"jsonpath={lines}", "-f", "-", manifest=reviews).splitlines()
    assert len(answers) == len(reviews)
    return " ".join(answer.removesuffix(" true") for answer in answers if answer.endswith(" true"))


@pytest.mark.parametrize(("where", "resource", "verbs"), NEEDED)
@pytest.mark.usefixtures("installed")
def test_the_operator_may_do_its_work(apiserver: ApiServer, where: str, resource: Resource, verbs: str) -> None:
    assert allowed(apiserver, ACCOUNT, where, resource, verbs) == verbs


@pytest.mark.parametrize(("where", "resource", "verbs"), DENIED)
@pytest.mark.usefixtures("installed")
def test_the_operator_may_do_no_more(apiserver: ApiServer, where: str, resource: Resource, verbs: str) -> None:
    assert allowed(apiserver, ACCOUNT, where, resource, verbs) == ""


def test_named_namespaces_are_all_that_the_operator_may_touch(apiserver: ApiServer, render: Render) -> None:
    apiserver.must("apply", "-f", "-", manifest=[namespace(HOME), namespace("only"), namespace("other")])
    objects = render("crds.create=false", "watchNamespaces={only}", "fullnameOverride=narrow")
    apiserver.must("apply", "--server-side", "-f", "-", manifest=objects)
    account = "system:serviceaccount:lossgate-system:narrow"
    assert allowed(apiserver, account, "only", DEPLOYMENTS, "create") == "create"
    for elsewhere in ("other", HOME):
        assert allowed(apiserver, account, elsewhere, DEPLOYMENTS, "create get list watch") == ""
    assert allowed(apiserver, account, "", ("", "namespaces"), "list watch") == ""


def test_the_pod_meets_the_restricted_standard(apiserver: ApiServer, installed: list[dict[str, Any]]) -> None:
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    apiserver.must("apply", "-f", "-", manifest=namespace("strict", **strict))
    (deployment,) = [item for item in installed if item["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    metadata = {"name": "operator", "namespace": "strict"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    apiserver.must("create", "--dry-run=server", "-f", "-", manifest=pod)
    loose = pod | {"spec": spec | {"securityContext": {}}}
    done = apiserver.kubectl("create", "--dry-run=server", "-f", "-", stdin=as_json(loose))
    assert "violates PodSecurity" in done.stderr


def test_the_crd_outlives_the_release(apiserver: ApiServer, helm: Helm) -> None:
    where = ("--namespace", "by-helm", "--kubeconfig", apiserver.kubeconfig)
    ours = ("--set", "fullnameOverride=by-helm", "--take-ownership", "--force-conflicts")
    installed = helm("install", "lossgate", CHART, *where, *ours, "--create-namespace")
    assert installed.returncode == 0, installed.stderr
    assert "kubectl explain modelrollout.spec" in installed.stdout
    assert "nothing can be measured" in installed.stdout
    upgraded = helm("upgrade", "lossgate", CHART, *where, *ours, "--set", "prometheus.url=http://prometheus")
    assert upgraded.returncode == 0, upgraded.stderr
    assert "nothing can be measured" not in upgraded.stdout
    removed = helm("uninstall", "lossgate", *where)
    assert removed.returncode == 0, removed.stderr
    assert "NotFound" in apiserver.kubectl("-n", "by-helm", "get", "deployment", "by-helm").stderr
    apiserver.must("get", "crd", "modelrollouts.lossgate.io")
