"""The part of the Prometheus Operator's CRDs that the chart writes, so that a misspelt field is refused."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_RELABELINGS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"action": _TEXT, "regex": _TEXT, "sourceLabels": {"type": "array", "items": _TEXT}},
    },
}
_ENDPOINT = {
    "type": "object",
    "properties": {
        "port": _TEXT,
        "path": _TEXT,
        "honorLabels": {"type": "boolean"},
        "interval": _TEXT,
        "scrapeTimeout": _TEXT,
        "relabelings": _RELABELINGS,
        "metricRelabelings": _RELABELINGS,
    },
}


def monitor_crds() -> list[dict[str, Any]]:
    """Return the CRDs of ServiceMonitor and PodMonitor."""
    return [_crd("ServiceMonitor", "endpoints"), _crd("PodMonitor", "podMetricsEndpoints")]


def _crd(kind: str, endpoints: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    spec = {
        "type": "object",
        "required": ["selector", endpoints],
        "properties": {
            "selector": {"type": "object", "properties": {"matchLabels": _TEXTS}},
            endpoints: {"type": "array", "items": _ENDPOINT},
        },
    }
    schema = {"type": "object", "properties": {"spec": spec}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
