"""One Deployment per revision: a promoted canary is never restarted, so it keeps the Deployment it was judged in."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from lossgate.api import names
from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.api.texts import shown
from lossgate.rollout.snapshot import DeploymentSeen


def manifest(owner: Owner, spec: RolloutSpec, revision: Revision, replicas: int) -> dict[str, Any]:
    """Return the Deployment of the revision that the spec describes."""
    labels = {names.LABEL_ROLLOUT: owner.name, names.LABEL_REVISION: revision}
    template = deepcopy(dict(spec.template))
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    for container in template["spec"]["containers"]:
        container["env"] = [
            *(container.get("env") or []),
            {"name": names.ENV_REVISION, "value": revision},
            {"name": names.ENV_MODEL_VERSION, "value": spec.model.version},
        ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": revision,
            "namespace": owner.namespace,
            "labels": {**labels, **names.MANAGED_BY},
            "annotations": {names.ANNOTATION_MODEL_VERSION: spec.model.version},
            "ownerReferences": [owner.reference()],
        },
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": spec.progress_deadline_seconds,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }


def seen(body: Mapping[str, Any]) -> DeploymentSeen:
    """Return what matters of a Deployment."""
    status = body.get("status") or {}
    progressing, failure = _condition(status, "Progressing"), _condition(status, "ReplicaFailure")
    current = status.get("observedGeneration", 0) >= body["metadata"].get("generation", 0)
    return DeploymentSeen(
        revision=Revision(body["metadata"]["name"]),
        replicas=body["spec"].get("replicas", 1),
        existing_replicas=status.get("replicas", 0),
        ready_replicas=status.get("readyReplicas", 0),
        deadline_exceeded=(
            current and progressing["status"] == "False" and progressing.get("reason") == "ProgressDeadlineExceeded"
        ),
        message=shown(progressing.get("message", "")),
        failure=shown(failure.get("message", "")) if failure["status"] == "True" else "",
        progress_deadline_seconds=body["spec"].get("progressDeadlineSeconds"),
        model_version=(body["metadata"].get("annotations") or {}).get(names.ANNOTATION_MODEL_VERSION, ""),
    )


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    found = (item for item in status.get("conditions") or () if item.get("type") == type_)
    return next(found, {"status": "Unknown"})
