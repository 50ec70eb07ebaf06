"""What clients of a rollout could meet at every moment: the API server's own record of routes and endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from e2e.stage import Stage
from lossgate.api import names

__all__ = ["Moment", "Replay"]

JSON = dict[str, Any]

_PATHS = {
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """What held from one write to the next.

    Attributes:
        version: The resourceVersion of the write that made it so.
        weights: Share of the requests by Service, in per cent.
        ready: Ready pods by Service.
    """

    version: int
    weights: Mapping[str, int]
    ready: Mapping[str, int]


class Replay:
    """Every state of a rollout's route and endpoints since this was made, in the order in which it was stored.

    Asked for afterwards, as a watch from a version that has passed: nothing runs beside the test and nothing is missed.
    Versions of all kinds are numbers of one sequence. The API server keeps the latest changes only: ask within a
    minute or two.
    """

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._selector = f"labelSelector={names.LABEL_ROLLOUT}%3D{name}"
        self._objects: dict[tuple[str, str], JSON] = {}
        self._since: dict[str, str] = {}
        for kind in _PATHS:
            found = json.loads(self._ask(kind, ""))
            self._since[kind] = found["metadata"]["resourceVersion"]
            self._objects |= {(kind, body["metadata"]["name"]): body for body in found["items"]}

    def moments(self) -> Iterator[Moment]:
        """Yield the state at the beginning and after every change since, or since the last call.

        Raises:
            AssertionError: The API server has forgotten changes: asked too late.
        """
        changes = sorted((change for kind in _PATHS for change in self._changes(kind)), key=lambda change: change[0])
        yield self._moment(0)
        for version, kind, type_, body in changes:
            self._since[kind] = str(version)
            key = (kind, body["metadata"]["name"])
            if type_ == "DELETED":
                self._objects.pop(key, None)
            else:
                self._objects[key] = body
            yield self._moment(version)

    def _changes(self, kind: str) -> Iterator[tuple[int, str, str, JSON]]:
        answer = self._ask(kind, f"&watch=1&timeoutSeconds=1&resourceVersion={self._since[kind]}")
        for line in answer.splitlines():
            event = json.loads(line)
            assert event["type"] != "ERROR", event["object"].get("message")
            yield int(event["object"]["metadata"]["resourceVersion"]), kind, event["type"], event["object"]

    def _ask(self, kind: str, query: str) -> str:
        path = _PATHS[kind].format(self._stage.namespace)
        return self._stage.cluster.kubectl("get", "--raw", f"{path}?{self._selector}{query}")

    def _moment(self, version: int) -> Moment:
        weights: dict[str, int] = {}
        pods: dict[str, set[str]] = {}
        for (kind, _), body in self._objects.items():
            if kind == "HTTPRoute":
                backends = [backend for rule in body["spec"]["rules"] for backend in rule["backendRefs"]]
                weights |= {backend["name"]: backend["weight"] for backend in backends}
            else:
                service = body["metadata"]["labels"][names.LABEL_SERVICE]
                ready = {item["targetRef"]["name"] for item in body.get("endpoints") or () if _is_ready(item)}
                pods.setdefault(service, set()).update(ready)
        return Moment(version, weights, {service: len(found) for service, found in pods.items()})


def _is_ready(endpoint: JSON) -> bool:
    return bool((endpoint.get("conditions") or {}).get("ready"))
