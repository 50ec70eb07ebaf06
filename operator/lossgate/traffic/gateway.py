"""The split as a Gateway API HTTPRoute that the operator creates and owns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lossgate.api import names
from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.rollout.snapshot import RouteSeen
from lossgate.traffic import acceptance
from lossgate.traffic.router import CreateRoute, MergeRoute, Sighting, changed_by

API_VERSION = "gateway.networking.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class OwnedRoute:
    """The route that `spec.traffic.gateway` asks for."""

    owner: Owner
    spec: RolloutSpec

    @property
    def route_name(self) -> str:
        """Name of the HTTPRoute."""
        return names.route(self.owner.name)

    def seen(self, body: Mapping[str, Any] | None, rivals: Collection[str]) -> Sighting:
        """Return the route if it is there and the operator's own; what is missing or edited is put right."""
        del rivals
        return Sighting(None if body is None or not self.owner.owns(body) else seen(self.owner, self.spec, body))

    def write(
        self, body: Mapping[str, Any] | None, stable_weight: int, canary_weight: int
    ) -> CreateRoute | MergeRoute | None:
        """Return the write of the whole route."""
        if body is None or not self.owner.owns(body):
            return CreateRoute(manifest(self.owner, self.spec, stable_weight, canary_weight))
        return MergeRoute({"spec": changes(self.owner, self.spec, stable_weight, canary_weight)})


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
    if gateway is None:
        raise AssertionError("the spec asks for no route of the operator's own")
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
    answer = acceptance.of(body)
    wanted = changes(owner, spec, stable, canary)
    present = {"hostnames": [], **body["spec"]}
    return RouteSeen(
        stable_weight=stable,
        canary_weight=canary,
        as_specified=all(present.get(key) == value for key, value in wanted.items()),
        accepted=answer.accepted,
        message=answer.message,
        refused_since=answer.refused_since,
        uid=body["metadata"].get("uid", ""),
        generation=body["metadata"].get("generation", 0),
        changed_by=changed_by(body),
    )
