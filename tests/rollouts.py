"""ModelRollout manifests for tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

_MINIMAL: Manifest = {
    "apiVersion": "lossgate.io/v1alpha1",
    "kind": "ModelRollout",
    "metadata": {"name": "digits", "namespace": "default"},
    "spec": {
        "model": {"version": "v1"},
        "template": {
            "spec": {
                "containers": [
                    {"name": "model", "image": "digits:v1", "ports": [{"name": "http", "containerPort": 8000}]}
                ]
            }
        },
        "traffic": {"gateway": {"parentRefs": [{"name": "web"}]}},
    },
}

_FULL_SPEC: Manifest = {
    "replicas": 4,
    "model": {"version": "2026-11-20/b"},
    "template": {
        "metadata": {"labels": {"team": "vision"}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {
            "containers": [
                {
                    "name": "model",
                    "image": "digits:v1",
                    "ports": [{"name": "metrics", "containerPort": 9000}, {"name": "http", "containerPort": 8000}],
                    "env": [{"name": "THREADS", "value": "2"}],
                    "resources": {"limits": {"memory": "1Gi"}},
                }
            ],
            "terminationGracePeriodSeconds": 20,
        },
    },
    "service": {"port": 8080, "targetPort": 8000},
    "traffic": {
        "gateway": {
            "parentRefs": [{"name": "web", "namespace": "gateways", "sectionName": "https"}],
            "hostnames": ["digits.example.com", "*.models.example.com"],
        }
    },
    "canary": {"replicas": 2},
    "steps": [
        {"weight": 1, "minDuration": "72h", "absoluteMargin": "0.05"},
        {"weight": 50},
        {"weight": 99, "absoluteMargin": "0.01"},
    ],
    "loss": {
        "interval": "1m30s",
        "settle": "0s",
        "labelDelay": "36h",
        "prometheus": {
            "url": "https://prometheus.example.com/tenant/",
            "headers": {"X-Scope-OrgID": "ml|vision", "x_a.b": "~"},
            "secretRef": {"name": "prometheus.reader", "allowHTTP": True},
            "caRef": {"kind": "ConfigMap", "name": "company-ca", "key": "_ca.pem"},
        },
        "selector": {"model": 'digits "b"'},
        "series": {
            "count": "app:loss:count",
            "sum": "app_loss_sum",
            "sumOfSquares": "app_loss_sq",
            "nonFinite": "app_loss_bad",
            "predictions": "app_predictions",
        },
        "labels": {"revision": "version", "namespace": "kubernetes_namespace"},
    },
    "gate": {
        "absoluteMargin": "0.01",
        "risk": {"rollback": 0.01, "promotion": 0.5},
        "guardExcess": "1000%",
        "minLabels": 100,
        "maxDuration": "72h",
        "onInconclusive": "Rollback",
        "pauseTimeout": "1h30m",
        "holdTimeout": "90s",
    },
    "guardrails": [
        {
            "name": "p99-of-requests",
            "query": 'histogram_quantile(0.99, sum by (le) (rate(seconds_bucket{revision="$revision"}[$interval])))',
            "max": 0.5,
            "min": -1,
            "maxRatioToStable": 1.2,
            "failureLimit": 100,
            "interval": "1h",
        },
        {"name": "errors", "preset": "EnvoyGatewayErrorRate", "max": 0.01, "failureLimit": 1},
    ],
    "scaleDownDelay": "0s",
    "progressDeadlineSeconds": 86400,
    "revisionHistoryLimit": 20,
    "paused": True,
}


def minimal() -> Manifest:
    """Return the smallest ModelRollout that is accepted."""
    return copy.deepcopy(_MINIMAL)


def full() -> Manifest:
    """Return a ModelRollout with every field, most of them at a bound."""
    return copy.deepcopy(_MINIMAL | {"spec": _FULL_SPEC})


def changed(changes: Mapping[str, Any]) -> Manifest:
    """Return the smallest ModelRollout with changes merged into its spec: objects by field, all else replaced."""
    manifest = minimal()
    _merge(manifest["spec"], changes)
    return manifest


def _merge(target: Manifest, changes: Mapping[str, Any]) -> None:
    for field, value in changes.items():
        if isinstance(value, Mapping) and isinstance(target.get(field), dict):
            _merge(target[field], value)
        else:
            target[field] = copy.deepcopy(value)
