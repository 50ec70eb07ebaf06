"""Carries out the writes of a decision, in their order; what the API server refuses becomes an Obstacle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lossgate.api import names
from lossgate.api.owner import Owner
from lossgate.api.reasons import Reason
from lossgate.api.spec import RolloutSpec
from lossgate.controller.kube import Kube, KubeError
from lossgate.rollout.decision import (
    CreateDeployment,
    DeleteDeployment,
    PointService,
    ScaleDeployment,
    SetWeights,
    Write,
)
from lossgate.rollout.snapshot import Obstacle, Snapshot
from lossgate.traffic.router import CreateRoute, MergeRoute, PatchRoute, Router, RouteWrite
from lossgate.workload import deployment, service


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
        snapshot: Snapshot,
        router: Router,
        route: Mapping[str, Any] | None,
        wrote: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Prepare writes for an owner.

        `route` is the HTTPRoute that the decision was made on; `wrote` is told every child as the API server stored it.
        """
        self._kube = kube
        self._wrote = wrote
        self._owner = owner
        self._spec = spec
        self._snapshot = snapshot
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
                await self._patch("Deployment", revision, self._size(replicas))
            case DeleteDeployment(revision):
                await self._kube.delete("Deployment", self._owner.namespace, revision)
            case PointService(name, revision):
                await self._point(name, service.manifest(self._owner, self._spec.service, name, revision))
            case SetWeights(stable, canary):
                await self._set_weights(self._router.write(self._route, stable, canary))

    def _size(self, replicas: int) -> dict[str, Any]:
        return {"spec": {"replicas": replicas, "progressDeadlineSeconds": self._spec.progress_deadline_seconds}}

    async def _point(self, name: str, body: dict[str, Any]) -> None:
        stable = name == names.stable_service(self._owner.name)
        seen = self._snapshot.stable_service if stable else self._snapshot.canary_service
        if seen is None:
            await self._create(body, Reason.INVALID_SPEC)
        else:
            await self._patch("Service", name, {"spec": body["spec"]})

    async def _set_weights(self, write: RouteWrite | None) -> None:
        match write:
            case CreateRoute(body):
                await self._create(body, Reason.ROUTE_NOT_FOUND)
            case MergeRoute(changes):
                await self._patch("HTTPRoute", self._router.route_name, changes)
            case PatchRoute(operations):
                await self._patch_route(operations)

    async def _patch_route(self, operations: Sequence[dict[str, Any]]) -> None:
        """Change somebody else's route as it was seen; when it is another by now, the decision is made again on it."""
        namespace, name = self._owner.namespace, self._router.route_name
        try:
            self._wrote(await self._kube.json_patch("HTTPRoute", namespace, name, operations))
        except KubeError as error:
            if error.status in (400, 403):
                raise _refused_route(name, error) from error
            if error.status not in (409, 422):
                raise
            present = await self._kube.get("HTTPRoute", namespace, name)
            if error.status == 422 and _version(present) == _version(self._route):
                raise _refused_route(name, error) from error
            self._wrote(present)
            raise KubeError(409, f"PATCH HTTPRoute {namespace}/{name}", "it was changed meanwhile") from error

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
        """An object of that name exists: ours, and the watch is late, or somebody else's, which is left untouched."""
        kind, name = body["kind"], body["metadata"]["name"]
        present = await self._kube.get(kind, self._owner.namespace, name)
        if not self._owner.owns(present):
            raise Refused(Obstacle(Reason.BACKEND_CONFLICT, f"{kind} {name} exists and {_whose(self._owner, present)}"))
        if kind == "Deployment":
            self._wrote(present)
        else:
            await self._patch(kind, name, {"spec": body["spec"]})

    async def _patch(self, kind: str, name: str, changes: Mapping[str, Any]) -> None:
        try:
            self._wrote(await self._kube.patch(kind, self._owner.namespace, name, changes))
        except KubeError as error:
            if error.status not in (400, 403, 422):
                raise
            reason = Reason.ROUTE_NOT_FOUND if kind == "HTTPRoute" else Reason.INVALID_SPEC
            raise Refused(Obstacle(reason, f"{kind} {name} was refused: {error.message}")) from error


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


def _refused_route(name: str, error: KubeError) -> Refused:
    return Refused(Obstacle(Reason.ROUTE_NOT_FOUND, f"HTTPRoute {name}: the weights were refused: {error.message}"))


def _version(body: Mapping[str, Any] | None) -> str | None:
    return body["metadata"].get("resourceVersion") if body is not None else None
