"""Whether the gateways have accepted a route as it is now, read off its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lossgate.api.texts import shown

GROUP = "gateway.networking.k8s.io"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the gateways say of a route's present generation."""

    accepted: bool
    message: str = ""
    refused_since: float | None = None
    """Unix seconds; None unless a gateway says no, 0 where it does not say since when."""


def of(route: Body) -> Acceptance:
    """Return what the gateways say: a route is accepted when every parent that its spec names has accepted it.

    Status entries are kept per parent and controller. One for a parent that the spec no longer names says nothing; nor
    does one that a controller left behind at an older generation while another has judged the present one.
    """
    parents = route["spec"].get("parentRefs") or ()
    if not parents:
        return Acceptance(False, "it has no parentRefs, so no gateway takes it")
    answers = [_of_parent(route, parent) for parent in parents]
    refused = [answer for answer in answers if answer.refused_since is not None]
    waiting = [answer for answer in answers if not answer.accepted]
    return next(iter((*refused, *waiting)), Acceptance(True))


def _of_parent(route: Body, parent: Body) -> Acceptance:
    generation = route["metadata"].get("generation", 0)
    namespace = route["metadata"].get("namespace", "")
    entries = [
        entry
        for entry in (route.get("status") or {}).get("parents") or ()
        if _identity(entry["parentRef"], namespace) == _identity(parent, namespace)
    ]
    where = f"{str(parent.get('kind', 'Gateway')).lower()} {parent['name']}"
    if not entries:
        return Acceptance(False, f"no gateway has answered for every parentRef yet: {where} has not")
    present = [entry for entry in entries if _is_judged(entry, generation)]
    if not present:
        return Acceptance(False, f"{where} has not judged the present route yet")
    return next((answer for answer in (_answer(entry, where) for entry in present) if not answer.accepted), _YES)


_YES = Acceptance(True)


def _identity(parent: Body, route_namespace: str) -> tuple[Any, ...]:
    """Return what makes a parentRef that one, with the defaults of the Gateway API filled in."""
    return (
        parent.get("group", GROUP),
        parent.get("kind", "Gateway"),
        parent.get("namespace") or route_namespace,
        parent["name"],
        parent.get("sectionName"),
        parent.get("port"),
    )


def _conditions(entry: Body) -> dict[str, Body]:
    return {item["type"]: item for item in entry.get("conditions") or ()}


def _is_judged(entry: Body, generation: int) -> bool:
    conditions = _conditions(entry)
    return all(
        type_ in conditions and conditions[type_].get("observedGeneration", 0) >= generation
        for type_ in ("Accepted", "ResolvedRefs")
    )


def _answer(entry: Body, where: str) -> Acceptance:
    """A rule that a gateway dropped may be the rollout's own, so that an answer in part is none."""
    conditions = _conditions(entry)
    for type_, wanted in (("Accepted", "True"), ("ResolvedRefs", "True"), ("PartiallyInvalid", "False")):
        item = conditions.get(type_)
        if item is None or item["status"] == wanted:
            continue
        message = f"{where}: {type_} is {item['status']}: {shown(item.get('message') or item.get('reason', ''))}"
        return Acceptance(False, message, None if item["status"] == "Unknown" else _since(item))
    return _YES


def _since(condition: Body) -> float:
    try:
        return datetime.fromisoformat(condition["lastTransitionTime"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
