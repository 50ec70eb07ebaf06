"""Which router a rollout uses."""

from __future__ import annotations

from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.traffic.gateway import OwnedRoute
from lossgate.traffic.reference import ReferencedRoute
from lossgate.traffic.router import Router


def of(owner: Owner, spec: RolloutSpec) -> Router:
    """Return the router that the spec asks for."""
    if spec.traffic.route_ref is not None:
        return ReferencedRoute(owner, spec.traffic.route_ref)
    return OwnedRoute(owner, spec)
