"""Plays kubelets, the endpoint controller and the gateway in one namespace of a real API server."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import requests

from lossgate.api import names
from tests.apiserver import ApiServer
from tests.faults.api import JSON, Api, Refused

POLL_SECONDS = 0.15


class Settler(threading.Thread):
    """Brings status and endpoints after what was written, several times a second, until `stop`."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        super().__init__(name="settler", daemon=True)
        self.broken: set[str] = set()
        """Model versions whose pods never become ready."""
        self.accepts = True
        """Whether the gateway takes up changes of routes."""
        self.failure: BaseException | None = None
        self._api = Api(server)
        self._namespace = namespace
        self._done = threading.Event()
        self._shares: dict[str, list[tuple[float, int]]] = {}
        self._versions: dict[str, str] = {}

    def stop(self) -> None:
        """End, and raise what went wrong."""
        self._done.set()
        self.join(20)
        self._api.close()
        if self.failure is not None:
            raise self.failure

    def version_of(self, revision: str) -> str | None:
        """Return the model version of a revision that was ever seen."""
        return self._versions.get(revision)

    def share(self, revision: str, at: float) -> float:
        """Return the share of the requests that a revision got at a moment (Unix seconds), 0 if none."""
        known = [share for since, share in self._shares.get(revision, ()) if since <= at]
        return known[-1] / 100 if known else 0.0

    def run(self) -> None:
        """Settle until stopped."""
        while not self._done.wait(POLL_SECONDS):
            try:
                self._settle()
            except requests.RequestException:
                continue
            except Refused as refused:
                if refused.status not in (404, 409, 500):  # Changed or gone meanwhile: seen again at the next turn.
                    self.failure = refused
                    return
            # Whatever it is, in a thread of its own: the stage raises it where the test waits.
            except Exception as error:
                self.failure = error
                return

    def _settle(self) -> None:
        deployments = {body["metadata"]["name"]: body for body in self._list("Deployment")}
        for body in deployments.values():
            self._versions[body["metadata"]["name"]] = body["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION]
            self._start_pods(body)
        services = [body for body in self._list("Service") if names.LABEL_ROLLOUT in body["metadata"].get("labels", {})]
        slices = {body["metadata"]["name"]: body for body in self._list("EndpointSlice")}
        for service in services:
            self._list_endpoints(service, deployments, slices)
        selected = {body["metadata"]["name"]: _revision(body) for body in services}
        for route in self._list("HTTPRoute"):
            self._serve(route, selected)

    def _list(self, kind: str) -> list[JSON]:
        return self._api.list(kind, self._namespace)

    def _start_pods(self, body: JSON) -> None:
        replicas = body["spec"]["replicas"]
        ready = 0 if self._versions[body["metadata"]["name"]] in self.broken else replicas
        status = {"observedGeneration": body["metadata"]["generation"], "replicas": replicas, "readyReplicas": ready}
        present = body.get("status") or {}
        if any(present.get(field, 0) != value for field, value in status.items()):
            self._api.merge("Deployment", self._namespace, body["metadata"]["name"], {"status": status}, "/status")
            body["status"] = status

    def _list_endpoints(self, service: JSON, deployments: Mapping[str, JSON], slices: Mapping[str, JSON]) -> None:
        metadata, revision = service["metadata"], _revision(service)
        deployment = deployments.get(revision)
        ready = (deployment.get("status") or {}).get("readyReplicas", 0) if deployment else 0
        endpoints = [
            {
                "addresses": [f"10.1.0.{pod + 1}"],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": f"{revision}-5d9-{pod}", "namespace": self._namespace},
            }
            for pod in range(ready)
        ]
        name = f"{metadata['name']}-x"
        present = slices.get(name)
        if present is None:
            labels = {**metadata["labels"], names.LABEL_SERVICE: metadata["name"]}
            self._api.create(
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {"name": name, "namespace": self._namespace, "labels": labels},
                    "addressType": "IPv4",
                    "endpoints": endpoints,
                    "ports": [{"name": "http", "port": 8000}],
                }
            )
        elif _pods(present["endpoints"]) != _pods(endpoints):
            self._api.merge("EndpointSlice", self._namespace, name, {"endpoints": endpoints})

    def _serve(self, route: JSON, selected: Mapping[str, str]) -> None:
        """Take note of the shares, accept the route."""
        metadata, now = route["metadata"], time.time()
        shares = [
            (selected[backend["name"]], backend.get("weight", 1))
            for rule in route["spec"]["rules"]
            for backend in rule.get("backendRefs", ())
            if backend["name"] in selected
        ]
        whole = sum(weight for _, weight in shares) or 1
        for revision in {revision for revision, _ in shares}:
            share = round(100 * sum(weight for one, weight in shares if one == revision) / whole)
            known = self._shares.setdefault(revision, [])
            if not known or known[-1][1] != share:
                known.append((now, share))
        present = (route.get("status") or {}).get("parents") or []
        generations = [item["observedGeneration"] for parent in present for item in parent["conditions"]]
        if not self.accepts or (generations and min(generations) >= metadata["generation"]):
            return
        parents = [_accepted(parent, metadata["generation"]) for parent in route["spec"]["parentRefs"]]
        self._api.merge("HTTPRoute", self._namespace, metadata["name"], {"status": {"parents": parents}}, "/status")


def _accepted(parent: JSON, generation: int) -> JSON:
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    conditions = [
        {
            "type": type_,
            "status": "True",
            "reason": type_,
            "message": "",
            "observedGeneration": generation,
            "lastTransitionTime": since,
        }
        for type_ in ("Accepted", "ResolvedRefs")
    ]
    return {"controllerName": "example.com/gateway", "parentRef": parent, "conditions": conditions}


def _revision(service: JSON) -> str:
    return str(service["spec"]["selector"][names.LABEL_REVISION])


def _pods(endpoints: list[JSON] | None) -> list[str]:
    return [endpoint["targetRef"]["name"] for endpoint in endpoints or ()]
