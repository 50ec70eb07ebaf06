"""The one door to the API server: every request has a timeout, a content type and plain dicts in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from lossgate.api import names, refusal

REQUEST_TIMEOUT_SECONDS = 5.0
"""No longer than the Lease's safety time: a write begun while leading has ended before another process may lead."""

JSON = dict[str, Any]

_SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Event": "/api/v1/namespaces/{namespace}/events",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
    names.KIND: f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/{names.PLURAL}",
}


class KubeError(Exception):
    """The API server refused a request or did not answer; `status` is the HTTP status, 0 without an answer."""

    def __init__(self, status: int, what: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        self.status = status
        self.message = message


class Kube:
    """Requests to the API server."""

    def __init__(self, api_client: client.ApiClient, count: Callable[[str, str, int], None]) -> None:
        self._client = api_client
        self._count = count

    @classmethod
    async def connect(cls, count: Callable[[str, str, int], None]) -> Kube:
        """Return a connection with the pod's service account, or the kubeconfig outside a cluster."""
        configuration = client.Configuration()
        if await asyncio.to_thread(_SERVICE_ACCOUNT_TOKEN.exists):
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(client_configuration=configuration)
        return cls(client.ApiClient(configuration), count)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def create(self, body: JSON) -> JSON:
        """Create an object and return it as stored.

        Raises:
            KubeError: The server refused it (409 when it exists already) or did not answer.
        """
        metadata = body["metadata"]
        return await self._request("POST", body["kind"], metadata["namespace"], metadata.get("name", ""), body)

    async def get(self, kind: str, namespace: str, name: str) -> JSON:
        """Return an object.

        Raises:
            KubeError: It does not exist (404) or the server did not answer.
        """
        return await self._request("GET", kind, namespace, name)

    async def patch(self, kind: str, namespace: str, name: str, changes: Mapping[str, Any]) -> JSON:
        """Merge changes into an object; with `metadata.resourceVersion` in them only if nobody wrote in between.

        Raises:
            KubeError: The object is gone (404), was changed (409), or the server did not answer.
        """
        return await self._request("PATCH", kind, namespace, name, changes)

    async def json_patch(self, kind: str, namespace: str, name: str, operations: Sequence[JSON]) -> JSON:
        """Change just the places of an object that the operations (RFC 6902) name, if their tests hold.

        Raises:
            KubeError: The object is gone (404), was changed (409), a test failed or the outcome is invalid (422), or
                the server did not answer.
        """
        return await self._request("PATCH", kind, namespace, name, list(operations), patch=JSON_PATCH)

    async def replace(self, kind: str, namespace: str, name: str, body: JSON) -> JSON:
        """Replace an object, if its `metadata.resourceVersion` is still the present one.

        Raises:
            KubeError: It was changed (409), is gone (404), or the server did not answer.
        """
        return await self._request("PUT", kind, namespace, name, body)

    async def replace_status(self, body: JSON) -> JSON:
        """Replace a ModelRollout's status, if its `metadata.resourceVersion` is still the present one.

        Raises:
            KubeError: It was changed (409), is gone (404), or the server did not answer.
        """
        metadata = body["metadata"]
        return await self._request(
            "PUT", names.KIND, metadata["namespace"], metadata["name"], body, subresource="status"
        )

    async def delete(
        self, kind: str, namespace: str, name: str, preconditions: Mapping[str, str] | None = None
    ) -> None:
        """Delete an object with everything it owns, if its metadata are such; no error if it is gone already.

        Raises:
            KubeError: The object was changed (409), or the server refused or did not answer.
        """
        options: JSON = {"propagationPolicy": "Background"}
        if preconditions is not None:
            options["preconditions"] = dict(preconditions)
        try:
            await self._request("DELETE", kind, namespace, name, options)
        except KubeError as error:
            if error.status != 404:
                raise

    async def _request(
        self,
        method: str,
        kind: str,
        namespace: str,
        name: str,
        body: Any = None,
        subresource: str = "",
        patch: str = MERGE_PATCH,
    ) -> JSON:
        path = _PATHS[kind].format(namespace=namespace)
        if method != "POST":
            path += f"/{name}"
        if subresource:
            path += f"/{subresource}"
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = patch if method == "PATCH" else "application/json"
        query = [("fieldManager", names.FIELD_MANAGER)] if method in ("POST", "PATCH", "PUT") else []
        status = 0
        try:
            parameters = await self._client.param_serialize(
                method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = await self._client.call_api(*parameters, _request_timeout=REQUEST_TIMEOUT_SECONDS)
            status = response.status
            await response.read()
            return _object(self._client.response_deserialize(response, {"2XX": "object"}).data)
        except ApiException as error:
            status = int(error.status or 0)
            raise KubeError(
                status, f"{method} {kind} {namespace}/{name}", refusal.in_words(error.body, error.status, error.reason)
            ) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise KubeError(0, f"{method} {kind} {namespace}/{name}", f"no answer: {error!r}") from error
        except ValueError as error:
            if kind == "Secret":  # The error may quote what came.
                raise KubeError(status, f"{method} {kind} {namespace}/{name}", "no API object came") from None
            raise KubeError(status, f"{method} {kind} {namespace}/{name}", f"no API object came: {error}") from error
        finally:
            self._count(method, kind, status)


def _object(answer: object) -> JSON:
    if not isinstance(answer, dict):
        raise ValueError(f"{str(answer)[:100]!r} is none")
    return answer


def resource_version(body: Mapping[str, Any]) -> int:
    """Return the version of an object; versions of one kind are ordered numbers (Kubernetes 1.35, etcd before it)."""
    return int(body["metadata"]["resourceVersion"])
