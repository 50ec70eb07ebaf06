"""Records every change of routes and what serves behind them, in the order in which the API server stored it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from lossgate.api import names
from tests.apiserver import ApiServer
from tests.faults.api import JSON, Api

KINDS = ("HTTPRoute", "Service", "EndpointSlice")


@dataclass(frozen=True, slots=True)
class Split:
    """A route as it was stored once, and the ready pods behind each of its Services at that moment."""

    stable: int
    canary: int
    ready: tuple[int, int]
    """Behind the stable Service and behind the canary's, of the version that each selects."""
    selected: tuple[str, str]


class Recorder:
    """Watches one namespace past the proxy until `stop`."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._done = threading.Event()
        self._changes: list[tuple[int, str, JSON]] = []
        self._server, self._namespace = server, namespace
        api = Api(server)
        since = {kind: api.version(kind, namespace) for kind in KINDS}
        api.close()
        self._threads = [threading.Thread(target=self._watch, args=(kind, since[kind]), daemon=True) for kind in KINDS]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End once everything up to now is recorded."""
        self._done.set()
        for thread in self._threads:
            thread.join(10)

    def splits(self, name: str) -> list[Split]:
        """Return every state of a rollout's own route, oldest first, repeated where what serves behind it changed."""
        state: dict[tuple[str, str], JSON] = {}
        found: list[Split] = []
        for _, event, body in sorted(self._changes, key=lambda change: change[0]):
            place = body["kind"], body["metadata"]["name"]
            if event == "DELETED":
                state.pop(place, None)
            else:
                state[place] = body
            route = state.get(("HTTPRoute", name))
            if route is not None and body["metadata"].get("labels", {}).get(names.LABEL_ROLLOUT) == name:
                split = _split(name, route, state)
                if not found or found[-1] != split:
                    found.append(split)
        return found

    def weights(self, name: str) -> list[int]:
        """Return the canary's weights in the order in which they were stored."""
        found: list[int] = []
        for split in self.splits(name):
            if not found or found[-1] != split.canary:
                found.append(split.canary)
        return found

    def _watch(self, kind: str, since: str) -> None:
        api = Api(self._server)
        api.watch(kind, self._namespace, since, self._tell, self._done)
        api.close()

    def _tell(self, event: str, body: JSON) -> None:
        self._changes.append((int(body["metadata"]["resourceVersion"]), event, body))


def _split(name: str, route: JSON, state: dict[tuple[str, str], JSON]) -> Split:
    weights = {
        backend["name"]: backend.get("weight", 1) for rule in route["spec"]["rules"] for backend in rule["backendRefs"]
    }
    services = (names.stable_service(name), names.canary_service(name))
    selected = tuple(_selected(state.get(("Service", service))) for service in services)
    ready = tuple(
        _ready(state.get(("EndpointSlice", f"{service}-x")), s) for service, s in zip(services, selected, strict=True)
    )
    return Split(
        weights.get(services[0], 0), weights.get(services[1], 0), (ready[0], ready[1]), (selected[0], selected[1])
    )


def _selected(service: JSON | None) -> str:
    return str(service["spec"]["selector"][names.LABEL_REVISION]) if service is not None else ""


def _ready(item: JSON | None, revision: str) -> int:
    endpoints = (item or {}).get("endpoints") or ()
    return sum(endpoint["targetRef"]["name"].startswith(f"{revision}-") for endpoint in endpoints)
