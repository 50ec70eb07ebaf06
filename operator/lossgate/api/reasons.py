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
    """A person asked for it: a pause, or a promotion without the proof. Nothing to do; a pause ends with `resume`, or
    with `spec.paused: false`."""
    ANALYSIS_SKIPPED = "AnalysisSkipped"
    """The annotation lossgate.io/skip-analysis names this revision: it came, or comes, in on ready pods alone. Remove
    the annotation to have it judged."""
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
    ROUTE_NOT_FOUND = "RouteNotFound"
    """The requests cannot be split: the HTTPRoute, its rule or one of the two backendRefs is missing, or a gateway or
    the API server refuses the route. Nothing is judged meanwhile. Mend what the message names."""
    ROUTE_CONTESTED = "RouteContested"
    """Somebody else set the weights of the route otherwise more than three times within ten minutes, and the operator
    stopped writing them back, except towards less for the canary. Make the tool that the message names leave the
    weights alone (with Argo CD: ignoreDifferences and RespectIgnoreDifferences=true)."""
    BACKEND_CONFLICT = "BackendConflict"
    """An object of that name belongs to somebody else, or it is not clear which weights of a route are this
    rollout's. Nothing of others is touched. Rename, remove, or name the rule as the message says."""
    PROMETHEUS_NOT_ALLOWED = "PrometheusNotAllowed"


class EventReason(StrEnum):
    """Reasons of events, one per transition."""

    FIRST_VERSION_SERVES = "FirstVersionServes"
    ROLLOUT_STARTED = "RolloutStarted"
    BASELINE_TAKEN = "BaselineTaken"
    CANNOT_CONCLUDE = "CannotConclude"
    EVIDENCE_RESTARTED = "EvidenceRestarted"
    WEIGHT_CHANGED = "WeightChanged"
    WEIGHT_RESTORED = "WeightRestored"
    """Somebody else set the weights of the route otherwise; they are written back. Seen more than once, keep that tool
    from writing weights: after more than three times in ten minutes the rollout stalls with RouteContested."""
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
    COMMAND_OBEYED = "CommandObeyed"
    """A command in the annotation lossgate.io/command was carried out. Nothing to do."""
    COMMAND_REFUSED = "CommandRefused"
    """A command did nothing; the message says why. Give it again as the message says, if it is still wanted."""
    ANALYSIS_SKIPPED = "AnalysisSkipped"
    """The annotation lossgate.io/skip-analysis names the canary: its loss is not looked at. Remove the annotation if
    the change is a new model after all."""
    ANALYSIS_RESUMED = "AnalysisResumed"
    """The annotation lossgate.io/skip-analysis does not name the canary any more: it is judged, from the first step.
    Nothing to do."""
    GOING_BACK = "GoingBack"
    """A person asked for the version before the last promotion. Watch its pods become ready; `abort` calls it off."""
    RETURN_GIVEN_UP = "ReturnGivenUp"
    """The way back to the previous version was given up before any request was sent there; the present one goes on
    serving. See why its pods are not ready, then give the command again."""


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
