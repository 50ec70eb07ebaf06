"""Wrong values are refused, and the message names them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chart.conftest import CHART, Helm

URL = {"url": "https://prometheus:9090"}

MISSPELT_OR_MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"promethius": {"url": "http://p"}}, "promethius"),
    ({"image": {"digst": "x"}}, "digst"),
    ({"image": {"digest": "latest"}}, "/image/digest"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"crds": {"keep": "yes"}}, "/crds/keep"),
    ({"prometheus": {"url": "prometheus:9090"}}, "/prometheus/url"),
    ({"prometheus": {"allowed": "http://p"}}, "/prometheus/allowed"),
    ({"prometheus": {"allowed": ["http://a,http://b"]}}, "/prometheus/allowed/0"),
    ({"prometheus": URL | {"headers": {"X-Scope-OrgID": 7}}}, "/prometheus/headers/X-Scope-OrgID"),
    ({"prometheus": URL | {"headers": {"X A": "b"}}}, "X A"),
    ({"prometheus": URL | {"headers": {"X-A": ""}}}, "/prometheus/headers/X-A"),
    ({"prometheus": URL | {"headers": {"X-A": "b\nX-C: d"}}}, "/prometheus/headers/X-A"),
    ({"prometheus": URL | {"token": "secret"}}, "token"),
    ({"prometheus": URL | {"tokenFile": "token"}}, "/prometheus/tokenFile"),
    ({"prometheus": URL | {"existingSecret": "p"}}, "/prometheus/existingSecret"),
    ({"prometheus": URL | {"caConfigMap": {"name": "c", "key": ""}}}, "/prometheus/caConfigMap/key"),
    ({"watchNamespaces": "a"}, "/watchNamespaces"),
    ({"watchNamespaces": ["Team"]}, "/watchNamespaces/0"),
    ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
    ({"logLevel": "verbose"}, "/logLevel"),
    ({"replicas": 3}, "/replicas"),
    ({"replicas": 0}, "/replicas"),
    ({"rbac": {"readSecret": True}}, "readSecret"),
    ({"rbac": {"aggregateRoles": "view"}}, "/rbac/aggregateRoles"),
    ({"podDisruptionBudget": {"minAvailable": 1}}, "minAvailable"),
    ({"podSecurityContext": {"runAsUser": 0}}, "/podSecurityContext/runAsUser"),
    ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
    ({"extraEnv": [{"name": "LOSSGATE_WATCH_NAMESPACES", "value": "all"}]}, "/extraEnv/0/name"),
    ({"extraEnv": {"TZ": "UTC"}}, "/extraEnv"),
    ({"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "hostPath"),
    ({"extraVolumes": [{"name": "prometheus", "emptyDir": {}}]}, "/extraVolumes/0/name"),
    ({"extraVolumeMounts": [{"name": "a", "mountPath": "/etc/lossgate/prometheus"}]}, "/extraVolumeMounts/0/mountPath"),
    ({"commonLabels": {"app.kubernetes.io/name": "mine"}}, "app.kubernetes.io/name"),
    ({"podLabels": {"app.kubernetes.io/instance": "mine"}}, "app.kubernetes.io/instance"),
    ({"podLabels": {"team": True}}, "/podLabels/team"),
    ({"topologySpreadConstraints": [{"topologyKey": "rack"}]}, "/topologySpreadConstraints/0"),
    ({"serviceMonitor": {"enabled": True}}, "enabled"),
    ({"serviceMonitor": {"interval": "30"}}, "/serviceMonitor/interval"),
    ({"podMonitor": {"relabelings": {}}}, "/podMonitor/relabelings"),
    ({"networkPolicy": {"egress": {"dns": {"ports": []}}}}, "/networkPolicy/egress/dns/ports"),
    ({"networkPolicy": {"egress": {"apiServer": {"cidrs": ["10.0.0.1"]}}}}, "/networkPolicy/egress/apiServer/cidrs/0"),
    ({"networkPolicy": {"egress": {"prometheus": {"ports": ["http"]}}}}, "/networkPolicy/egress/prometheus/ports/0"),
    ({"networkPolicy": {"ingress": []}}, "/networkPolicy/ingress"),
]
DO_NOT_GO_TOGETHER: list[tuple[dict[str, Any], str]] = [
    ({"prometheus": {"tokenFile": "/token"}}, "prometheus.url: set it"),
    ({"prometheus": {"headers": {"X-Scope-OrgID": "ml"}}}, "prometheus.url: set it"),
    ({"prometheus": {"existingSecret": {"name": "p", "tokenKey": "t"}}}, "prometheus.url: set it"),
    ({"prometheus": URL | {"existingSecret": {"tokenKey": "t"}}}, "prometheus.existingSecret.name: name the Secret"),
    ({"prometheus": URL | {"existingSecret": {"name": "p"}}}, "give tokenKey, or both usernameKey and passwordKey"),
    (
        {"prometheus": URL | {"existingSecret": {"name": "p", "usernameKey": "u"}}},
        "give tokenKey, or both usernameKey and passwordKey",
    ),
    (
        {"prometheus": URL | {"existingSecret": {"name": "p", "tokenKey": "t", "passwordKey": "w"}}},
        "give tokenKey, or else usernameKey and passwordKey",
    ),
    (
        {"prometheus": URL | {"existingSecret": {"name": "p", "tokenKey": "t"}, "tokenFile": "/token"}},
        "prometheus.tokenFile, prometheus.existingSecret: give one of the two",
    ),
    (
        {"prometheus": URL | {"caConfigMap": {"name": "c"}, "caSecret": {"name": "c"}}},
        "prometheus.caConfigMap, prometheus.caSecret: give one of the two",
    ),
    ({"prometheus": {"url": "http://p", "caSecret": {"name": "c"}}}, "begin it with https://"),
    ({"prometheus": URL | {"headers": {"AUTHORIZATION": "Bearer x"}}}, "can read AUTHORIZATION"),
    ({"prometheus": URL | {"headers": {"Cookie": "x"}}}, "can read Cookie"),
    ({"prometheus": URL | {"headers": {"Host": "x"}}}, "remove Host"),
    ({"prometheus": URL | {"headers": {"X-A": "x", "x-a": "y"}}}, "upper and lower case are the same"),
    ({"serviceMonitor": {"create": True}, "podMonitor": {"create": True}}, "choose one of the two"),
    ({"rbac": {"create": False, "readSecrets": True}}, "rbac.readSecrets: nothing is granted"),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name: name the ServiceAccount"),
]


@pytest.mark.parametrize(("values", "words"), [*MISSPELT_OR_MALFORMED, *DO_NOT_GO_TOGETHER])
def test_a_wrong_value_is_refused_by_name(helm: Helm, values: dict[str, Any], words: str) -> None:
    done = helm("template", "lossgate", CHART, "--values", "-", stdin=json.dumps(values))
    assert done.returncode != 0
    assert words in done.stderr
    assert "nil pointer" not in done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "rbac",
        "prometheus",
        "prometheus.existingSecret",
        "networkPolicy",
        "networkPolicy.egress.dns",
        "serviceMonitor",
        "podSecurityContext",
    ],
)
def test_a_block_that_is_missing_is_named(helm: Helm, path: str) -> None:
    """Whoever carries the values of an older chart along misses blocks of this one."""
    done = helm("template", "lossgate", CHART, "--set", f"{path}=null")
    assert done.returncode != 0
    assert path.rpartition(".")[2] in done.stderr
    assert "nil pointer" not in done.stderr
