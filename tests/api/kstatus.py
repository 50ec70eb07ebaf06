"""What tools that wait make of an object: `helm --wait`, Flux and `kubectl`-like pipelines all ask kstatus.

The rules of `Compute` in sigs.k8s.io/cli-utils, pkg/kstatus/status (`status.go`, `generic.go`), as far as they touch a
custom resource, in their order: deletion, generation, the first of `Reconciling` and `Stalled` that is True, `Ready`,
and else all is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Kstatus(StrEnum):
    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    TERMINATING = "Terminating"


def compute(obj: Mapping[str, Any]) -> Kstatus:
    """Return what kstatus says of a custom resource."""
    metadata, status = obj["metadata"], obj.get("status", {})
    if metadata.get("deletionTimestamp"):
        return Kstatus.TERMINATING
    generation = metadata.get("generation")
    if generation is not None and status.get("observedGeneration", generation) != generation:
        return Kstatus.IN_PROGRESS
    conditions = status.get("conditions", [])
    for condition in conditions:
        if (condition["type"], condition["status"]) == ("Reconciling", "True"):
            return Kstatus.IN_PROGRESS
        if (condition["type"], condition["status"]) == ("Stalled", "True"):
            return Kstatus.FAILED
    for condition in conditions:
        if condition["type"] == "Ready" and condition["status"] in ("True", "False", "Unknown"):
            return Kstatus.CURRENT if condition["status"] == "True" else Kstatus.IN_PROGRESS
    return Kstatus.CURRENT
