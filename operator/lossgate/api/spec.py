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
from lossgate.api.loss import Loss, MetricLabels, Series
from lossgate.api.part import Part
from lossgate.api.prometheus import Prometheus
from lossgate.api.quantities import Seconds
from lossgate.api.rules import lasts, rule, rules, says
from lossgate.api.step import MAX_EARLY_STEP_MARGIN, SPEC_RULES, STEPS_RULES, Step, margins
from lossgate.api.template import TEMPLATE_SCHEMA
from lossgate.api.traffic import GatewayTraffic, ParentRef, RouteRef, Traffic

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
    "RouteRef",
    "Series",
    "Service",
    "Step",
    "Traffic",
]

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


class Canary(Part):
    """How large the canary may grow while it is judged."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.replicas) && has(self.maxSurge))",
                "write replicas or maxSurge, not both: replicas fixes the number of pods, maxSurge bounds it",
                judges=("replicas", "maxSurge"),
            )
        )
    )

    replicas: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="The pods that the canary has in every step, whatever its weight, in place of its share of "
        "spec.replicas: it bounds what a rollout costs where a pod takes a GPU. A promotion needs room for the full "
        "size beside the old version whatever is said here.",
        json_schema_extra=says("write a number of pods from 1 to 1000"),
    )
    # No default in the schema: it would be stored, and then stand beside replicas.
    max_surge: Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 4})] | None = (
        Field(
            default=None,
            alias="maxSurge",
            description="The most pods that the canary may have while it is judged: a number, or a share of replicas, "
            "rounded up; 100% by default. It gets its share of the traffic in pods, rounded up, within this. A "
            "promotion needs room for the full size beside the old version whatever is said here.",
            json_schema_extra=rules(
                rule(
                    "type(self) == int ? self >= 1 && self <= 1000 : self.matches(r'^[1-9][0-9]{0,2}%$')",
                    'write a number of pods from 1 to 1000, or a share of replicas in whole per cent such as "50%"',
                )
            ),
        )
    )

    def replicas_at(self, weight_percent: int, replicas: int) -> int:
        """Return the canary's pods for a step: its share of `replicas`, rounded up, within `maxSurge`, at least one."""
        if self.replicas is not None:
            return self.replicas
        if isinstance(self.max_surge, int):
            surge = self.max_surge
        else:
            surge = math.ceil(replicas * int((self.max_surge or "100%").rstrip("%")) / 100)
        return max(1, min(math.ceil(replicas * weight_percent / 100), surge))


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
                judges=("service.targetPort", "template.spec.containers"),
            ),
            # Not at loss itself: the API server checks the default of a part before the parts in it have theirs.
            *(
                rule(
                    f"!has(self.loss.selector) || !(self.loss.labels.{field} in self.loss.selector)",
                    f"remove the label that loss.labels.{label} names from the selector: the operator adds it",
                    ".loss.selector",
                    judges=("loss.selector", f"loss.labels.{field}"),
                )
                # A word that CEL keeps for itself is written so.
                for label, field in (("revision", "revision"), ("namespace", "__namespace__"))
            ),
            rule(
                "self.loss.labels.revision != self.loss.labels.__namespace__",
                "write the label that tells the versions apart; it cannot be the one that holds the namespace",
                ".loss.labels.revision",
                judges=("loss.labels.revision", "loss.labels.__namespace__"),
            ),
            *SPEC_RULES,
            rule(
                "!has(self.guardrails) || self.guardrails.all(guardrail, !has(guardrail.interval) "
                "|| duration(guardrail.interval) >= duration(self.loss.interval))",
                "write an interval that is not shorter than loss.interval: guardrails are evaluated at the looks",
                ".guardrails",
                judges=("guardrails", "loss.interval"),
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
        description="Traffic steps in order, each judged on its own evidence. The last one, and so the "
        "promotion, asks for the margin of the gate.",
        json_schema_extra={
            "x-kubernetes-list-type": "atomic",
            **STEPS_RULES,
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
    progress_deadline_seconds: int = Field(
        default=600,
        ge=1,
        le=86400,
        alias="progressDeadlineSeconds",
        description="How long a canary may be without the pods that it needs, in seconds; then it is rolled back. A "
        "canary that has served is held rather than rolled back when there is no room for more pods of it.",
        json_schema_extra=says("write a number of seconds from 1 to 86400"),
    )
    revision_history_limit: int = Field(
        default=3,
        ge=0,
        le=20,
        alias="revisionHistoryLimit",
        description="How many Deployments of earlier revisions are kept without pods, those used last, so that going "
        "back needs no new one. The one replaced last is always kept.",
        json_schema_extra=says("write a number from 0 to 20"),
    )
    paused: bool = Field(
        default=False,
        description="Set to true, a rollout waits where it is, with the weights it has, until this is false again. "
        "Harm that is found meanwhile still rolls it back.",
    )

    def step_margin(self, index: int, baseline_mean: float) -> float:
        """Return the harm that must be ruled out to leave step `index` upwards, in the gate's own units."""
        ceiling = MAX_EARLY_STEP_MARGIN * (baseline_mean if self.gate.is_absolute else 1.0)
        return margins(self.steps, self.gate.harm_margin, ceiling)[min(index, len(self.steps) - 1)]
