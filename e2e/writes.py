"""What an operator changes, write by write, in words that are the same in every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e.door import Door
from lossgate.api import names
from tests.faults.proxy import Seen

__all__ = ["is_write", "named", "state"]

JSON = dict[str, Any]
_BESIDES = ("/events", "/leases")


def is_write(seen: Seen) -> bool:
    """Return whether a request changes the rollout or what it owns.

    Events, the Lease and the marks of a leader that took over change nothing that matters.
    """
    is_mark = seen.method == "PATCH" and names.ANNOTATION_TAKEN_OVER.encode() in seen.body
    return seen.is_write and not is_mark and not any(part in seen.path for part in _BESIDES)


def named(door: Door, seen: Seen, roles: Mapping[str, str]) -> str:
    """Return what a write that was just carried out made true.

    Args:
        door: Where the object is read.
        seen: The write; the operator is not answered yet, so nothing has changed since.
        roles: What to call each revision.
    """
    path = seen.path.removesuffix("/status")
    if seen.method == "DELETE":
        return f"{roles[path.rpartition('/')[2]]} is deleted"
    if seen.method == "POST":
        return f"one of the {path.rpartition('/')[2]} is created"
    return state(door.get(path), roles)


def state(body: JSON, roles: Mapping[str, str]) -> str:
    """Return what is true of a ModelRollout or a child; looks, counts of pods and annotations make no difference."""
    match body["kind"]:
        case "Deployment":
            return f"{roles[body['metadata']['name']]} has {body['spec']['replicas']} pods"
        case "Service":
            which = "canary" if body["metadata"]["name"].endswith("-canary") else "stable"
            return f"the {which} Service leads to {roles[body['spec']['selector'][names.LABEL_REVISION]]}"
        case "HTTPRoute":
            (rule,) = body["spec"]["rules"]
            return f"the route has {'/'.join(str(backend['weight']) for backend in rule['backendRefs'])}"
        case _:
            return f"status: {_standing(body['status'])}"


def _standing(status: JSON) -> str:
    canary = status.get("canary")
    parts = [status["phase"], f"{canary['weight']}%" if canary else "no canary"]
    parts += [text for key, text in (("settled", "settled"), ("scaleDownAt", "the old one is kept")) if key in status]
    return ", ".join(parts)
