"""What the watches delivered: the children of every ModelRollout, read without asking the API server."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.controller import routes
from lossgate.controller.kube import resource_version
from lossgate.controller.queue import Key
from lossgate.rollout.snapshot import DeploymentSeen, ServiceSeen
from lossgate.workload import deployment, service

Body = Mapping[str, Any]
Index = Mapping[Key, Collection[Body]]


@dataclass(frozen=True, slots=True)
class Children:
    """Live indices by kind; filled before any ModelRollout is handled.

    Children are found by rollout, HTTPRoutes by their own name.
    """

    indices: Mapping[str, Index]
    _written: dict[tuple[str, Key], dict[str, Body]] = field(default_factory=dict)
    """Answers to our own writes, by kind and rollout, until the watches deliver them: nothing is written twice."""
    _unseen_routes: set[tuple[Key, str]] = field(default_factory=set)
    """Routes as written that no turn has seen yet."""

    def wrote(self, key: Key, body: Body) -> None:
        """Take note of a child as the API server stored it after a write."""
        if body["kind"] == "HTTPRoute":
            body = routes.kept(body)
            self._unseen_routes.add((key, body["metadata"]["name"]))
        self._written.setdefault((body["kind"], key), {})[body["metadata"]["name"]] = body

    def gone(self, kind: str, key: Key, name: str) -> None:
        """Forget a child that was deleted."""
        self._written.get((kind, key), {}).pop(name, None)
        if kind == "HTTPRoute":
            self._unseen_routes.discard((key, name))

    def forget(self, key: Key) -> None:
        """Forget the children of a ModelRollout that was deleted."""
        for kind in self.indices:
            for name in self._written.pop((kind, key), {}):
                self._unseen_routes.discard((key, name))

    def of(self, kind: str, key: Key, owner: Owner) -> list[Body]:
        """Return a rollout's children of a kind; EndpointSlices belong to its Services and carry no owner of ours."""
        bodies = {body["metadata"]["name"]: body for body in self.indices[kind].get(key, ())}
        written = self._written.get((kind, key), {})
        for name, body in list(written.items()):
            if name in bodies and resource_version(bodies[name]) >= resource_version(body):
                del written[name]
            else:
                bodies[name] = body
        return [body for body in bodies.values() if kind == "EndpointSlice" or owner.owns(body)]

    def bodies(self, key: Key, owner: Owner) -> dict[tuple[str, str], Body]:
        """Return a rollout's Deployments and Services by kind and name."""
        return {
            (kind, body["metadata"]["name"]): {**body, "kind": kind}
            for kind in ("Deployment", "Service")
            for body in self.of(kind, key, owner)
        }

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

    def route(self, key: Key, name: str) -> Body | None:
        """Return the HTTPRoute of a name that a rollout uses, whoever owns it, or None if there is none.

        What the rollout wrote itself is returned once before anything later: else it would never be known that the
        weights were in place before somebody quicker than the watch changed them.
        """
        delivered = next(iter(self.indices["HTTPRoute"].get(Key(key.namespace, name), ())), None)
        written = self._written.get(("HTTPRoute", key), {})
        if name not in written:
            return delivered
        is_unseen = (key, name) in self._unseen_routes
        self._unseen_routes.discard((key, name))
        if delivered is None or resource_version(delivered) < resource_version(written[name]):
            return written[name]
        own = written.pop(name)
        is_overtaken = resource_version(delivered) > resource_version(own)
        return own if is_unseen and is_overtaken else delivered

    def addresses(self, key: Key, name: str, revision: Revision) -> tuple[str, ...]:
        """Return `address:port` of every endpoint of a revision behind one of the rollout's Services."""
        return service.addresses(self.indices["EndpointSlice"].get(key, ()), name, revision)
