"""What the chart makes of its values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lossgate.api import crd
from tests.chart.conftest import CHART, Helm, Render, container, environment, of_kind, pod_spec, the

CREDENTIALS = "/etc/lossgate/prometheus"


def test_the_chart_is_well_formed(helm: Helm) -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout


def test_the_crd_comes_with_the_release_and_stays(render: Render) -> None:
    found = the("CustomResourceDefinition", render())
    assert found["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert found == crd.build()


def test_the_crd_may_go_with_the_release(render: Render) -> None:
    assert the("CustomResourceDefinition", render("crds.keep=false")) == crd.build()


def test_the_crd_may_be_somebody_elses(render: Render) -> None:
    assert not of_kind("CustomResourceDefinition", render("crds.create=false"))


def test_everything_that_is_not_needed_is_off(render: Render) -> None:
    kinds = {item["kind"] for item in render()}
    assert kinds == {
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ServiceAccount",
        "Service",
        "Deployment",
        "Pod",
    }
    assert {"volumes", "topologySpreadConstraints", "priorityClassName", "affinity"}.isdisjoint(pod_spec(render()))


def test_one_replica_is_never_two_during_an_upgrade(render: Render) -> None:
    spec = the("Deployment", render())["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_of_two_replicas_none_is_missing_during_an_upgrade(render: Render) -> None:
    spec = the("Deployment", render("replicas=2"))["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_two_replicas_prefer_to_stand_apart(render: Render) -> None:
    objects = render("replicas=2")
    selector = the("Deployment", objects)["spec"]["selector"]
    spread = pod_spec(objects)["topologySpreadConstraints"]
    assert [item["topologyKey"] for item in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(item["labelSelector"] == selector and item["whenUnsatisfiable"] == "ScheduleAnyway" for item in spread)


def test_a_spread_of_ones_own_replaces_it(render: Render) -> None:
    mine = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    chosen = mine | {"labelSelector": {"matchLabels": {"a": "b"}}}
    objects = render({"replicas": 2, "topologySpreadConstraints": [mine, chosen]})
    selector = the("Deployment", objects)["spec"]["selector"]
    assert pod_spec(objects)["topologySpreadConstraints"] == [mine | {"labelSelector": selector}, chosen]


def test_a_drain_is_never_stopped(render: Render) -> None:
    spec = the("PodDisruptionBudget", render("podDisruptionBudget.create=true", "replicas=2"))["spec"]
    assert (spec["maxUnavailable"], spec.get("minAvailable")) == (1, None)


def test_the_selector_survives_an_upgrade_of_the_chart(render: Render) -> None:
    spec = the("Deployment", render("commonLabels.team=ml", "podLabels.tier=one"))["spec"]
    assert spec["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "lossgate",
        "app.kubernetes.io/instance": "lossgate",
    }
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_a_new_chart_with_the_same_operator_restarts_nothing(render: Render) -> None:
    template = the("Deployment", render())["spec"]["template"]
    assert "0.2.0" not in json.dumps(template)


def test_labels_of_ones_own_are_on_everything(render: Render) -> None:
    objects = render(
        {
            "commonLabels": {"team": "ml", "tier": "one"},
            "podLabels": {"tier": "two", "sidecar.istio.io/inject": "false"},
            "networkPolicy": {"create": True},
            "podDisruptionBudget": {"create": True},
            "podMonitor": {"create": True, "labels": {"tier": "three"}},
            "crds": {"create": False},
        }
    )
    tiers = {item["kind"]: item["metadata"]["labels"]["tier"] for item in objects}
    assert {item["metadata"]["labels"]["team"] for item in objects} == {"ml"}
    assert {kind for kind, tier in tiers.items() if tier != "one"} == {"PodMonitor"}
    labels = the("Deployment", objects)["spec"]["template"]["metadata"]["labels"]
    assert (labels["team"], labels["tier"], labels["sidecar.istio.io/inject"]) == ("ml", "two", "false")


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


@pytest.mark.parametrize(
    ("prometheus", "variables", "files"),
    [
        ({"tokenFile": "/var/run/token"}, {"TOKEN_FILE": "/var/run/token"}, {}),
        (
            {"existingSecret": {"name": "p", "tokenKey": "jwt"}},
            {"TOKEN_FILE": f"{CREDENTIALS}/token"},
            {"token": ("secret", "p", "jwt")},
        ),
        (
            {"existingSecret": {"name": "p", "usernameKey": "user", "passwordKey": "pass"}},
            {"USERNAME_FILE": f"{CREDENTIALS}/username", "PASSWORD_FILE": f"{CREDENTIALS}/password"},
            {"username": ("secret", "p", "user"), "password": ("secret", "p", "pass")},
        ),
        (
            {"caConfigMap": {"name": "c"}},
            {"CA_FILE": f"{CREDENTIALS}/ca.crt"},
            {"ca.crt": ("configMap", "c", "ca.crt")},
        ),
        (
            {"caSecret": {"name": "c", "key": "root.pem"}, "existingSecret": {"name": "p", "tokenKey": "t"}},
            {"CA_FILE": f"{CREDENTIALS}/ca.crt", "TOKEN_FILE": f"{CREDENTIALS}/token"},
            {"ca.crt": ("secret", "c", "root.pem"), "token": ("secret", "p", "t")},
        ),
    ],
)
def test_credentials_are_files_that_the_operator_is_told_of(
    render: Render, prometheus: dict[str, Any], variables: dict[str, str], files: dict[str, tuple[str, str, str]]
) -> None:
    objects = render({"prometheus": {"url": "https://prometheus:9090", **prometheus}})
    told = {f"LOSSGATE_PROMETHEUS_{name}": path for name, path in variables.items()}
    asked = {name: value for name, value in environment(objects).items() if name.startswith("LOSSGATE_PROMETHEUS_")}
    assert asked == told | {"LOSSGATE_PROMETHEUS_URL": "https://prometheus:9090", "LOSSGATE_PROMETHEUS_ALLOWED": ""}
    mounted = {
        item["path"]: (kind, body["name"], item["key"])
        for volume in pod_spec(objects).get("volumes", [])
        for source in volume["projected"]["sources"]
        for kind, body in source.items()
        for item in body["items"]
    }
    assert mounted == files
    # No subPath: such a file would never change.
    mounts = [{"name": "prometheus", "mountPath": CREDENTIALS, "readOnly": True}] if files else []
    assert container(objects).get("volumeMounts", []) == mounts


def test_headers_reach_the_operator_letter_by_letter(render: Render) -> None:
    headers = {"X-Scope-OrgID": 'a|"b" $(HOME)', "X-B": "c, d"}
    text = environment(render({"prometheus": {"url": "http://p", "headers": headers}}))["LOSSGATE_PROMETHEUS_HEADERS"]
    # Kubernetes makes $( of $$(, and a variable's value of $(NAME).
    assert json.loads(text.replace("$$(", "$(")) == headers
    assert "$(" not in text.replace("$$(", "")


def test_what_a_person_adds_stands_beside_what_the_chart_has(render: Render) -> None:
    values = {
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
        "extraVolumeMounts": [{"name": "token", "mountPath": "/var/run/prometheus", "readOnly": True}],
        "priorityClassName": "system-cluster-critical",
        "prometheus": {"url": "https://p", "caConfigMap": {"name": "c"}, "tokenFile": "/var/run/prometheus/token"},
    }
    objects = render(values)
    assert environment(objects)["TZ"] == "UTC"
    assert [volume["name"] for volume in pod_spec(objects)["volumes"]] == ["prometheus", "token"]
    assert [mount["name"] for mount in container(objects)["volumeMounts"]] == ["prometheus", "token"]
    assert pod_spec(objects)["priorityClassName"] == "system-cluster-critical"


def test_ids_may_be_left_to_the_platform_and_nothing_else(render: Render) -> None:
    ids = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None}}
    assert pod_spec(render(ids))["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod_spec(render("podSecurityContext.runAsUser=1000"))["securityContext"]["runAsUser"] == 1000


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
    objects = render(*values)
    assert container(objects)["image"] == image
    assert the("Pod", objects)["spec"]["containers"][0]["image"] == image


def test_an_account_of_ones_own_must_be_named(helm: Helm, render: Render) -> None:
    objects = render("serviceAccount.create=false", "serviceAccount.name=mine")
    assert not of_kind("ServiceAccount", objects)
    assert pod_spec(objects)["serviceAccountName"] == "mine"
    assert the("Pod", objects)["spec"]["serviceAccountName"] == "mine"
    done = helm("template", "lossgate", CHART, "--set", "serviceAccount.create=false")
    assert "serviceAccount.name: name the ServiceAccount to use" in done.stderr


@pytest.mark.parametrize("release", ["r" * 53, f"lossgate-{'r' * 44}", "a-b"])
def test_long_names_stay_names(render: Render, release: str) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in render("networkPolicy.create=true", release=release)]
    assert len(set(names)) == len(names)
    for kind, name in names:
        assert len(name) <= (253 if "Role" in kind else 63)
        assert not name.endswith("-")
