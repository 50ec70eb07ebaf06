"""Carries out the writes of a decision, in their order; what the API server refuses becomes an Obstacle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lossgate.api import names
from lossgate.api.owner import Owner
from lossgate.api.reasons import Reason
from lossgate.api.spec import RolloutSpec
from lossgate.controller import preconditions
from lossgate.controller.kube import Kube, KubeError
from lossgate.controller.preconditions import Seen
from lossgate.rollout.decision import (
    CreateDeployment,
    DeleteDeployment,
    PointService,
    ScaleDeployment,
    SetWeights,
    Write,
)
from lossgate.rollout.snapshot import Obstacle
from lossgate.traffic.router import CreateRoute, MergeRoute, PatchRoute, Router, RouteWrite
from lossgate.workload import deployment, service

Operations = Sequence[dict[str, Any]]
"""A JSON patch (RFC 6902)."""

REFUSALS = frozenset(
    {
        Reason.TEMPLATE_INVALID,
        Reason.INVALID_SPEC,
        Reason.ROUTE_NOT_FOUND,
        Reason.BACKEND_CONFLICT,
        Reason.INSUFFICIENT_CAPACITY,
    }
)
"""Reasons of what the API server refuses."""


class Refused(Exception):
    """The API server refused a write for a reason that a person must mend."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.message)
        self.obstacle = obstacle


class Applier:
    """Changes the children of one ModelRollout."""

    def __init__(
        self,
        kube: Kube,
        owner: Owner,
        spec: RolloutSpec,
        seen: Seen,
        router: Router,
        route: Mapping[str, Any] | None,
        wrote: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Prepare writes for an owner.

        `seen` are the children and `route` the HTTPRoute that the decision was made on; `wrote` is told every child
        as the API server has it.
        """
        self._kube = kube
        self._wrote = wrote
        self._owner = owner
        self._spec = spec
        self._seen = seen
        self._router = router
        self._route = route

    async def apply(self, write: Write) -> None:
        """Carry out one write; doing it again changes nothing.

        Raises:
            Refused: A person must act.
            KubeError: It may work the next time.
        """
        match write:
            case CreateDeployment(revision, replicas):
                body = deployment.manifest(self._owner, self._spec, revision, replicas)
                await self._create(body, Reason.TEMPLATE_INVALID)
            case ScaleDeployment(revision, replicas):
                seen, deadline = self._seen["Deployment", revision], self._spec.progress_deadline_seconds
                await self._patch("Deployment", seen, preconditions.size(seen, replicas, deadline))
            case DeleteDeployment(revision):
                met = preconditions.deletion(self._seen["Deployment", revision])
                await self._kube.delete("Deployment", self._owner.namespace, revision, met)
            case PointService(name, revision):
                await self._point(name, service.manifest(self._owner, self._spec.service, name, revision))
            case SetWeights(stable, canary):
                await self._set_weights(self._router.write(self._route, stable, canary))

    async def _point(self, name: str, body: dict[str, Any]) -> None:
        seen = self._seen.get(("Service", name))
        if seen is None:
            await self._create(body, Reason.INVALID_SPEC)
        else:
            await self._patch("Service", seen, preconditions.spec(seen, body["spec"]))

    async def _set_weights(self, write: RouteWrite | None) -> None:
        match write:
            case CreateRoute(body):
                await self._create(body, Reason.ROUTE_NOT_FOUND)
            case MergeRoute(changes) if self._route is not None:
                await self._patch("HTTPRoute", self._route, preconditions.spec(self._route, changes["spec"]))
            case PatchRoute(operations) if self._route is not None:
                await self._patch("HTTPRoute", self._route, operations)

    async def _create(self, body: dict[str, Any], invalid: Reason) -> None:
        try:
            self._wrote(await self._kube.create(body))
        except KubeError as error:
            if error.status == 409:
                await self._adopt_own(body)
            elif error.status in (400, 403, 404, 422):
                where = f"{body['kind']} {body['metadata']['name']}"
                if error.status == 403 and "exceeded quota" in error.message:
                    invalid = Reason.INSUFFICIENT_CAPACITY
                raise Refused(Obstacle(invalid, f"{where} was refused: {error.message}")) from error
            else:
                raise

    async def _adopt_own(self, body: dict[str, Any]) -> None:
        """An object of that name exists: ours, and the watch is late, or somebody else's, which is left untouched.

        Ours is not overwritten: the decision was made without it, and is made again.
        """
        kind, name = body["kind"], body["metadata"]["name"]
        present = await self._kube.get(kind, self._owner.namespace, name)
        if not self._owner.owns(present):
            raise Refused(Obstacle(Reason.BACKEND_CONFLICT, f"{kind} {name} exists and {_whose(self._owner, present)}"))
        self._wrote(present)
        raise _overtaken("POST", kind, name)

    async def _patch(self, kind: str, seen: Mapping[str, Any], changes: dict[str, Any] | Operations) -> None:
        """Change a child as it was seen; when it is another by now, the decision is made again on it."""
        namespace, name = self._owner.namespace, seen["metadata"]["name"]
        try:
            if isinstance(changes, dict):
                self._wrote(await self._kube.patch(kind, namespace, name, changes))
            else:
                self._wrote(await self._kube.json_patch(kind, namespace, name, changes))
        except KubeError as error:
            if error.status in (400, 403):
                raise _refused(kind, name, error) from error
            if error.status in (409, 422):
                present = await self._kube.get(kind, namespace, name)
                if error.status == 422 and preconditions.is_as_seen(kind, present, seen):
                    raise _refused(kind, name, error) from error
                self._wrote(present)
                raise _overtaken("PATCH", kind, name) from error
            raise


def _overtaken(method: str, kind: str, name: str) -> KubeError:
    return KubeError(409, f"{method} {kind} {name}", "it was changed meanwhile")


def _whose(owner: Owner, body: Mapping[str, Any]) -> str:
    """Return whose an object is and what becomes of it, in words."""
    for reference in body["metadata"].get("ownerReferences") or ():
        if not reference.get("controller"):
            continue
        holder = f"{reference['kind']} {reference['name']}"
        if (reference["kind"], reference["name"]) == (names.KIND, owner.name):
            return (
                f"belongs to an earlier {holder} that was deleted ({reference['uid']}); it is left untouched, and this "
                "one waits until the cluster has removed it."
            )
        return f"belongs to {holder}; it is left untouched. Rename this ModelRollout or remove that object."
    return (
        "belongs to nobody that is a ModelRollout; it is left untouched. Rename this ModelRollout or remove that "
        "object."
    )


def _refused(kind: str, name: str, error: KubeError) -> Refused:
    if kind == "HTTPRoute":
        message = f"HTTPRoute {name}: the weights were refused: {error.message}"
        return Refused(Obstacle(Reason.ROUTE_NOT_FOUND, message))
    return Refused(Obstacle(Reason.INVALID_SPEC, f"{kind} {name} was refused: {error.message}"))
