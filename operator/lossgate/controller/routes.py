"""HTTPRoutes as the watch delivers them: what is kept of each, and which rollouts refer to which."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lossgate.api import names
from lossgate.controller.queue import Key

Body = Mapping[str, Any]

_BACKEND_FIELDS = ("group", "kind", "namespace", "name", "weight")


def kept(route: Body) -> dict[str, Any]:
    """Return what is needed of a route, with every position in it as it was.

    All routes of the cluster are watched, as no label tells which one a rollout will refer to; most of a route is
    what clients send, and none of the operator's business. Of its own routes the spec is kept whole, to be compared.
    """
    metadata = dict(route["metadata"])
    labels = metadata.pop("labels", None) or {}
    metadata.pop("annotations", None)
    is_ours = names.LABEL_ROLLOUT in labels
    if is_ours:
        metadata["labels"] = dict(labels)
    metadata["managedFields"] = _writers_of_rules(metadata.pop("managedFields", None) or ())
    body = {field: route[field] for field in ("apiVersion", "kind", "spec", "status") if field in route}
    body["metadata"] = metadata
    if not is_ours:
        body["spec"] = _kept_spec(route.get("spec") or {})
    return body


def _kept_spec(spec: Body) -> dict[str, Any]:
    return {
        "parentRefs": spec.get("parentRefs") or [],
        "rules": [
            {
                **({"name": rule["name"]} if rule.get("name") else {}),
                "backendRefs": [
                    {field: backend[field] for field in _BACKEND_FIELDS if field in backend}
                    for backend in rule.get("backendRefs") or ()
                ],
            }
            for rule in spec.get("rules") or ()
        ],
    }


def _writers_of_rules(entries: Collection[Body]) -> list[dict[str, Any]]:
    """Return who owns the rules and since when, without the lists of fields, which are longer than the route."""
    return [
        {field: entry[field] for field in ("manager", "operation", "time") if field in entry}
        for entry in entries
        if entry.get("manager") != names.FIELD_MANAGER
        and "f:rules" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]


class RouteReferences:
    """Which ModelRollouts use the HTTPRoute of a name, their own or one of the user's."""

    def __init__(self) -> None:
        self._route: dict[Key, str] = {}
        self._rollouts: dict[tuple[str, str], set[Key]] = {}

    def saw(self, key: Key, rollout: Body) -> set[Key]:
        """Take note of a ModelRollout and return the others to which its route is news."""
        reference = (rollout["spec"].get("traffic") or {}).get("routeRef") or {}
        name = str(reference.get("name") or names.route(key.name))
        if self._route.get(key) == name:
            return set()
        others = self.forget(key)
        self._route[key] = name
        users = self._rollouts.setdefault((key.namespace, name), set())
        others |= users
        users.add(key)
        return others

    def forget(self, key: Key) -> set[Key]:
        """Forget a ModelRollout and return the others that used the same route."""
        name = self._route.pop(key, None)
        if name is None:
            return set()
        users = self._rollouts[key.namespace, name]
        users.discard(key)
        if not users:
            del self._rollouts[key.namespace, name]
        return set(users)

    def of(self, namespace: str, route: str) -> Collection[Key]:
        """Return the ModelRollouts that use a route."""
        return frozenset(self._rollouts.get((namespace, route), ()))
