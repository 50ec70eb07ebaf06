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
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    """There is no room for the pods that the canary needs to go on: it keeps the weight it has, evidence is gathered
    on, and it goes on by itself when the pods are ready. Add nodes or quota, or lower `spec.replicas`."""


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
