"""Every phase, condition, reason and event that a ModelRollout can show, each defined once."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a rollout stands; for people and printer columns, nothing may parse it."""

    INITIALIZING = "Initializing"
    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    PAUSED = "Paused"


class ConditionType(StrEnum):
    """The conditions of a ModelRollout, all positive."""

    READY = "Ready"
    PROMOTED = "Promoted"
    MEASURED = "Measured"
    STALLED = "Stalled"
    RECONCILING = "Reconciling"


class Reason(StrEnum):
    """Reasons of conditions."""

    # Ready, Reconciling
    STABLE_SERVING = "StableServing"
    FIRST_VERSION_STARTING = "FirstVersionStarting"
    STABLE_UNAVAILABLE = "StableUnavailable"
    # Promoted
    PROMOTED = "Promoted"
    ANALYSING = "Analysing"
    HARM = "Harm"
    NON_FINITE_LOSS = "NonFiniteLoss"
    UNMEASURABLE = "Unmeasurable"
    INCONCLUSIVE = "Inconclusive"
    PROGRESS_DEADLINE = "ProgressDeadline"
    ABORTED = "Aborted"
    REQUESTED = "Requested"
    GUARDRAIL_FAILED = "GuardrailFailed"
    """A guardrail was outside of its limit `failureLimit` times in a row and the canary was rolled back. The message
    has the numbers and the query: run it at that time in Prometheus, mend the version, and try the next one."""
    GUARDRAIL_PENDING = "GuardrailPending"
    """The loss allows the next step, but a guardrail is outside of its limit or cannot be measured. See
    status.guardrails: mend the query or what it reads; if nothing changes, gate.maxDuration ends the step."""
    # Measured
    LOOKING = "Looking"
    NO_TRAFFIC = "NoTraffic"
    NO_LABELS = "NoLabels"
    NO_BASELINE = "NoBaseline"
    METRICS_UNREACHABLE = "MetricsUnreachable"
    PARTIAL_DATA = "PartialData"
    STALE_SAMPLES = "StaleSamples"
    AMBIGUOUS_SERIES = "AmbiguousSeries"
    COUNTERS_WENT_BACK = "CountersWentBack"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    # Stalled
    INVALID_SPEC = "InvalidSpec"
    TEMPLATE_INVALID = "TemplateInvalid"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    BACKEND_CONFLICT = "BackendConflict"
    PROMETHEUS_NOT_ALLOWED = "PrometheusNotAllowed"


class EventReason(StrEnum):
    """Reasons of events, one per transition."""

    FIRST_VERSION_SERVES = "FirstVersionServes"
    ROLLOUT_STARTED = "RolloutStarted"
    BASELINE_TAKEN = "BaselineTaken"
    CANNOT_CONCLUDE = "CannotConclude"
    EVIDENCE_RESTARTED = "EvidenceRestarted"
    WEIGHT_CHANGED = "WeightChanged"
    STEP_PASSED = "StepPassed"
    HARM_FOUND = "HarmFound"
    NOT_MEASURED = "NotMeasured"
    MEASURED_AGAIN = "MeasuredAgain"
    INCONCLUSIVE = "Inconclusive"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    PROMOTING = "Promoting"
    PROMOTED = "Promoted"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    CANARY_REPLACED = "CanaryReplaced"
    STALLED = "Stalled"
    STABLE_UNAVAILABLE = "StableUnavailable"
    SCALED_DOWN = "ScaledDown"
    GUARDRAIL_FAILING = "GuardrailFailing"
    """A guardrail is outside of its limit, not often enough yet to roll back. Look at what it measures."""
    GUARDRAIL_PASSING = "GuardrailPassing"
    """A guardrail that was outside of its limit is within it again. Nothing has to be done."""


UNREADABLE = frozenset(
    {
        Reason.METRICS_UNREACHABLE,
        Reason.PARTIAL_DATA,
        Reason.STALE_SAMPLES,
        Reason.AMBIGUOUS_SERIES,
        Reason.COUNTERS_WENT_BACK,
    }
)
"""Why a source cannot be read, rather than has nothing to say: `gate.holdTimeout` counts for these alone."""
