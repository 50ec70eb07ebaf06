"""The chart's objects on a real API server: accepted, restricted, and with the rights that the operator needs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver import ApiServer
from tests.chart.conftest import Render

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
    (USERS, ROLLOUTS, "get list watch"),
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
    (USERS, ROLLOUTS, "create update patch delete"),
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


def test_secrets_can_be_got_by_name_and_no_more_when_that_is_asked_for(apiserver: ApiServer, render: Render) -> None:
    apiserver.must("apply", "-f", "-", manifest=[namespace(HOME), namespace("reads"), namespace("other")])
    objects = render("crds.create=false", "watchNamespaces={reads}", "rbac.readSecrets=true", "fullnameOverride=reader")
    apiserver.must("apply", "--server-side", "-f", "-", manifest=objects)
    account = "system:serviceaccount:lossgate-system:reader"
    every = "get list watch create update patch delete"
    for resource in (("", "secrets"), ("", "configmaps")):
        assert allowed(apiserver, account, "reads", resource, every) == "get"
        for elsewhere in ("other", HOME):
            assert allowed(apiserver, account, elsewhere, resource, every) == ""


PEOPLE: list[tuple[str, Resource, str, str]] = [
    ("view", ROLLOUTS, "get list watch", "create update patch delete deletecollection"),
    ("view", (*ROLLOUTS, "status"), "get", "update patch"),
    ("view", (*ROLLOUTS, "scale"), "get", "update patch"),
    ("edit", ROLLOUTS, "create update patch delete deletecollection", ""),
    ("edit", (*ROLLOUTS, "scale"), "update patch", ""),
    ("edit", (*ROLLOUTS, "status"), "", "update patch"),
    ("admin", (*ROLLOUTS, "status"), "update", "patch"),
    ("admin", (*ROLLOUTS, "finalizers"), "update", ""),
]
"""What a role adds to the one before it, and what it does not."""


@pytest.mark.parametrize(("role", "resource", "granted", "withheld"), PEOPLE)
@pytest.mark.usefixtures("installed")
def test_each_role_for_people_grants_its_part(
    apiserver: ApiServer, role: str, resource: Resource, granted: str, withheld: str
) -> None:
    person = f"one-with-{role}"
    subject = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"lossgate-{role}"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": person, "namespace": USERS},
        "roleRef": reference,
        "subjects": subject,
    }
    apiserver.must("apply", "-f", "-", manifest=binding)
    assert allowed(apiserver, person, USERS, resource, f"{granted} {withheld}") == granted
    assert allowed(apiserver, person, HOME, resource, f"{granted} {withheld}") == ""


@pytest.mark.parametrize(("role", "selected"), [("view", "view"), ("edit", "edit"), ("admin", "admin")])
def test_the_clusters_own_role_picks_up_the_label(
    apiserver: ApiServer, installed: list[dict[str, Any]], role: str, selected: str
) -> None:
    """The controller that puts the rules together does not run here; its selectors are there."""
    path = "{.aggregationRule.clusterRoleSelectors[*].matchLabels}"
    selectors = apiserver.must("get", "clusterrole", role, "-o", f"jsonpath={path}")
    (ours,) = [item for item in installed if item["metadata"]["name"] == f"lossgate-{selected}"]
    (label,) = [name for name in ours["metadata"]["labels"] if "aggregate-to-" in name]
    assert f'"{label}":"true"' in selectors
