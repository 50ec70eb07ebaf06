"""What the watches delivered: the children of every ModelRollout, read without asking the API server."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lossgate.api import names
from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.controller.queue import Key
from lossgate.rollout.snapshot import DeploymentSeen, RouteSeen, ServiceSeen
from lossgate.traffic import gateway
from lossgate.workload import deployment, service

Body = Mapping[str, Any]
Index = Mapping[Key, Collection[Body]]


@dataclass(frozen=True, slots=True)
class Children:
    """Live indices by kind; filled before any ModelRollout is handled."""

    indices: Mapping[str, Index]

    def of(self, kind: str, key: Key, owner: Owner) -> list[Body]:
        """Return a rollout's children of a kind; EndpointSlices belong to its Services and carry no owner of ours."""
        bodies = list(self.indices[kind].get(key, ()))
        return bodies if kind == "EndpointSlice" else [body for body in bodies if owner.owns(body)]

    def deployments(self, key: Key, owner: Owner) -> dict[Revision, DeploymentSeen]:
        """Return the Deployments of all revisions."""
        found = (deployment.seen(body) for body in self.of("Deployment", key, owner))
        return {item.revision: item for item in found}

    def service(self, key: Key, owner: Owner, spec: RolloutSpec, name: str) -> ServiceSeen | None:
        """Return one of the rollout's Services with its endpoints, or None if there is none."""
        slices = self.of("EndpointSlice", key, owner)
        for body in self.of("Service", key, owner):
            if body["metadata"]["name"] == name:
                return service.seen(body, slices, spec.service)
        return None

    def route(self, key: Key, owner: Owner, spec: RolloutSpec) -> RouteSeen | None:
        """Return the rollout's route, or None if there is none."""
        for body in self.of("HTTPRoute", key, owner):
            if body["metadata"]["name"] == names.route(owner.name):
                return gateway.seen(owner, spec, body)
        return None
