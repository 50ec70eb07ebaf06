"""The cluster as kubectl would find it: kubeconfig, context, namespace; three requests, and words for what fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import urllib3

from lossgate.api import names, refusal
from lossgate.cli.exits import Unavailable

REQUEST_TIMEOUT_SECONDS = 10.0
FIELD_MANAGER = "lossgate-cli"
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_ROLLOUTS = f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/{names.PLURAL}"

Option = TypeVar("Option", bound=Callable[..., Any])


def cluster_options(command: Option) -> Option:
    """Add the options that say which cluster and namespace are meant, as kubectl has them."""
    for option in (
        click.option("--kubeconfig", help="Kubeconfig file.  [default: $KUBECONFIG, else ~/.kube/config]"),
        click.option("--context", "kube_context", help="Context of the kubeconfig.  [default: the current one]"),
        click.option("-n", "--namespace", help="Namespace.  [default: that of the context]"),
    ):
        command = option(command)
    return command


class Cluster:
    """Requests about ModelRollouts of one namespace."""

    def __init__(self, api_client: Any, namespace: str) -> None:
        self._client = api_client
        self.namespace = namespace

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, namespace: str | None) -> Cluster:
        """Return the cluster that the options, or the kubeconfig, name; inside a pod without one, its own.

        Raises:
            Unavailable: No kubeconfig can be read, or the context is not in it.
        """
        # Imported here: it takes half a second, and most commands of the program need no cluster.
        from kubernetes import client, config
        from kubernetes.config.config_exception import ConfigException

        settings = client.Configuration()
        try:
            if kubeconfig is None and context is None and _is_in_pod():
                config.load_incluster_config(client_configuration=settings)
                own = (_SERVICE_ACCOUNT / "namespace").read_text()
            else:
                config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=settings)
                contexts, active = config.list_kube_config_contexts(config_file=kubeconfig)
                own = _namespace_of(next((one for one in contexts if one["name"] == context), active))
        except (ConfigException, OSError) as error:
            raise Unavailable(f"no cluster is known: {error}; see --kubeconfig and --context") from error
        return cls(client.ApiClient(settings), namespace or own)

    def get(self, name: str) -> dict[str, Any]:
        """Return a ModelRollout.

        Raises:
            Unavailable: It is not there, or the server said no or nothing.
        """
        return self._request("GET", f"{_ROLLOUTS}/{name}", f"get {names.KIND} {name}")

    def annotate(self, name: str, annotation: str, text: str) -> None:
        """Set an annotation of a ModelRollout.

        Raises:
            Unavailable: It is not there, or the server said no or nothing.
        """
        changes = {"metadata": {"annotations": {annotation: text}}}
        self._request("PATCH", f"{_ROLLOUTS}/{name}", f"patch {names.KIND} {name}", body=changes)

    def events(self, uid: str) -> list[dict[str, Any]]:
        """Return the events of an object, oldest first.

        Raises:
            Unavailable: The server said no or nothing.
        """
        query = [("fieldSelector", f"involvedObject.uid={uid}")]
        found = self._request("GET", "/api/v1/namespaces/{namespace}/events", "list events", query=query)
        return sorted(found.get("items") or (), key=lambda event: str(event.get("lastTimestamp")))

    def _request(
        self, method: str, path: str, what: str, *, query: list[tuple[str, str]] | None = None, body: Any = None
    ) -> dict[str, Any]:
        from kubernetes.client.exceptions import ApiException

        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
            query = [("fieldManager", FIELD_MANAGER)]
        try:
            parameters = self._client.param_serialize(
                method,
                path.format(namespace=self.namespace),
                query_params=query or [],
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(*parameters, _request_timeout=REQUEST_TIMEOUT_SECONDS)
            response.read()
            answer = self._client.response_deserialize(response, {"2XX": "object"}).data
        except ApiException as error:
            raise Unavailable(self._words(what, error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            host = self._client.configuration.host
            raise Unavailable(f"cannot {what}: no answer from {host}: {error}") from error
        if not isinstance(answer, dict):
            raise Unavailable(f"cannot {what}: no API object came back")
        return answer

    def _words(self, what: str, error: Any) -> str:
        said = refusal.in_words(error.body, error.status, error.reason)
        where = f"in namespace {self.namespace}"
        match int(error.status or 0):
            case 401:
                return f"cannot {what} {where}: the credentials of the kubeconfig are not accepted"
            case 403:
                return f"cannot {what} {where}: {said}. A role with get and patch of {names.PLURAL} is needed"
            case 404 if names.PLURAL in said:
                return f"there is no {what.split(' ', 1)[1]} {where}; see: kubectl get {names.PLURAL} -A"
            case 404:
                return f"cannot {what}: the cluster knows no {names.PLURAL}; is lossgate installed there?"
        return f"cannot {what} {where}: {said}"


def _is_in_pod() -> bool:
    configured = os.environ.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists()
    return not configured and (_SERVICE_ACCOUNT / "token").exists()


def _namespace_of(context: Mapping[str, Any]) -> str:
    return str((context.get("context") or {}).get("namespace") or "default")
