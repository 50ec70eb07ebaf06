"""The split as a Gateway API HTTPRoute that the operator creates and owns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossgate.api import names
from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.rollout.snapshot import RouteSeen

API_VERSION = "gateway.networking.k8s.io/v1"


def manifest(owner: Owner, spec: RolloutSpec, stable_weight: int, canary_weight: int) -> dict[str, Any]:
    """Return the HTTPRoute with the two Services as backends."""
    return {
        "apiVersion": API_VERSION,
        "kind": "HTTPRoute",
        "metadata": {
            "name": names.route(owner.name),
            "namespace": owner.namespace,
            "labels": {names.LABEL_ROLLOUT: owner.name, **names.MANAGED_BY},
            "ownerReferences": [owner.reference()],
        },
        "spec": changes(owner, spec, stable_weight, canary_weight),
    }


def changes(owner: Owner, spec: RolloutSpec, stable_weight: int, canary_weight: int) -> dict[str, Any]:
    """Return the route's spec."""
    gateway = spec.traffic.gateway
    weights = {names.stable_service(owner.name): stable_weight, names.canary_service(owner.name): canary_weight}
    return {
        "parentRefs": [
            {
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                **parent.model_dump(by_alias=True, exclude_none=True),
            }
            for parent in gateway.parent_refs
        ],
        "hostnames": list(gateway.hostnames),
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [
                    {"group": "", "kind": "Service", "name": service, "port": spec.service.port, "weight": weight}
                    for service, weight in weights.items()
                ],
            }
        ],
    }


def seen(owner: Owner, spec: RolloutSpec, body: Mapping[str, Any]) -> RouteSeen:
    """Return what matters of the route: its weights, and whether a gateway accepted it as it is now."""
    backends = [backend for rule in body["spec"].get("rules") or () for backend in rule.get("backendRefs") or ()]
    weights = {backend["name"]: backend.get("weight", 1) for backend in backends}
    stable = weights.get(names.stable_service(owner.name), 0)
    canary = weights.get(names.canary_service(owner.name), 0)
    accepted, message = _acceptance(body)
    wanted = changes(owner, spec, stable, canary)
    present = {"hostnames": [], **body["spec"]}
    return RouteSeen(
        stable_weight=stable,
        canary_weight=canary,
        as_specified=all(present.get(key) == value for key, value in wanted.items()),
        accepted=accepted,
        message=message,
    )


def _acceptance(body: Mapping[str, Any]) -> tuple[bool, str]:
    """A route counts as accepted when every parent that answered has accepted its present generation."""
    generation = body["metadata"].get("generation", 0)
    parents = (body.get("status") or {}).get("parents") or ()
    if len(parents) < len(body["spec"].get("parentRefs") or ()):
        return False, "no gateway has answered for every parentRef yet"
    for parent in parents:
        conditions = {item["type"]: item for item in parent.get("conditions") or ()}
        for type_ in ("Accepted", "ResolvedRefs"):
            item = conditions.get(type_)
            if item is None or item.get("observedGeneration", 0) < generation:
                return False, f"gateway {parent['parentRef']['name']} has not judged the present route yet"
            if item["status"] != "True":
                where = f"gateway {parent['parentRef']['name']}"
                return False, f"{where}: {type_} is {item['status']}: {item.get('message', item.get('reason', ''))}"
    return bool(parents), ""
