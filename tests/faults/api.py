"""Requests to the API server past the proxy: what users, kubelets, controllers and the tests themselves do."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any

import requests
import yaml

from tests.apiserver import ApiServer

JSON = dict[str, Any]

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/namespaces/{}/services",
    "Event": "/api/v1/namespaces/{}/events",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "ModelRollout": "/apis/lossgate.io/v1alpha1/namespaces/{}/modelrollouts",
}
_TIMEOUT_SECONDS = 20.0


class Refused(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text[:500]}")
        self.status = status


class Api:
    """One connection of an administrator to a real API server; each thread needs its own."""

    def __init__(self, server: ApiServer) -> None:
        configuration = yaml.safe_load(server.kubeconfig.read_text())
        cluster = configuration["clusters"][0]["cluster"]
        self.url: str = cluster["server"]
        self.token: str = configuration["users"][0]["user"]["token"]
        self.authority: str = cluster["certificate-authority"]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = self.authority
        self._session.headers["Authorization"] = f"Bearer {self.token}"

    def tls(self) -> ssl.SSLContext:
        """Return what a client of this server trusts."""
        return ssl.create_default_context(cafile=self.authority)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, kind: str, namespace: str, name: str) -> JSON:
        """Return an object."""
        return self._ask("GET", f"{PATHS[kind].format(namespace)}/{name}")

    def list(self, kind: str, namespace: str) -> list[JSON]:
        """Return all objects of a kind in a namespace, with their kind."""
        items: list[JSON] = self._ask("GET", PATHS[kind].format(namespace))["items"]
        return [{**item, "kind": kind} for item in items]

    def create(self, body: JSON) -> JSON:
        """Create an object."""
        return self._ask("POST", PATHS[body["kind"]].format(body["metadata"].get("namespace", "")), body)

    def merge(self, kind: str, namespace: str, name: str, changes: JSON, part: str = "") -> JSON:
        """Merge changes into an object, or into a part of it such as `/status`."""
        path = f"{PATHS[kind].format(namespace)}/{name}{part}"
        return self._ask("PATCH", path, changes, "application/merge-patch+json")

    def replace(self, body: JSON, part: str = "") -> JSON:
        """Replace an object, or a part of it, if nobody wrote in between."""
        metadata = body["metadata"]
        return self._ask("PUT", f"{PATHS[body['kind']].format(metadata['namespace'])}/{metadata['name']}{part}", body)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object, whether it is there or not."""
        try:
            self._ask("DELETE", f"{PATHS[kind].format(namespace)}/{name}")
        except Refused as refused:
            if refused.status != 404:
                raise

    def watch(
        self, kind: str, namespace: str, since: str, tell: Callable[[str, JSON], None], until: threading.Event
    ) -> None:
        """Tell of every change after a version until the event is set; returns at the first quiet second after that."""
        query = {"watch": "true", "resourceVersion": since, "timeoutSeconds": "3600"}
        while not until.is_set():
            try:
                url = self.url + PATHS[kind].format(namespace)
                with self._session.get(url, params=query, stream=True, timeout=(5, 1.0)) as answer:
                    for line in answer.iter_lines(chunk_size=None):
                        event = json.loads(line)
                        query["resourceVersion"] = event["object"]["metadata"]["resourceVersion"]
                        tell(event["type"], {**event["object"], "kind": kind})
            except requests.ConnectionError:
                continue  # Nothing for a second: asked again from the last version on.

    def version(self, kind: str, namespace: str) -> str:
        """Return the version of a listing now."""
        return str(self._ask("GET", PATHS[kind].format(namespace) + "?limit=1")["metadata"]["resourceVersion"])

    def _ask(self, method: str, path: str, body: JSON | None = None, content_type: str = "application/json") -> JSON:
        data = None if body is None else json.dumps(body)
        headers: Mapping[str, str] = {"Content-Type": content_type}
        answer = self._session.request(method, self.url + path, data=data, headers=headers, timeout=_TIMEOUT_SECONDS)
        if answer.status_code >= 400:
            raise Refused(answer.status_code, answer.text)
        found: JSON = answer.json()
        return found
