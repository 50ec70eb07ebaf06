"""The way to the API server from this very process: no program is started for each request."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import requests

from e2e.cluster import Cluster
from lossgate.api import names

__all__ = ["Door", "rollout_path"]

JSON = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 16
_TIMEOUT_SECONDS = 30.0


def rollout_path(namespace: str, name: str) -> str:
    """Return the path of a ModelRollout."""
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}/{name}"


class Door:
    """An administrator's way to the API server, and threads where the API server can be reached.

    Attributes:
        url: Where `kubectl proxy` lets in whoever can reach it, with the rights of the kubeconfig.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Open it; close it when it is no longer needed."""
        self._pool = ThreadPoolExecutor(_THREADS, "door", initializer=cluster.enter)
        self._proxy = cluster.start(["kubectl", "proxy", "--port=0"], output=subprocess.PIPE)
        assert self._proxy.stdout is not None
        line = self._proxy.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        assert found, f"kubectl proxy does not say where it listens: {line}"
        self.url = f"http://{found.group()}"

    def close(self) -> None:
        """End everything that was opened."""
        self._pool.shutdown()
        self._proxy.kill()
        self._proxy.wait()

    def inside(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return what `work` returns, done in a thread from which the API server can be reached."""
        return self._pool.submit(work, *arguments, **options).result()

    def get(self, path: str) -> JSON:
        """Return an object or a list.

        Raises:
            HTTPError: There is none.
        """
        return self.ask("GET", path)

    def find(self, path: str) -> JSON | None:
        """Return an object, or None if there is none."""
        try:
            return self.get(path)
        except requests.HTTPError as error:
            if error.response.status_code == requests.codes.not_found:
                return None
            raise

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> JSON:
        """Return what the API server answers; a PATCH is a merge patch.

        Raises:
            HTTPError: It refuses; the message has what it says.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        answer = self.inside(
            requests.request, method, self.url + path, data=data, headers=headers, timeout=_TIMEOUT_SECONDS
        )
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:500]}", response=answer)
        found: JSON = answer.json()
        return found

    def text(self, url: str) -> str:
        """Return what an address answers that can be reached from where the API server can.

        Raises:
            HTTPError: It is no page.
        """
        answer = self.inside(requests.get, url, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.text
