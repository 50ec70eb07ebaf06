"""The spec of a ModelRollout, parsed: what users write, with every quantity in plain numbers and units in names.

The CRD is generated from these models: descriptions are what `kubectl explain` shows, bounds and rules are what the
API server refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from lossgate.api.gate import Gate, OnInconclusive, Risk
from lossgate.api.guardrails import MAX_GUARDRAILS, Guardrail, Preset
from lossgate.api.loss import Loss, MetricLabels, Prometheus, Series
from lossgate.api.part import Part
from lossgate.api.quantities import Seconds
from lossgate.api.rules import HOSTNAME_PATTERN, lasts, rule, rules, says
from lossgate.api.template import TEMPLATE_SCHEMA

__all__ = [
    "Canary",
    "Gate",
    "GatewayTraffic",
    "Guardrail",
    "Loss",
    "MetricLabels",
    "Model",
    "OnInconclusive",
    "ParentRef",
    "Preset",
    "Prometheus",
    "Risk",
    "RolloutSpec",
    "Series",
    "Service",
    "Step",
    "Traffic",
]

EARLY_STEP_MARGIN_FACTOR = 4.0
MAX_EARLY_STEP_MARGIN = 0.5


IntOrString = Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 63})]


class Model(Part):
    """Which model version the template serves."""

    version: str = Field(
        min_length=1,
        max_length=128,
        description="Name of the version that people know, such as v2. A change of it, or of the template, starts a "
        "rollout. The pods see it as LOSSGATE_MODEL_VERSION.",
    )


class Service(Part):
    """The port that clients call and the container port behind it."""

    port: int = Field(default=80, ge=1, le=65535, description="Port of the Services that lead to the model.")
    target_port: IntOrString = Field(
        default="http",
        alias="targetPort",
        description="Name or number of the container port that serves requests. A container of the template must "
        "declare it.",
    )


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


class Traffic(Part):
    """How requests are split between the two versions."""

    gateway: GatewayTraffic = Field(
        description="Split by a Gateway API HTTPRoute, named like the rollout, that the operator creates and owns."
    )


class Canary(Part):
    """How large the canary may grow while it is judged."""

    max_surge: Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 4})] = Field(
        default="100%",
        alias="maxSurge",
        description="The most pods that the canary may have while it is judged: a number, or a share of replicas, "
        "rounded up. It gets its share of the traffic in pods, rounded up, within this. A promotion brings it to full "
        "size whatever is said here.",
        json_schema_extra=rules(
            rule(
                "type(self) == int ? self >= 1 && self <= 1000 : self.matches(r'^[1-9][0-9]{0,2}%$')",
                'write a number of pods from 1 to 1000, or a share of replicas in whole per cent such as "50%"',
            )
        ),
    )

    def replicas_at(self, weight_percent: int, replicas: int) -> int:
        """Return the canary's pods for a step: its share of `replicas`, rounded up, within `maxSurge`, at least one."""
        if isinstance(self.max_surge, str):
            surge = math.ceil(replicas * int(self.max_surge.rstrip("%")) / 100)
        else:
            surge = self.max_surge
        return max(1, min(math.ceil(replicas * weight_percent / 100), surge))


class Step(Part):
    """One traffic step: judged on its own evidence."""

    weight: int = Field(
        ge=1,
        le=99,
        description="Share of the requests that the canary gets in this step, in per cent.",
        json_schema_extra=says(
            "write a share from 1 to 99 per cent; all traffic comes with the promotion after the last step"
        ),
    )


class RolloutSpec(Part):
    """What is to serve, how it is brought in, and what must be shown before it takes over."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.template.spec.containers.exists(container, has(container.ports) && container.ports.exists(port, "
                "type(self.service.targetPort) == int ? port.containerPort == self.service.targetPort "
                ": has(port.name) && port.name == self.service.targetPort))",
                'write the name or number of a port that a container of spec.template declares (the default is "http")',
                ".service.targetPort",
            ),
            # Not at loss itself: the API server checks the default of a part before the parts in it have theirs.
            *(
                rule(
                    f"!has(self.loss.selector) || !(self.loss.labels.{label} in self.loss.selector)",
                    f"remove the label that loss.labels.{label} names from the selector: the operator adds it",
                    ".loss.selector",
                )
                for label in ("revision", "namespace")
            ),
            rule(
                "self.loss.labels.revision != self.loss.labels.namespace",
                "write the label that tells the versions apart; it cannot be the one that holds the namespace",
                ".loss.labels.revision",
            ),
            rule(
                "!has(self.guardrails) || self.guardrails.all(guardrail, !has(guardrail.interval) "
                "|| duration(guardrail.interval) >= duration(self.loss.interval))",
                "write an interval that is not shorter than loss.interval: guardrails are evaluated at the looks",
                ".guardrails",
            ),
        )
    )

    # No default, so that removing the field hands the size to an autoscaler without a jump to one pod.
    replicas: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Pods of the version that serves. Where an autoscaler owns it, leave it out of the manifest and "
        "set it once with kubectl scale: autoscalers cannot read a size that was never set.",
    )
    model: Model = Field(description="Which model version the template serves.")
    template: Annotated[Mapping[str, Any], WithJsonSchema(TEMPLATE_SCHEMA)] = Field(
        description="The pods that serve the model, as in a Deployment, kept as written. A change of it starts a "
        "rollout. The operator adds labels under lossgate.io/ and the variables LOSSGATE_REVISION and "
        "LOSSGATE_MODEL_VERSION."
    )
    service: Service = Field(default=Service(), description="The port that clients call and the one behind it.")
    traffic: Traffic = Field(description="How requests are split between the two versions.")
    canary: Canary = Field(default=Canary(), description="How large the canary may grow while it is judged.")
    steps: tuple[Step, ...] = Field(
        default=(Step(weight=5), Step(weight=25), Step(weight=50)),
        min_length=1,
        max_length=10,
        description="Traffic steps in order, each judged on its own evidence. All but the last may be left at four "
        "times the margin of the gate; the last one, and so the promotion, asks for the margin itself.",
        json_schema_extra={
            "x-kubernetes-list-type": "atomic",
            **rules(
                rule(
                    "self.map(step, step.weight).isSorted() "
                    "&& self.all(step, self.exists_one(other, other.weight == step.weight))",
                    "write weights that rise from step to step, each once, such as 5, 25, 50",
                )
            ),
        },
    )
    loss: Loss = Field(default=Loss(), description="Where the loss of each version is read, and how often.")
    gate: Gate = Field(
        default=Gate(), description="What must be shown before the canary gets more traffic, and what takes it back."
    )
    guardrails: tuple[Guardrail, ...] = Field(
        default_factory=tuple,
        max_length=MAX_GUARDRAILS,
        description="Limits on anything else that Prometheus can tell of one version, such as errors, latency or a "
        "number that the business counts. Evaluated while the canary gets requests.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    scale_down_delay_seconds: Seconds = Field(
        default=600.0,
        alias="scaleDownDelay",
        description="How long the old version stays ready after a promotion: the way back without loading a model.",
        json_schema_extra=lasts("0s", "168h", such_as="10m"),
    )
    paused: bool = Field(
        default=False,
        description="Set to true, a rollout waits where it is, with the weights it has, until this is false again. "
        "Harm that is found meanwhile still rolls it back.",
    )

    def step_margin(self, index: int, baseline_mean: float) -> float:
        """Return the harm that must be ruled out to leave step `index` upwards, in the gate's own units.

        All but the last step may be left at four times the gate's margin, at most half the stable mean.
        """
        margin = self.gate.harm_margin
        if index == len(self.steps) - 1:
            return margin
        ceiling = MAX_EARLY_STEP_MARGIN * (baseline_mean if self.gate.is_absolute else 1.0)
        return max(margin, min(EARLY_STEP_MARGIN_FACTOR * margin, ceiling))
