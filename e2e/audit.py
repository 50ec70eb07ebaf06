"""The API server's audit log: who asked for what, in which order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e2e.stage import OPERATOR_NAMESPACE

__all__ = ["Request", "count", "requests_of_operator"]

_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:lossgate"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the operator; `time` is RFC 3339, so that text order is time order."""

    time: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int

    @property
    def what(self) -> str:
        """The verb and the resource, such as `update modelrollouts/status`."""
        return f"{self.verb} {self.resource}" + (f"/{self.subresource}" if self.subresource else "")


def requests_of_operator(log: Path, namespace: str, since: str, until: str = "9999") -> list[Request]:
    """Return the operator's requests in a namespace between two times, oldest first, without its watches."""
    found = (request for request in _read(log) if since <= request.time < until and request.namespace == namespace)
    return sorted((request for request in found if request.verb != "watch"), key=lambda request: request.time)


def count(requests: list[Request]) -> Counter[str]:
    """Return how often each thing was asked for."""
    return Counter(request.what for request in requests)


def _read(log: Path) -> Iterator[Request]:
    with log.open() as lines:
        for line in lines:
            if _USER not in line:
                continue
            entry = json.loads(line)
            reference = entry.get("objectRef") or {}
            if entry["user"]["username"] != _USER or entry["stage"] != "ResponseComplete":
                continue
            yield Request(
                time=entry["requestReceivedTimestamp"],
                verb=entry["verb"],
                resource=reference.get("resource", ""),
                subresource=reference.get("subresource", ""),
                namespace=reference.get("namespace", ""),
                name=reference.get("name", ""),
                code=entry["responseStatus"]["code"],
            )
