"""What every way to split requests offers, whoever owns the route."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lossgate.rollout.snapshot import Obstacle, RouteSeen

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is seen of a route, and why it cannot split the requests, if it cannot."""

    route: RouteSeen | None
    fault: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class CreateRoute:
    """The route is not there yet: create it."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MergeRoute:
    """The route is the operator's own: merge this into it."""

    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PatchRoute:
    """The route is somebody else's: change just this, by JSON patch, if it is still as it was seen."""

    operations: tuple[dict[str, Any], ...]


RouteWrite = CreateRoute | MergeRoute | PatchRoute


class Router(Protocol):
    """One rollout's way to split requests between its two Services by an HTTPRoute."""

    @property
    def route_name(self) -> str:
        """Name of the HTTPRoute, in the rollout's namespace."""

    def seen(self, body: Body | None, rivals: Collection[str]) -> Sighting:
        """Return what matters of the HTTPRoute of that name; `rivals` are other rollouts that use it too."""

    def write(self, body: Body | None, stable_weight: int, canary_weight: int) -> RouteWrite | None:
        """Return the write that gives the two Services these weights, or None if there is nothing to write."""


def changed_by(route: Body) -> str:
    """Return the field manager that changed the route's rules last, other than the operator; empty if none is told."""
    entries = route["metadata"].get("managedFields") or ()
    return str(max(entries, key=lambda entry: entry.get("time", ""))["manager"]) if entries else ""
