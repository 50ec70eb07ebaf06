"""Who may speak with whom: Service, monitors, network policies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.conftest import Render, of_kind, the

OPERATOR = {"app.kubernetes.io/name": "lossgate", "app.kubernetes.io/instance": "lossgate"}
TEST = {"app.kubernetes.io/name": "lossgate-test", "app.kubernetes.io/instance": "lossgate"}


def tcp(*ports: int | str) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def test_the_service_leads_to_operators_only(render: Render) -> None:
    objects = render()
    service = the("Service", objects)
    assert service["spec"] == {
        "selector": OPERATOR,
        "ports": [{"name": "http", "port": 8080, "targetPort": "http"}],
    }
    assert not OPERATOR.items() <= the("Pod", objects)["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("kind", "value", "endpoints"),
    [("ServiceMonitor", "serviceMonitor", "endpoints"), ("PodMonitor", "podMonitor", "podMetricsEndpoints")],
)
def test_a_monitor_keeps_the_namespaces_of_rollouts(render: Render, kind: str, value: str, endpoints: str) -> None:
    drop = {"action": "labeldrop", "regex": "pod"}
    settings = {
        "create": True,
        "labels": {"release": "prometheus"},
        "interval": "15s",
        "scrapeTimeout": "10s",
        "relabelings": [drop],
        "metricRelabelings": [drop],
    }
    objects = render({value: settings})
    monitor = the(kind, objects)
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= the("Service", objects)["metadata"]["labels"].items()
    assert monitor["spec"][endpoints] == [
        {
            "port": "http",
            "path": "/metrics",
            "honorLabels": True,
            "interval": "15s",
            "scrapeTimeout": "10s",
            "relabelings": [drop],
            "metricRelabelings": [drop],
        }
    ]


@pytest.mark.parametrize("kind", ["serviceMonitor", "podMonitor"])
def test_a_monitor_is_there_when_it_is_asked_for_whatever_the_cluster_is_known_to_have(
    render: Render, kind: str
) -> None:
    """`helm template` and Argo CD know no CRDs of the cluster."""
    (item,) = [item for item in render(f"{kind}.create=true") if "monitoring" in item["apiVersion"]]
    assert item["kind"].lower() == kind.lower()


def test_by_default_a_policy_allows_what_every_operator_needs(render: Render) -> None:
    policies = of_kind("NetworkPolicy", render("networkPolicy.create=true"))
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    assert policies["lossgate"]["spec"] == {
        "podSelector": {"matchLabels": OPERATOR},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": tcp("http")}],
        "egress": [{"ports": tcp(443, 6443)}, {"ports": dns}, {"ports": tcp(9090)}],
    }
    assert policies["lossgate-test"]["spec"] == {
        "podSelector": {"matchLabels": TEST},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [
            {"ports": tcp(443, 6443)},
            {"ports": dns},
            {"ports": tcp("http"), "to": [{"podSelector": {"matchLabels": OPERATOR}}]},
        ],
    }


def test_a_policy_can_be_as_narrow_as_the_cluster_is_known(render: Render) -> None:
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    resolver = {"ipBlock": {"cidr": "169.254.20.10/32"}}
    more = {"ports": tcp(4317), "to": [monitoring]}
    values = {
        "networkPolicy": {
            "create": True,
            "ingress": {"from": [monitoring]},
            "egress": {
                "apiServer": {"cidrs": ["10.0.0.1/32", "10.0.0.2/32"], "ports": [6443]},
                "prometheus": {"to": [monitoring], "ports": [9090, 10901]},
                "dns": {"to": [resolver], "ports": [5353]},
                "extra": [more],
            },
        }
    }
    spec = of_kind("NetworkPolicy", render(values))["lossgate"]["spec"]
    assert spec["ingress"] == [{"ports": tcp("http"), "from": [{"podSelector": {"matchLabels": TEST}}, monitoring]}]
    assert spec["egress"] == [
        {
            "ports": tcp(6443),
            "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}, {"ipBlock": {"cidr": "10.0.0.2/32"}}],
        },
        {"ports": [{"protocol": "UDP", "port": 5353}, {"protocol": "TCP", "port": 5353}], "to": [resolver]},
        {"ports": tcp(9090, 10901), "to": [monitoring]},
        more,
    ]


def test_no_policy_allows_everything(render: Render) -> None:
    for policy in of_kind("NetworkPolicy", render("networkPolicy.create=true")).values():
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"]["egress"]):
            assert rule["ports"]
