"""The schema of a rollout's pod template: kept as written, with only those parts declared that rules look at.

The whole PodTemplateSpec would add some 400 kB to the CRD and would age with each Kubernetes release. The API server
checks the rest when the Deployment of a revision is created.
"""

from __future__ import annotations

from pydantic.config import JsonDict

from lossgate.api import names
from lossgate.api.rules import rule, rules

_OPEN: JsonDict = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _ours_stay_out(what: str) -> JsonDict:
    return rules(
        rule(
            f"self.all(key, !key.startsWith('{names.GROUP}/'))",
            f"{what} under {names.GROUP}/ are set by the operator: remove them from the template",
        )
    )


_LABELS: JsonDict = {
    "type": "object",
    "description": "Labels of the pods. The operator adds those under lossgate.io/.",
    "maxProperties": 64,
    "additionalProperties": {"type": "string", "maxLength": 63},
    **_ours_stay_out("labels"),
}

_ANNOTATIONS: JsonDict = {
    "type": "object",
    "description": "Annotations of the pods.",
    "maxProperties": 64,
    "additionalProperties": {"type": "string"},
    **_ours_stay_out("annotations"),
}

_PORT: JsonDict = {
    **_OPEN,
    "description": "A port of the container, as in a Pod.",
    "required": ["containerPort"],
    "properties": {
        "name": {
            "type": "string",
            "maxLength": 15,
            "description": "Name of the port, which service.targetPort may use.",
        },
        "containerPort": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "Number of the port."},
    },
}

_ENV: JsonDict = {
    **_OPEN,
    "description": "An environment variable, as in a Pod.",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 256, "description": "Name of the variable."}},
    **rules(
        rule(
            f"!(self.name in ['{names.ENV_REVISION}', '{names.ENV_MODEL_VERSION}'])",
            f"the operator sets {names.ENV_REVISION} and {names.ENV_MODEL_VERSION}: remove them from the template",
        )
    ),
}

_CONTAINER: JsonDict = {
    **_OPEN,
    "description": "A container, as in a Pod.",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 63, "description": "Name of the container."},
        "ports": {"type": "array", "maxItems": 32, "items": _PORT, "description": "Ports of the container."},
        "env": {"type": "array", "maxItems": 256, "items": _ENV, "description": "Environment of the container."},
    },
}

TEMPLATE_SCHEMA: JsonDict = {
    **_OPEN,
    "required": ["spec"],
    "properties": {
        "metadata": {
            **_OPEN,
            "description": "Labels and annotations of the pods.",
            "properties": {"labels": _LABELS, "annotations": _ANNOTATIONS},
        },
        "spec": {
            **_OPEN,
            "description": "The pods, as in a Deployment: any field of a PodSpec.",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "type": "array",
                    "description": "Containers of the pods. One of them has the port that service.targetPort names.",
                    "minItems": 1,
                    "maxItems": 16,
                    "items": _CONTAINER,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
            },
        },
    },
}
