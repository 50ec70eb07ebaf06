"""The status of a ModelRollout: all that the operator needs to go on after a crash, and what people read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from lossgate.api.commands import Outcome
from lossgate.api.reasons import ConditionType, Phase, Reason


def _parse_time(value: Any) -> Any:
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return value


def _format_time(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _format_time_whole(unix_seconds: float) -> str:
    return datetime.fromtimestamp(int(unix_seconds), UTC).isoformat().replace("+00:00", "Z")


Time = Annotated[
    float,
    BeforeValidator(_parse_time),
    PlainSerializer(_format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Unix seconds in Python, RFC 3339 with milliseconds in the API."""

ConditionTime = Annotated[
    float,
    BeforeValidator(_parse_time),
    PlainSerializer(_format_time_whole, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Unix seconds in Python, RFC 3339 in whole seconds in the API, as `metav1.Condition` has it."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, populate_by_name=True, alias_generator=to_camel, extra="ignore", use_attribute_docstrings=True
    )


class Version(_Part):
    """One version of the model as it runs."""

    revision: str
    """Name of its Deployment; also the value of the pod label `lossgate.io/revision`."""
    model_version: str
    """The version's name from `spec.model.version`."""
    replicas: int = 0
    """Pods asked for."""
    ready_replicas: int = 0
    """Pods that are ready."""
    weight: int = 0
    """Share of the requests, in per cent."""
    settled_replicas: int | None = None
    """Pods asked for, as its Deployment last had them; absent while the Deployment asks for another number."""


class Shortage(_Part):
    """Pods that the rollout waits for."""

    since: Time
    """Since when."""
    told: bool = False
    """Whether an event said so."""


class StepStatus(_Part):
    """The traffic step that is being judged."""

    index: int
    """Position in `spec.steps`, from 0."""
    weight: int
    """The canary's share of the requests in this step, in per cent."""
    began: Time | None = None
    """When the step began: `gate.maxDuration` counts from here, whatever becomes of pods and weights."""
    unready_since: Time | None = None
    """Since when the canary has had no ready pod."""
    since: Time | None = None
    """When the route was accepted at this weight; looks start after it."""
    in_force: Time | None = None
    """When the route was first accepted at this weight: `minDuration` counts from here."""
    looks: int = 0
    """Looks that entered the evidence of this step."""
    interval_seconds: float | None = None
    """How long each of them lasts: looks of another length are no part of the same evidence."""
    shortage: Shortage | None = None
    """The pods that the next move waits for, if it does."""


class Pair(_Part):
    """One number per version."""

    stable: str | None = None
    """Of the stable version."""
    canary: str | None = None
    """Of the canary."""


class LabelCounts(_Part):
    """Labels that entered the evidence of this step."""

    stable: int = 0
    """Of the stable version."""
    canary: int = 0
    """Of the canary."""


class Delta(_Part):
    """Canary loss minus stable loss, with bounds that hold at every look."""

    estimate: str | None = None
    """The best estimate; positive is worse. In per cent of the stable loss, or in loss units."""
    lower: str | None = None
    """Lower bound, valid at every look."""
    upper: str | None = None
    """Upper bound, valid at every look."""


class Hold(_Part):
    """Why no evidence comes in, and since when."""

    reason: Reason
    """Why, in one word."""
    since: Time
    """Since when."""
    message: str
    """Why, and what to do about it."""


class BaselineStatus(_Part):
    """The stable version's loss before the rollout, frozen for all of it."""

    mean: float
    """Mean loss."""
    variance: float
    """Variance of the loss of one label."""
    labels: float
    """Labels that both were computed from."""
    source: str
    """Fingerprint of where the loss was read: another source needs another baseline."""


class Counts(_Part):
    """What the source's own counts of labels stood at, over all pods of each version."""

    stable: float | None = None
    """Of the stable version."""
    canary: float | None = None
    """Of the canary."""


class Analysis(_Part):
    """The evidence of the step so far."""

    verdict: str = "Continue"
    """Continue, Harm, NonInferior, Hold or Inconclusive."""
    labels: LabelCounts = LabelCounts()
    """Labels that entered the evidence of this step."""
    mean_loss: Pair = Pair()
    """Mean loss of each version in this step."""
    delta: Delta = Delta()
    """Canary loss minus stable loss."""
    harm: str | None = None
    """Evidence for harm, as share of what a rollback needs."""
    safety: str | None = None
    """Evidence that the canary is no worse than the margin, as share of what leaving the step needs."""
    hold: Hold | None = None
    """Why no evidence comes in now; absent while it does."""
    last_counts: Counts | None = None
    """Where the last look ended; a source that has less there later has lost data, or another one answers."""
    expected_verdict: str | None = None
    """When a verdict may be expected, in words."""
    non_finite_looks: int = 0
    """Looks in a row whose canary loss was not a finite number while labels arrived."""
    state: str | None = None
    """The state of the tests, packed: the operator goes on from it after a restart."""
    pause_state: str | None = None
    """The state of the tests on looks taken in an inconclusive pause: they can show harm, and end with the pause."""


class RetiredRevision(_Part):
    """An earlier revision whose Deployment may be kept."""

    revision: str
    """Name of its Deployment."""
    model_version: str
    """Its model version."""
    last_used: Time
    """When it last served, or was judged."""


class Contest(_Part):
    """Changes that somebody else made to the size of a Deployment."""

    revision: str
    """The Deployment."""
    since: Time
    """When the first of them was seen."""
    times: int
    """How many there were."""
    ours: int
    """Pods that it must have."""
    theirs: int
    """Pods that it was last given."""


class RouteStatus(_Part):
    """Whether the route's weights are as decided, and how often somebody else set them otherwise."""

    uid: str = ""
    """Of the route that was seen last with the weights that were decided."""
    generation: int = 0
    """Of that route: another one means that it was edited."""
    weight: int = 0
    """The canary's share that was seen in it, in per cent."""
    since: Time | None = None
    """Since when the weights are as decided; absent while they are not."""
    reverts: tuple[Time, ...] = ()
    """When somebody else set the weights otherwise: the last times within ten minutes."""
    contested: Time | None = None
    """Since when weights are not written back any more, except towards less for the canary."""
    written: Time | None = None
    """When the canary's share was last taken back while contested."""


class HistoryEntry(_Part):
    """One rollout that ended, in a few numbers."""

    revision: str
    """The revision that was judged."""
    model_version: str
    """Its model version."""
    result: str
    """How the rollout ended."""
    reason: Reason
    """Why it ended so."""
    started: Time
    """When it began."""
    ended: Time
    """When it ended."""
    step: int = 0
    """Position of its last step in `spec.steps`, from 0."""
    looks: int = 0
    """Looks of its last step."""
    labels: LabelCounts = LabelCounts()
    """Labels of its last step."""
    mean_loss: Pair = Pair()
    """Mean loss of each version in its last step."""
    delta: Delta = Delta()
    """Canary loss minus stable loss in its last step."""


class LastCommand(_Part):
    """The command that was acted on last."""

    text: str
    """The annotation `lossgate.io/command` as it was read: the same text is never acted on again."""
    time: Time
    """When it was acted on."""
    outcome: Outcome
    """Obeyed or Refused."""
    message: str
    """What was done, or why nothing was."""


class GuardrailStatus(_Part):
    """A guardrail in the step that is being judged, or that was last."""

    name: str
    """Its name in `spec.guardrails`."""
    result: str = "Pending"
    """Passed, Failed or Unknown at the last evaluation; Pending before the first one of a step."""
    value: str | None = None
    """The canary's value at the last evaluation that gave one."""
    stable_value: str | None = None
    """The stable version's value beside it, where a ratio is limited."""
    failures: int = 0
    """Evaluations in a row outside of the limits; one that could not be measured neither adds to them nor ends the
    row."""
    since: Time | None = None
    """Since which evaluation the result has been what it is."""
    evaluated: Time | None = None
    """The moment that the last evaluation was about: it is not counted again."""
    unreadable_since: Time | None = None
    """Since when the source could not be read; `gate.holdTimeout` counts from here."""
    reason: Reason | None = None
    """Why the result is Unknown."""
    message: str | None = None
    """The last evaluation in words: numbers, limit, query and time."""
    test: str = ""
    """Fingerprint of query and limits: failures of others do not count."""


class Condition(_Part):
    """A `metav1.Condition`."""

    type: ConditionType
    """Ready, Promoted, Measured, Stalled or Reconciling."""
    status: str
    """True, False or Unknown."""
    observed_generation: int = 0
    """The generation of the spec that this was said of."""
    last_transition_time: ConditionTime
    """When the status of the condition last changed."""
    reason: Reason
    """Why, in one word."""
    message: str
    """Why, in numbers and words."""


class UntoldEvent(_Part):
    """An event that goes with the status."""

    name: str
    """Name of the Event."""
    time: Time
    """When it happened."""
    reason: str
    """What happened, in one word."""
    message: str
    """What happened, in numbers and words."""
    warning: bool = False
    """Whether a person may have to act."""


class RolloutStatus(_Part):
    """What was seen and decided. The operator goes on from it after a restart."""

    observed_generation: int = -1
    """The generation of the spec that was acted on last; -1 before the first."""
    phase: Phase = Phase.INITIALIZING
    """Initializing, Healthy, Progressing, Promoting, RollingBack, RolledBack or Paused. For people: programs
    read the conditions."""
    replicas: int = 0
    """Pods of both versions, for autoscalers."""
    selector: str = ""
    """Label selector of the pods of both versions, for autoscalers."""
    stable: Version | None = None
    """The version that serves."""
    canary: Version | None = None
    """The version that is being judged, or was last."""
    started: Time | None = None
    """When the rollout in flight, or the last one, began."""
    since: Time | None = None
    """When the phase began."""
    started_replicas: int | None = None
    """Pods asked for when the rollout in flight, or the last one, began: a promotion brings at least as many."""
    retired: tuple[RetiredRevision, ...] = ()
    """Revisions out of use, the one used last first."""
    contest: Contest | None = None
    """Changes that somebody else made to the size of a Deployment, within the last minutes."""
    previous: Version | None = None
    """The version replaced by the last promotion."""
    scale_down_at: Time | None = None
    """When the previous version's pods go; None once they went."""
    rolled_back: str | None = None
    """The revision that was rolled back and is not tried again."""
    pause: Hold | None = None
    """Why the rollout is paused, and since when."""
    paused_test: str | None = None
    """Fingerprint of gate and steps when the rollout was paused as inconclusive: a change of them resumes it."""
    settled: Time | None = None
    """Since when the route, or the Service's endpoints, are as the phase wants them: drain delays count from here."""
    route: RouteStatus | None = None
    """Whether the route's weights are as decided, and how often somebody else set them otherwise."""
    baseline: BaselineStatus | None = None
    """The stable version's loss before the rollout."""
    step: StepStatus | None = None
    """The traffic step that is being judged."""
    analysis: Analysis | None = None
    """The evidence of the step so far."""
    last_command: LastCommand | None = None
    """The command that was acted on last, and what became of it."""
    paused_by: str | None = None
    """The command that paused the rollout: `resume` ends the pause, whatever `spec.paused` says."""
    promote_requested: Hold | None = None
    """A person's order to promote the canary without the proof, with the numbers of that moment; it stands until it
    is carried out or harm is found."""
    skipped: str | None = None
    """The revision that comes in, or came in last, without analysis, as the annotation `lossgate.io/skip-analysis`
    asks."""
    returning: Hold | None = None
    """A person's order to go back to the version before the last promotion, while it is carried out."""
    guardrails: tuple[GuardrailStatus, ...] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """The guardrails in the step that is being judged."""
    taken_over: str | None = None
    """The term of leadership that took this object over from an operator that did not end in good order: what that one
    still writes has no effect."""
    untold: tuple[UntoldEvent, ...] = ()
    """The events that were told with the last change of the status, for the case that nobody did."""
    history: tuple[HistoryEntry, ...] = ()
    """The last rollouts that ended, newest last."""
    conditions: tuple[Condition, ...] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """What is true of the rollout now."""

    def condition(self, type_: ConditionType) -> Condition | None:
        """Return the condition of a type, or None while it has not been said."""
        return next((condition for condition in self.conditions if condition.type == type_), None)

    def to_manifest(self) -> dict[str, Any]:
        """Return the status as the API stores it."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
