"""The API server's audit log: who asked for what, in which order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.stage import OPERATOR_NAMESPACE

__all__ = ["ACCOUNT", "Request", "account", "count", "requests_of", "requests_of_operator"]


def account(namespace: str, name: str = "lossgate") -> str:
    """Return the user name of a service account."""
    return f"system:serviceaccount:{namespace}:{name}"


ACCOUNT = account(OPERATOR_NAMESPACE)
"""The operator that all tests share."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `time` is RFC 3339, so that text order is time order.

    Attributes:
        time: When the API server received it.
        pod: The pod whose token it carried; empty if the token is bound to none.
        verb: As in RBAC rules.
        group: API group; empty for the core group, and for what is no resource.
        resource: Plural name; empty for what is no resource, such as discovery.
        subresource: Such as `status`; mostly empty.
        namespace: Empty for requests to all namespaces and for cluster-wide resources.
        name: Of the object, where there is one.
        code: HTTP status.
        forbidden: Whether the user had no right to ask; admission may refuse with 403 as well.
    """

    time: str
    pod: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    forbidden: bool

    @property
    def what(self) -> str:
        """The verb and the resource, such as `update modelrollouts/status`."""
        return f"{self.verb} {self.resource}" + (f"/{self.subresource}" if self.subresource else "")


def requests_of_operator(log: Path, namespace: str, since: str, until: str = "9999") -> list[Request]:
    """Return the operator's requests in a namespace between two times, oldest first, without its watches."""
    found = (request for request in requests_of(log, ACCOUNT, since) if request.namespace == namespace)
    return [request for request in found if request.verb != "watch" and request.time < until]


def requests_of(log: Path, user: str, since: str = "") -> list[Request]:
    """Return a user's requests since a time, oldest first; a watch counts once, when it begins."""
    found = (request for request in _read(log, user) if since <= request.time)
    return sorted(found, key=lambda request: request.time)


def count(requests: list[Request]) -> Counter[str]:
    """Return how often each thing was asked for."""
    return Counter(request.what for request in requests)


def _read(log: Path, user: str) -> Iterator[Request]:
    # A log that has grown large goes on in a new file; the old one keeps its name with a time in it.
    for path in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
        with path.open() as lines:
            for line in lines:
                if f'"{user}"' in line and (request := _request(json.loads(line), user)):
                    yield request


def _request(entry: dict[str, Any], user: str) -> Request | None:
    if entry["user"]["username"] != user:
        return None
    is_watch = entry["verb"] == "watch" and entry["responseStatus"]["code"] < 400
    if entry["stage"] != ("ResponseStarted" if is_watch else "ResponseComplete"):
        return None
    reference = entry.get("objectRef") or {}
    return Request(
        time=entry["requestReceivedTimestamp"],
        pod=next(iter(entry["user"].get("extra", {}).get("authentication.kubernetes.io/pod-name", [])), ""),
        verb=entry["verb"],
        group=reference.get("apiGroup", ""),
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        code=entry["responseStatus"]["code"],
        forbidden=entry.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
    )
