"""What the chart grants, to whom, and where."""

from __future__ import annotations

import re

import pytest

from tests.chart.conftest import CHART, Render, of_kind

CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
BOTH = {"ClusterRole", "ClusterRoleBinding"}


def test_named_namespaces_need_no_cluster_role(render: Render) -> None:
    objects = render("watchNamespaces={ml,research}")
    assert not BOTH & {item["kind"] for item in objects}
    granted = {(item["kind"], item["metadata"]["namespace"]) for item in objects if item["kind"].startswith("Role")}
    assert granted == {
        (kind, namespace) for kind in ("Role", "RoleBinding") for namespace in ("ml", "research", "lossgate-system")
    }


def test_only_three_templates_can_make_cluster_scoped_objects() -> None:
    """What the combinations cannot all try: each of these three is left out by one value or two."""
    found = {
        str(template.relative_to(CHART / "templates"))
        for template in (CHART / "templates").rglob("*.yaml")
        if CLUSTER_SCOPED & set(re.findall(r"^kind: (\S+)", template.read_text(), re.MULTILINE))
    }
    assert found == {"clusterrole.yaml", "clusterroles-people.yaml"}
    assert "files/lossgate.io_modelrollouts.yaml" in (CHART / "templates/crds/modelrollouts.yaml").read_text()


@pytest.mark.parametrize("values", [(), ("watchNamespaces={ml}",), ("rbac.readSecrets=true",)])
def test_no_rule_grants_everything(render: Render, values: tuple[str, ...]) -> None:
    rules = [rule for item in render(*values) for rule in item.get("rules", ())]
    assert rules
    for rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "pods" not in rule["resources"]
        if {"secrets", "configmaps"} & set(rule["resources"]):
            assert (values, rule["verbs"]) == (("rbac.readSecrets=true",), ["get"])


@pytest.mark.parametrize("values", [(), ("watchNamespaces={ml,research}",)])
def test_secrets_are_read_only_where_the_operator_acts(render: Render, values: tuple[str, ...]) -> None:
    def readers(*more: str) -> set[tuple[str, str | None]]:
        return {
            (item["kind"], item["metadata"].get("namespace"))
            for item in render(*values, *more)
            for rule in item.get("rules", ())
            if "secrets" in rule["resources"]
        }

    assert readers() == set()
    namespaces = {("Role", "ml"), ("Role", "research")} if values else {("ClusterRole", None)}
    assert readers("rbac.readSecrets=true") == namespaces


def test_nothing_is_granted_unless_it_shall_be(render: Render) -> None:
    for values in ((), ("watchNamespaces={ml}",)):
        objects = render("rbac.create=false", *values)
        assert not {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"} & {item["kind"] for item in objects}


@pytest.mark.parametrize(
    ("values", "made"),
    [
        ((), True),
        (("rbac.aggregateRoles=false",), False),
        (("watchNamespaces={ml}",), False),
        (("watchNamespaces={ml}", "rbac.aggregateRoles=true"), True),
        (("rbac.create=false",), False),
        (("rbac.create=false", "rbac.aggregateRoles=true"), True),
    ],
)
def test_roles_for_people_are_made_where_cluster_roles_are(render: Render, values: tuple[str, ...], made: bool) -> None:
    roles = {f"lossgate-{name}" for name in ("view", "edit", "admin")}
    assert roles & set(of_kind("ClusterRole", render(*values))) == (roles if made else set())


def test_each_role_for_people_joins_the_one_of_its_name(render: Render) -> None:
    found = {
        name: [label for label in role["metadata"]["labels"] if "aggregate" in label]
        for name, role in of_kind("ClusterRole", render()).items()
        if name != "lossgate"
    }
    assert found == {
        f"lossgate-{name}": [f"rbac.authorization.k8s.io/aggregate-to-{name}"] for name in ("view", "edit", "admin")
    }


def test_the_test_needs_no_rights(render: Render) -> None:
    bound = [
        subject["name"] for item in render() if item["kind"].endswith("RoleBinding") for subject in item["subjects"]
    ]
    assert set(bound) == {"lossgate"}
