"""Every name that users or other programs can see on cluster objects: group, labels, annotations, child names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NewType

GROUP = "lossgate.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelRollout"
PLURAL = "modelrollouts"
SINGULAR = "modelrollout"
SHORT_NAME = "mr"

FIELD_MANAGER = "lossgate"
CONTROLLER = "lossgate.io/operator"

LABEL_ROLLOUT = "lossgate.io/rollout"
LABEL_REVISION = "lossgate.io/revision"
LABEL_SERVICE = "kubernetes.io/service-name"
MANAGED_BY = {"app.kubernetes.io/managed-by": "lossgate"}
ANNOTATION_MODEL_VERSION = "lossgate.io/model-version"
ANNOTATION_COMMAND = "lossgate.io/command"
ANNOTATION_SKIP_ANALYSIS = "lossgate.io/skip-analysis"
ANNOTATION_TAKEN_OVER = "lossgate.io/taken-over"
ANNOTATION_PROCESS = "lossgate.io/process"
ENV_REVISION = "LOSSGATE_REVISION"
ENV_MODEL_VERSION = "LOSSGATE_MODEL_VERSION"

MAX_NAME_LENGTH = 50
_HASH_LENGTH = 8

Revision = NewType("Revision", str)
"""The name of one revision's Deployment, `<rollout>-<hash>`; also the value of the label `lossgate.io/revision`."""


def revision_name(rollout: str, template: Mapping[str, Any], model_version: str) -> Revision:
    """Return the revision that a pod template and model version make: equal inputs give equal names.

    A field that is null is one that is not there: `kubectl apply` removes it, `kubectl create` stores it.
    """
    made_of = {"template": _without_nulls(template), "version": model_version}
    canonical = json.dumps(made_of, sort_keys=True, separators=(",", ":"))
    return Revision(f"{rollout}-{hashlib.sha256(canonical.encode()).hexdigest()[:_HASH_LENGTH]}")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def stable_service(rollout: str) -> str:
    """Return the name of the Service that selects the stable revision."""
    return rollout


def canary_service(rollout: str) -> str:
    """Return the name of the Service that selects the canary revision."""
    return f"{rollout}-canary"


def route(rollout: str) -> str:
    """Return the name of the HTTPRoute that the operator owns for a rollout."""
    return rollout
