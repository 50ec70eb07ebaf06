"""What the chart makes of its values."""

from __future__ import annotations

from typing import Any

import pytest

from lossgate.api import crd
from tests.chart.conftest import CHART, Helm, Render

Objects = list[dict[str, Any]]


def the(kind: str, objects: Objects) -> dict[str, Any]:
    (found,) = [item for item in objects if item["kind"] == kind]
    return found


def container(objects: Objects) -> dict[str, Any]:
    (found,) = the("Deployment", objects)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(objects: Objects) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(objects)["env"]}


def test_the_chart_is_well_formed(helm: Helm) -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("promethius.url=http://p", "promethius"),
        ("image.digst=x", "digst"),
        ("image.digest=latest", "/image/digest"),
        ("prometheus.url=prometheus:9090", "/prometheus/url"),
        ("prometheus.allowed=http://p", "/prometheus/allowed"),
        ("watchNamespaces=a", "/watchNamespaces"),
        ("logLevel=verbose", "/logLevel"),
        ("replicas=2", "replicas"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, value: str, words: str) -> None:
    done = helm("template", "lossgate", CHART, "--set", value)
    assert done.returncode != 0
    assert words in done.stderr


def test_the_crd_comes_with_the_release_and_stays(render: Render) -> None:
    found = the("CustomResourceDefinition", render())
    assert found["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert found == crd.build()


def test_the_crd_may_go_with_the_release(render: Render) -> None:
    assert the("CustomResourceDefinition", render("crds.keep=false")) == crd.build()


def test_the_crd_may_be_somebody_elses(render: Render) -> None:
    assert "CustomResourceDefinition" not in [item["kind"] for item in render("crds.create=false")]


def test_two_operators_are_never_at_work_during_an_upgrade(render: Render) -> None:
    spec = the("Deployment", render())["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_the_selector_survives_an_upgrade_of_the_chart(render: Render) -> None:
    spec = the("Deployment", render())["spec"]
    selector = spec["selector"]["matchLabels"]
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()


def test_the_operator_learns_its_settings(render: Render) -> None:
    found = environment(
        render(
            "prometheus.url=http://prometheus.monitoring:9090",
            "prometheus.allowed={https://a.example.com,https://b.example.com/prom}",
            "watchNamespaces={ml,research}",
            "logLevel=DEBUG",
        )
    )
    assert found == {
        "LOSSGATE_NAMESPACE": {"fieldRef": {"fieldPath": "metadata.namespace"}},
        "LOSSGATE_POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "LOSSGATE_HTTP_PORT": "8080",
        "LOSSGATE_LOG_LEVEL": "DEBUG",
        "LOSSGATE_PROMETHEUS_URL": "http://prometheus.monitoring:9090",
        "LOSSGATE_PROMETHEUS_ALLOWED": "https://a.example.com,https://b.example.com/prom",
        "LOSSGATE_WATCH_NAMESPACES": "ml,research",
    }


def test_probes_ask_the_operator_itself(render: Render) -> None:
    found = container(render())
    assert found["ports"] == [{"name": "http", "containerPort": 8080}]
    assert found["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert found["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), "lossgate/operator:0.1.0"),
        (("image.repository=a/b", "image.tag=c"), "a/b:c"),
        (("image.tag=c", f"image.digest=sha256:{'0' * 64}"), f"lossgate/operator@sha256:{'0' * 64}"),
    ],
)
def test_a_digest_wins_over_a_tag(render: Render, values: tuple[str, ...], image: str) -> None:
    assert container(render(*values))["image"] == image


def test_an_account_of_ones_own_must_be_named(helm: Helm, render: Render) -> None:
    objects = render("serviceAccount.create=false", "serviceAccount.name=mine")
    assert "ServiceAccount" not in [item["kind"] for item in objects]
    assert the("Deployment", objects)["spec"]["template"]["spec"]["serviceAccountName"] == "mine"
    done = helm("template", "lossgate", CHART, "--set", "serviceAccount.create=false")
    assert "serviceAccount.name: name the ServiceAccount to use" in done.stderr


def test_named_namespaces_need_no_cluster_role(render: Render) -> None:
    objects = render("watchNamespaces={ml,research}")
    assert not [item for item in objects if item["kind"].startswith("ClusterRole")]
    granted = {(item["kind"], item["metadata"]["namespace"]) for item in objects if item["kind"].startswith("Role")}
    assert granted == {
        (kind, namespace) for kind in ("Role", "RoleBinding") for namespace in ("ml", "research", "lossgate-system")
    }


@pytest.mark.parametrize("values", [(), ("watchNamespaces={ml}",)])
def test_no_rule_grants_everything(render: Render, values: tuple[str, ...]) -> None:
    rules = [rule for item in render(*values) for rule in item.get("rules", ())]
    assert rules
    for rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not {"secrets", "pods"} & set(rule["resources"])
