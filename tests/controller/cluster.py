"""A cluster in memory around the operator: pods start, gateways accept, watches deliver, losses are as scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lossgate.api import names
from lossgate.api.status import RolloutStatus
from lossgate.controller.kube import JSON
from lossgate.controller.queue import Key
from lossgate.measure.errors import MeasurementError
from lossgate.measure.source import (
    ArmLook,
    Baseline,
    BaselineAnswer,
    BaselineRequest,
    LookAnswer,
    LookRequest,
    Target,
)
from tests.controller.fake_kube import Place, Storage
from tests.controller.scripted_numbers import ScriptedNumbers

KEY = Key("ml", "digits")
PLACE: Place = (names.KIND, *KEY)
CHILD_KINDS = ("Deployment", "Service", "EndpointSlice", "HTTPRoute")
LABELS_PER_SECOND = 400.0


def a_rollout(version: str = "v1", **spec: Any) -> JSON:
    """Return a ModelRollout as a user applies it."""
    container = {"name": "model", "image": f"digits:{version}", "ports": [{"name": "http", "containerPort": 8080}]}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": KEY.name, "namespace": KEY.namespace},
        "spec": {
            "replicas": 4,
            "model": {"version": version},
            "template": {"spec": {"containers": [container]}},
            "traffic": {"gateway": {"parentRefs": [{"name": "web"}]}},
            "steps": [{"weight": 20}, {"weight": 50}],
            "loss": {"interval": "10s", "settle": "5s"},
            **spec,
        },
    }


Watch = Callable[[str, JSON], None]


class ScriptedSource:
    """Losses without noise, the same for the same version and look, whoever asks."""

    def __init__(self, storage: Storage, mean_loss: dict[str, float]) -> None:
        self._storage = storage
        self._mean_loss = mean_loss
        self.requests: list[LookRequest | BaselineRequest] = []
        self.failure: MeasurementError | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens while an answer is waited for."""

    async def looks(self, request: LookRequest) -> LookAnswer:
        """Answer as if every look had the labels that the weights of now give."""
        await self._ask(request)
        return LookAnswer({target: self._arm(target, request.ends) for target in request.targets})

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        """Answer with a history that is long enough."""
        await self._ask(request)
        n, mean = 100_000.0, self._mean(request.target)
        return Baseline(n, n * mean, n * (0.7 + mean**2), LABELS_PER_SECOND, LABELS_PER_SECOND)

    async def close(self) -> None:
        """Nothing is open."""

    async def _ask(self, request: LookRequest | BaselineRequest) -> None:
        self.requests.append(request)
        await asyncio.sleep(0)
        self.meanwhile()
        if self.failure is not None:
            raise self.failure

    def _arm(self, target: Target, ends: range) -> tuple[ArmLook, ...]:
        n, mean = self._share(target.revision) * LABELS_PER_SECOND * ends.step, self._mean(target)
        return tuple(ArmLook(end, n, n * mean, n * (0.7 + mean**2), 0.0, n) for end in ends)

    def _mean(self, target: Target) -> float:
        deployment = self._storage.objects["Deployment", target.namespace, target.revision]
        return self._mean_loss[deployment["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION]]

    def _share(self, revision: str) -> float:
        status = RolloutStatus.model_validate(self._storage.objects[PLACE]["status"])
        assert status.canary is not None
        canary = status.canary.weight
        return (canary if revision == status.canary.revision else 100 - canary) / 100


class Cluster:
    """The storage, and everything in a cluster that is not the operator."""

    def __init__(self, **mean_loss: float) -> None:
        self.storage = Storage(on_change=self._deliver)
        self.source = ScriptedSource(self.storage, {"v1": 0.30, **mean_loss})
        self.numbers = ScriptedNumbers()
        self.broken: set[str] = set()
        """Model versions whose pods never become ready."""
        self.watches_lag = False
        """Whether the watches of children deliver nothing."""
        self.on_rollout: Watch | None = None
        self.on_child: Watch | None = None

    def apply(self, rollout: JSON) -> None:
        """Create the ModelRollout, or change its spec."""
        if PLACE in self.storage.objects:
            self.storage.edit(PLACE, rollout["spec"])
        else:
            self.storage.new(rollout)

    @property
    def status(self) -> RolloutStatus:
        """The status of the ModelRollout as stored."""
        return RolloutStatus.model_validate(self.storage.objects[PLACE].get("status") or {})

    @property
    def weights(self) -> tuple[int, ...]:
        """The weights of the route as stored."""
        route = self.storage.objects["HTTPRoute", *KEY]
        return tuple(backend["weight"] for backend in route["spec"]["rules"][0]["backendRefs"])

    def replicas(self) -> dict[str, int]:
        """Return the pods asked for, by model version."""
        return {
            body["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION]: body["spec"]["replicas"]
            for body in self.storage.of_kind("Deployment")
        }

    def settle(self) -> None:
        """Let kubelets and gateways do their part of what was written."""
        for deployment in list(self.storage.of_kind("Deployment")):
            self._start_pods(deployment)
        for service in list(self.storage.of_kind("Service")):
            if names.LABEL_ROLLOUT in service["metadata"].get("labels", {}):
                self._list_endpoints(service)
        for route in list(self.storage.of_kind("HTTPRoute")):
            self._accept(route)

    def _start_pods(self, body: JSON) -> None:
        replicas = body["spec"]["replicas"]
        is_broken = body["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION] in self.broken
        ready = {} if is_broken else {"readyReplicas": replicas}
        status = {"observedGeneration": body["metadata"]["generation"], "replicas": replicas, **ready}
        self._set_status(body, status)

    def _list_endpoints(self, service: JSON) -> None:
        metadata = service["metadata"]
        deployment = self.storage.objects.get(
            ("Deployment", metadata["namespace"], service["spec"]["selector"][names.LABEL_REVISION])
        )
        ready = deployment.get("status", {}).get("readyReplicas", 0) if deployment else 0
        network = "10.2.0" if metadata["name"].endswith("-canary") else "10.1.0"
        endpoints = [
            {
                "addresses": [f"{network}.{pod}"],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": f"{_revision(service)}-5d9-{pod}"},
            }
            for pod in range(ready)
        ]
        labels = {**metadata["labels"], names.LABEL_SERVICE: metadata["name"]}
        name = f"{metadata['name']}-x"
        place = ("EndpointSlice", metadata["namespace"], name)
        present = self.storage.objects.get(place)
        if present is None:
            slice_metadata = {"name": name, "namespace": metadata["namespace"], "labels": labels}
            ports = [{"name": "http", "port": 8080}]
            body = {"kind": "EndpointSlice", "metadata": slice_metadata, "endpoints": endpoints, "ports": ports}
            self.storage.new(body)
        elif present["endpoints"] != endpoints:
            self.storage.put({**present, "endpoints": endpoints})

    def _accept(self, route: JSON) -> None:
        generation = route["metadata"]["generation"]
        conditions = [
            {"type": type_, "status": "True", "observedGeneration": generation}
            for type_ in ("Accepted", "ResolvedRefs")
        ]
        parents = [{"parentRef": parent, "conditions": conditions} for parent in route["spec"]["parentRefs"]]
        self._set_status(route, {"parents": parents})

    def _set_status(self, body: JSON, status: JSON) -> None:
        if body.get("status") != status:
            self.storage.put({**body, "status": status})

    def _deliver(self, event: str, body: JSON) -> None:
        if body["kind"] == names.KIND and self.on_rollout:
            self.on_rollout(event, body)
        elif body["kind"] in CHILD_KINDS and self.on_child and not self.watches_lag:
            self.on_child(event, body)


def _revision(service: JSON) -> str:
    return str(service["spec"]["selector"][names.LABEL_REVISION])
