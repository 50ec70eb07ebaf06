"""An API server in memory: versions, conflicts, refusals, a log of requests, and a process that dies at a write."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lossgate.api import names
from lossgate.controller.kube import JSON, Kube, KubeError

Place = tuple[str, str, str]
"""Kind, namespace and name."""


class Request(NamedTuple):
    """One request as the server saw it."""

    method: str
    kind: str
    name: str
    body: Any = None


class Crash(BaseException):
    """The process died: no handler of an error may see it."""


@dataclass
class Storage:
    """What the server keeps; it outlives the processes that talk to it."""

    objects: dict[Place, JSON] = field(default_factory=dict)
    version: int = 100
    uids: int = 0
    on_change: Callable[[str, JSON], None] = lambda event, body: None

    def put(self, body: Mapping[str, Any]) -> JSON:
        """Store an object under a new version, tell the watches, and return a copy."""
        self.version += 1
        stored = copy.deepcopy(dict(body))
        stored["metadata"]["resourceVersion"] = str(self.version)
        place = _place(stored)
        event = "MODIFIED" if place in self.objects else "ADDED"
        self.objects[place] = stored
        self.on_change(event, copy.deepcopy(stored))
        return copy.deepcopy(stored)

    def new(self, body: Mapping[str, Any]) -> JSON:
        """Store an object for the first time."""
        self.uids += 1
        metadata = {**body["metadata"], "uid": f"uid-{self.uids}", "generation": 1}
        return self.put({**body, "metadata": metadata})

    def edit(self, place: Place, spec: Mapping[str, Any]) -> JSON:
        """Replace the spec of an object, as a user does."""
        body = self.objects[place]
        metadata = {**body["metadata"], "generation": body["metadata"]["generation"] + 1}
        return self.put({**body, "metadata": metadata, "spec": copy.deepcopy(dict(spec))})

    def remove(self, place: Place) -> None:
        """Remove an object and tell the watches."""
        body = self.objects.pop(place)
        self.version += 1
        self.on_change("DELETED", copy.deepcopy(body))

    def of_kind(self, kind: str) -> Iterator[JSON]:
        """Return the objects of a kind, by name."""
        for place in sorted(self.objects):
            if place[0] == kind:
                yield self.objects[place]


class FakeKube(Kube):
    """One process's connection to the storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.requests: list[Request] = []
        self.refuse: Callable[[Request], KubeError | None] = lambda request: None
        """Answers a request with an error before it has an effect."""
        self.dies_after: Callable[[Request], bool] = lambda request: False
        """Whether the process dies when the server has carried out a write."""
        self._is_dead = False

    @property
    def writes(self) -> list[Request]:
        """Everything but reads and events."""
        return [request for request in self.requests if request.method != "GET" and request.kind != "Event"]

    async def create(self, body: JSON) -> JSON:
        request = await self._arrive("POST", body["kind"], body["metadata"]["name"], body)
        if _place(body) in self.storage.objects:
            raise KubeError(409, "POST", f'{body["kind"]} "{body["metadata"]["name"]}" already exists')
        return self._done(request, self.storage.new(body))

    async def get(self, kind: str, namespace: str, name: str) -> JSON:
        await self._arrive("GET", kind, name)
        return copy.deepcopy(self._present(kind, namespace, name))

    async def patch(self, kind: str, namespace: str, name: str, changes: Mapping[str, Any]) -> JSON:
        request = await self._arrive("PATCH", kind, name, changes)
        asked_version = changes.get("metadata", {}).get("resourceVersion")
        present = self._present(kind, namespace, name)
        if asked_version is not None:
            self._current(kind, namespace, name, dict(changes))
        merged = _merged(present, changes)
        return self._done(request, self._store(present, merged))

    async def json_patch(self, kind: str, namespace: str, name: str, operations: Sequence[JSON]) -> JSON:
        request = await self._arrive("PATCH", kind, name, list(operations))
        present = self._present(kind, namespace, name)
        patched = json_patched(present, operations)
        if patched is None:
            raise KubeError(422, "PATCH", "the server rejected our request due to an error in our request")
        return self._done(request, self._store(present, patched))

    async def replace(self, kind: str, namespace: str, name: str, body: JSON) -> JSON:
        request = await self._arrive("PUT", kind, name, body)
        present = self._current(kind, namespace, name, body)
        return self._done(request, self._store(present, body))

    async def replace_status(self, body: JSON) -> JSON:
        metadata = body["metadata"]
        request = await self._arrive("PUT", names.KIND, metadata["name"], body)
        present = self._current(names.KIND, metadata["namespace"], metadata["name"], body)
        return self._done(request, self._store(present, {**present, "status": body["status"]}))

    async def delete(
        self, kind: str, namespace: str, name: str, preconditions: Mapping[str, str] | None = None
    ) -> None:
        request = await self._arrive("DELETE", kind, name, preconditions)
        present = self.storage.objects.get((kind, namespace, name))
        if present is not None:
            for field_name, value in (preconditions or {}).items():
                if present["metadata"][field_name] != value:
                    raise KubeError(409, "DELETE", f"Precondition failed: {field_name}")
            self.storage.remove((kind, namespace, name))
        self._done(request, {})

    async def _arrive(self, method: str, kind: str, name: str, body: Any = None) -> Request:
        request = Request(method, kind, name, copy.deepcopy(body))
        if self._is_dead:
            raise Crash
        self.requests.append(request)
        await asyncio.sleep(0)
        refusal = self.refuse(request)
        if refusal is not None:
            raise refusal
        return request

    def _present(self, kind: str, namespace: str, name: str) -> JSON:
        present = self.storage.objects.get((kind, namespace, name))
        if present is None:
            raise KubeError(404, "", f'{kind} "{name}" not found')
        return present

    def _current(self, kind: str, namespace: str, name: str, body: JSON) -> JSON:
        present = self._present(kind, namespace, name)
        if present["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise KubeError(409, "PUT", f'Operation cannot be fulfilled on {kind} "{name}": it has been modified')
        return present

    def _store(self, present: JSON, wanted: JSON) -> JSON:
        """A write without change makes no new version; a changed spec makes a new generation.

        So do a Deployment's annotations, as on a real server.
        """
        if wanted == present:
            return copy.deepcopy(present)
        annotations = {name: body["metadata"].get("annotations") for name, body in (("old", present), ("new", wanted))}
        is_edited = wanted.get("spec") != present.get("spec")
        is_edited |= wanted["kind"] == "Deployment" and annotations["old"] != annotations["new"]
        metadata = {**present["metadata"], "generation": present["metadata"]["generation"] + is_edited}
        if annotations["new"] is not None:
            metadata["annotations"] = annotations["new"]
        return self.storage.put({**wanted, "metadata": metadata})

    def _done(self, request: Request, stored: JSON) -> JSON:
        if self.dies_after(request):
            self._is_dead = True
            raise Crash
        return stored


def _place(body: Mapping[str, Any]) -> Place:
    return (body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])


def json_patched(document: JSON, operations: Sequence[JSON]) -> JSON | None:
    """RFC 6902, as much of it as is in use: `test`, and `add` of a member; None if a test fails."""
    patched = copy.deepcopy(document)
    for operation in operations:
        *parents, last = operation["path"].removeprefix("/").split("/")
        parent: Any = patched
        for step in parents:
            parent = parent[int(step)] if isinstance(parent, list) else parent[step]
        match operation["op"]:
            case "test":
                if parent.get(last) != operation["value"]:
                    return None
            case "add":
                parent[last] = operation["value"]
            case other:
                raise ValueError(f"unknown operation {other}")
    return patched


def _merged(present: Any, changes: Any) -> Any:
    """RFC 7396."""
    if not isinstance(changes, Mapping):
        return copy.deepcopy(changes)
    merged = dict(present) if isinstance(present, Mapping) else {}
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged
