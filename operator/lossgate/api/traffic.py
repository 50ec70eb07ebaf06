"""The part of a spec that says how requests are split: by a route of the operator's own, or by one of the user's."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from lossgate.api.part import Part
from lossgate.api.rules import HOSTNAME_PATTERN, rule, rules, says

OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


class ParentRef(Part):
    """A Gateway that the route attaches to."""

    name: str = Field(min_length=1, max_length=253, description="Name of the Gateway.")
    namespace: str | None = Field(
        default=None, min_length=1, max_length=63, description="Namespace of the Gateway; by default the rollout's own."
    )
    section_name: str | None = Field(
        default=None,
        alias="sectionName",
        min_length=1,
        max_length=253,
        description="Listener of the Gateway; by default all that admit the route.",
    )


Hostname = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=HOSTNAME_PATTERN,
        json_schema_extra=says("write a host name in lower case without scheme or port, such as digits.example.com"),
    ),
]


class GatewayTraffic(Part):
    """A Gateway API route that the operator creates and owns."""

    parent_refs: tuple[ParentRef, ...] = Field(
        alias="parentRefs",
        min_length=1,
        max_length=8,
        description="Gateways that take requests for the model.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    hostnames: tuple[Hostname, ...] = Field(
        default_factory=tuple,
        max_length=16,
        description="Host names that the route answers to; by default all that the Gateway takes.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class RouteRef(Part):
    """A Gateway API route that somebody else owns: the operator changes two weights of it and nothing else."""

    name: str = Field(
        min_length=1,
        max_length=253,
        pattern=OBJECT_NAME_PATTERN,
        description="Name of the HTTPRoute, in the namespace of the rollout.",
        json_schema_extra=says("write the name of an HTTPRoute in the rollout's own namespace, such as digits"),
    )
    rule_name: str | None = Field(
        default=None,
        alias="ruleName",
        min_length=1,
        max_length=253,
        description="Name of the rule that holds the two Services of the rollout, <rollout> and <rollout>-canary, as "
        "backendRefs. Without it the one rule that holds both is taken.",
    )


class Traffic(Part):
    """How requests are split between the two versions."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.gateway) != has(self.routeRef)",
                "write exactly one of gateway (the operator creates the HTTPRoute) and routeRef (the HTTPRoute is "
                "yours, such as routeRef: {name: digits})",
                judges=("gateway", "routeRef"),
            )
        )
    )

    gateway: GatewayTraffic | None = Field(
        default=None,
        description="Split by a Gateway API HTTPRoute, named like the rollout, that the operator creates and owns.",
    )
    route_ref: RouteRef | None = Field(
        default=None,
        alias="routeRef",
        description="Split by an HTTPRoute of yours that has the Services <rollout> and <rollout>-canary as "
        "backendRefs of one rule. The operator sets the weights of these two, which add up to 100, and leaves "
        "everything else in the route alone.",
    )

    @model_validator(mode="after")
    def _is_one(self) -> Traffic:
        if (self.gateway is None) == (self.route_ref is None):
            raise ValueError("exactly one of gateway and routeRef is needed")
        return self
