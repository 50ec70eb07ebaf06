"""`spec.guardrails`: plain limits beside the loss, on anything that Prometheus can tell of one version."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from lossgate.api.part import Part
from lossgate.api.quantities import Seconds
from lossgate.api.rules import lasts, rule, rules, says

MAX_GUARDRAILS = 16

PLACEHOLDERS = ("namespace", "rollout", "revision", "service", "interval")
"""What may stand after a `$` in a query. `$1` and a `$` at the end of a pattern are left to Prometheus."""

_SHOWN = ", ".join(f"${name}" for name in PLACEHOLDERS)
_KNOWN = "[" + ", ".join(f"'${name}'" for name in PLACEHOLDERS) + "]"


class Preset(StrEnum):
    """Queries that are written already."""

    ENVOY_GATEWAY_ERROR_RATE = "EnvoyGatewayErrorRate"


class Guardrail(Part):
    """One limit. A version that is outside of it too often in a row is rolled back."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.query) != has(self.preset)",
                "write either query or preset: a query of your own, or one that is written already",
                judges=("query", "preset"),
            ),
            rule(
                "has(self.max) || has(self.min) || has(self.maxRatioToStable)",
                "write a limit: max, min or maxRatioToStable",
                judges=("max", "min", "maxRatioToStable"),
            ),
            rule(
                "!has(self.max) || !has(self.min) || self.min <= self.max",
                "write a max that is not below min: no value could be within both",
                ".max",
                judges=("max", "min"),
            ),
            rule(
                f"!has(self.preset) || self.preset != '{Preset.ENVOY_GATEWAY_ERROR_RATE}' || !has(self.min)",
                "remove min: an error rate cannot be too small",
                ".min",
                judges=("preset", "min"),
            ),
            rule(
                f"!has(self.preset) || self.preset != '{Preset.ENVOY_GATEWAY_ERROR_RATE}' || !has(self.max) "
                "|| (self.max >= 0.0 && self.max < 1.0)",
                "write a share of the requests from 0 to below 1: 1 % is 0.01",
                ".max",
                judges=("preset", "max"),
            ),
        )
    )

    name: str = Field(
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Name of the guardrail in status, events and metrics.",
        json_schema_extra=says("write a name of at most 63 lower case letters, digits and -, such as p99"),
    )
    query: str | None = Field(
        default=None,
        max_length=2048,
        description="PromQL that gives one number for one version. $revision stands for that version's value of the "
        "pod label lossgate.io/revision, $service for its Service, $namespace and $rollout for those of this object, "
        "$interval for the time between two evaluations, such as 30s. Groups of label_replace are left, by number: "
        "$1. Asked of loss.prometheus with the credentials given there, never with the operator's own. Use [$interval] "
        "as range: longer ones let one bad moment count more than once.",
        json_schema_extra=rules(
            rule(
                r"self.matches('[$](revision|service)([^A-Za-z0-9_]|$)')",
                'write a query that names the version, such as by revision="$revision" or service="$service": without '
                "it failures of the stable version would roll back the canary",
            ),
            rule(
                f"self.findAll('[$][A-Za-z_][A-Za-z0-9_]*').all(name, name in {_KNOWN})",
                f"write only these names after a $: {_SHOWN}; groups of label_replace by number, such as $1",
            ),
        ),
    )
    preset: Preset | None = Field(
        default=None,
        description="A query that is written already. EnvoyGatewayErrorRate: share of the requests to the version's "
        "pods that ended in a 5xx answer, a time-out or a broken connection, as Envoy counts them per endpoint; tries "
        "that were repeated count. It needs an EnvoyProxy with spec.telemetry.metrics.enablePerEndpointStats: true, "
        "without clusterStatName, mergeBackends and routingType Service, a Prometheus that scrapes the proxies at "
        "least twice an interval, and 20 requests an interval. There is none for latency: Envoy Gateway sends both "
        "versions through one cluster, and Envoy keeps no times per endpoint; measure latency at the model server, by "
        "query.",
    )
    max: float | None = Field(default=None, description="The highest value that is fine.")
    min: float | None = Field(default=None, description="The lowest value that is fine.")
    max_ratio_to_stable: (
        Annotated[float, Field(gt=0, le=1000, json_schema_extra=says("write a ratio above 0, such as 1.2"))] | None
    ) = Field(
        default=None,
        alias="maxRatioToStable",
        description="The highest ratio of the canary's value to the stable version's that is fine, such as 1.2. Cannot "
        "be told while the stable version's value is 0 or missing: for what is 0 when all is well, write max.",
    )
    failure_limit: int = Field(
        default=3,
        ge=1,
        le=100,
        alias="failureLimit",
        description="Evaluations in a row outside of a limit that roll the canary back. One that could not be measured "
        "neither adds to them nor ends the row; while a guardrail cannot be measured, or is outside, no step is left.",
        json_schema_extra=says("write a number of evaluations in a row from 1 to 100"),
    )
    interval_seconds: Seconds | None = Field(
        default=None,
        alias="interval",
        description="Time from one evaluation to the next, rounded up to whole looks; by default every look. Write a "
        "longer one where there are few requests.",
        json_schema_extra=lasts("1s", "1h", such_as="2m", whole_seconds=True),
    )

    def step_seconds(self, look_seconds: float) -> float:
        """Return the time between two evaluations: whole looks of `look_seconds`."""
        looks = -(-(self.interval_seconds or look_seconds) // look_seconds)
        return look_seconds * looks

    def fingerprint(self, url: str | None) -> str:
        """Return a short text that changes when another thing is measured or held against another limit."""
        tested = self.model_dump_json(exclude={"name", "failure_limit"})
        return hashlib.sha256(f"{url}|{tested}".encode()).hexdigest()[:12]

    def limits(self) -> str:
        """Return the limits in words."""
        named = (("max", self.max), ("min", self.min), ("maxRatioToStable", self.max_ratio_to_stable))
        return ", ".join(f"{name} {limit:g}" for name, limit in named if limit is not None)
