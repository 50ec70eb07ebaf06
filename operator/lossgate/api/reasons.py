"""Every phase, condition, reason and event that a ModelRollout can show, each defined once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    """Where a rollout stands; for people and printer columns, nothing may parse it."""

    INITIALIZING = "Initializing"
    """The first version is starting; nothing serves yet. `Ready` counts its pods."""
    HEALTHY = "Healthy"
    """The version that the spec asks for serves everything."""
    PROGRESSING = "Progressing"
    """A new version is being judged, step by step, while the old one serves the rest."""
    PROMOTING = "Promoting"
    """The new version passed all steps and takes over: pods first, then all requests, then the Service."""
    ROLLING_BACK = "RollingBack"
    """The new version lost its share of the requests; the last of them are being answered."""
    ROLLED_BACK = "RolledBack"
    """The new version is out and the old one serves everything. `Promoted` says why. Change the template or the
    version to try again."""
    PAUSED = "Paused"
    """The rollout waits, on request or because a step gave no verdict. `status.pause` says which, and what goes on."""


class ConditionType(StrEnum):
    """The conditions of a ModelRollout, all positive."""

    READY = "Ready"
    """The stable version serves. A rollout in flight leaves it True: what waits for it does not wait for a verdict."""
    PROMOTED = "Promoted"
    """The version that the spec asks for serves. Unknown while it is judged, False once it was rolled back."""
    MEASURED = "Measured"
    """Evidence comes in. Shown only while both versions get traffic, or will; Unknown before a step's first look."""
    STALLED = "Stalled"
    """A person is needed: the API server refused a change, or the spec asks for what cannot be. The stable version
    goes on serving. Gone as soon as the obstacle is."""
    RECONCILING = "Reconciling"
    """The first version does not serve yet. Never shown again after it does, and never together with `Stalled`."""


class Reason(StrEnum):
    """Reasons of conditions; `REASONS` says which condition has which."""

    STABLE_SERVING = "StableServing"
    """At least one pod of the stable version is ready, or none was asked for. Nothing to do."""
    FIRST_VERSION_STARTING = "FirstVersionStarting"
    """The pods of the first version are not ready, or no gateway has accepted the route. If it lasts, look at the
    pods, and at the route that the message names."""
    STABLE_UNAVAILABLE = "StableUnavailable"
    """No pod of the stable version is ready; weights stay as they are. `Stalled` as well once it has lasted a minute.
    Look at its pods and nodes first; the message names the ways out."""
    PROMOTED = "Promoted"
    """The version was shown not to be worse than the margin, or is the first, or the spec went back to it."""
    ANALYSING = "Analysing"
    """The version is being judged; the message and `status.analysis` say how far it is. Nothing to do."""
    HARM = "Harm"
    """The loss was shown to be worse than the margin. Mend the model: the revision is not tried again until its
    template or version changes."""
    NON_FINITE_LOSS = "NonFiniteLoss"
    """The canary's loss was not a finite number for looks in a row. Mend the model or what exports its loss."""
    UNMEASURABLE = "Unmeasurable"
    """Losses could not be read for `gate.holdTimeout`, or no baseline came within `gate.maxDuration`. Mend the
    source that the message names, then change the template or the version to try again."""
    INCONCLUSIVE = "Inconclusive"
    """`gate.maxDuration` passed without a verdict. Edit `spec.gate` (a larger margin, more time) or give the steps
    more weight to try again while it is paused; `gate.pauseTimeout` rolls it back."""
    PROGRESS_DEADLINE = "ProgressDeadline"
    """No pod of the canary was ready for `progressDeadlineSeconds`, or its Deployment gave up, or all its pods were
    lost just after everything was routed to it. Look at the canary's pods."""
    ABORTED = "Aborted"
    """The spec went back to the stable version before the verdict. Nothing to do."""
    REQUESTED = "Requested"
    """A person asked for it: a pause, or a promotion without the proof. Nothing to do; a pause ends with `resume`, or
    with `spec.paused: false`."""
    ANALYSIS_SKIPPED = "AnalysisSkipped"
    """The annotation lossgate.io/skip-analysis names this revision: it came, or comes, in on ready pods alone. Remove
    the annotation to have it judged."""
    GUARDRAIL_FAILED = "GuardrailFailed"
    """A guardrail was outside of its limit `failureLimit` times in a row and the canary was rolled back. The message
    has the numbers and the query: run it at that time in Prometheus, mend the version, and try the next one."""
    GUARDRAIL_PENDING = "GuardrailPending"
    """The loss allows the next step, but a guardrail is outside of its limit or cannot be measured. See
    status.guardrails: mend the query or what it reads; if nothing changes, gate.maxDuration ends the step."""

    LOOKING = "Looking"
    """True: the losses of both versions are read. Unknown: the step has not had its first look; the message says what
    it waits for."""
    NO_TRAFFIC = "NoTraffic"
    """A version gets no requests, or none of its series was found. See whether clients use the route, whether pods
    are scraped, and whether `loss.series` and `loss.selector` match. Counts against `gate.maxDuration` only."""
    NO_LABELS = "NoLabels"
    """A version predicts and no label arrives. See what joins labels to predictions; raise `loss.labelDelay` where
    labels are always late. Counts against `gate.maxDuration` only."""
    NO_BASELINE = "NoBaseline"
    """The stable version has fewer than 1000 labels of history, or its loss does not vary; no weight moves before.
    Normal after a first installation; if the number in the message stands still, look for its metrics."""
    METRICS_UNREACHABLE = "MetricsUnreachable"
    """Prometheus does not answer, refuses, redirects, or is none. Weights stay; `gate.holdTimeout` rolls back. The
    message has the URL and what came."""
    PARTIAL_DATA = "PartialData"
    """Prometheus says or shows that its answer is not the whole truth. The look is dropped. See the stores behind
    it, whether it lost data or several replicas answer in turn, and whether all counters come from the same pods."""
    STALE_SAMPLES = "StaleSamples"
    """No sample came lately, or the clocks of Prometheus and operator disagree. See whether the pods are scraped; raise
    `loss.settle` to the scrape interval and 15s; synchronise the clocks of the nodes."""
    AMBIGUOUS_SERIES = "AmbiguousSeries"
    """The series of the two versions cannot be told apart. Relabel them from the pod label `lossgate.io/revision`."""
    COUNTERS_WENT_BACK = "CountersWentBack"
    """Counters fell, or contradict each other, in a way that no restart explains. Export the counters of one batch
    together, from one process each."""
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    """The pods that the next step, or the promotion, needs are not ready, or a quota refuses the canary's Deployment.
    See why they are pending, and make room; no verdict is lost, and it goes on by itself."""
    INVALID_SPEC = "InvalidSpec"
    """The spec asks for what only the running operator can see to be wrong. Change what the message names."""
    TEMPLATE_INVALID = "TemplateInvalid"
    """The API server refused the Deployment made from `spec.template`. Its words are in the message."""
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
    """`loss.prometheus.url` is not on the operator's list. Remove it, or have it added to the chart value
    `prometheus.allowed`."""
    STATUS_DAMAGED = "StatusDamaged"
    """The stored status was edited or cut, and nothing tells any more which version serves. Nothing is changed until
    the Service, or `status.stable.revision`, says it again, as the message tells. In the history: the reason of that
    rollout cannot be read."""


class EventReason(StrEnum):
    """Reasons of events, one per transition."""

    FIRST_VERSION_SERVES = "FirstVersionServes"
    """Once: the first version has its pods and an accepted route."""
    ROLLOUT_STARTED = "RolloutStarted"
    """The template or the version changed; names both versions and the steps."""
    BASELINE_TAKEN = "BaselineTaken"
    """Before any weight moves: the stable version's loss, and when a verdict may be expected."""
    CANNOT_CONCLUDE = "CannotConclude"
    """Told with the baseline: `gate.maxDuration` is too short for a verdict. Give more weight, more time or a
    larger margin, as the message says, or expect the step to end inconclusive."""
    EVIDENCE_RESTARTED = "EvidenceRestarted"
    """The step gathers its evidence anew: after an edit of the spec that changes what is asked or read (spec-edits.md
    has each field), or because this version of the operator cannot read the old evidence. Nothing to do."""
    WEIGHT_CHANGED = "WeightChanged"
    """The canary's share of the requests changes. A Warning when it falls to 0 because no pod of it is ready or its
    baseline is gone: look at its pods."""
    WEIGHT_RESTORED = "WeightRestored"
    """Somebody else set the weights of the route otherwise; they are written back. Seen more than once, keep that tool
    from writing weights: after more than three times in ten minutes the rollout stalls with RouteContested."""
    STEP_PASSED = "StepPassed"
    """A step, but not the last, may be left upwards; carries the loss of both versions and the bounds of delta."""
    HARM_FOUND = "HarmFound"
    """The canary is worse than the margin, in numbers. A rollback follows by itself. Mend the model."""
    NOT_MEASURED = "NotMeasured"
    """Evidence stopped coming in; told once per reason. No Warning for `NoBaseline`, which every rollout awaits. See
    the reason under `Measured`."""
    MEASURED_AGAIN = "MeasuredAgain"
    """Evidence comes in again; what was gathered before was kept."""
    INCONCLUSIVE = "Inconclusive"
    """`gate.maxDuration` passed without a verdict; says what `gate.onInconclusive` makes of it."""
    PAUSED = "Paused"
    """The rollout waits. A Warning after an inconclusive step, not on request. The message says how to go on."""
    RESUMED = "Resumed"
    """A paused rollout goes on; says whether with its evidence or with a new risk budget."""
    PROMOTING = "Promoting"
    """The last step is passed, or `gate.onInconclusive` is Promote; carries the evidence."""
    PROMOTED = "Promoted"
    """The new version replaced the old one; carries the evidence of the last step."""
    ROLLING_BACK = "RollingBack"
    """Weight to 0, with the reason. No Warning when the spec went back to the stable version."""
    ROLLED_BACK = "RolledBack"
    """No request reaches the canary any more. No Warning when the spec went back to the stable version. Also told when
    the spec asks for a revision that was rolled back before: it is not tried again."""
    CANARY_REPLACED = "CanaryReplaced"
    """The spec changed again before the verdict; evidence and risk start afresh."""
    STALLED = "Stalled"
    """A person is needed. See the reason under `Stalled`."""
    STABLE_UNAVAILABLE = "StableUnavailable"
    """No pod of the stable version is ready; weights stay. Look at its pods first."""
    SCALED_DOWN = "ScaledDown"
    """`scaleDownDelay` is over, and the replaced version gives up its pods."""
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
    """The way back to the previous version was given up, as no pod of it was ready, or by `abort`; the present one goes
    on serving. See why its pods are not ready, then give the command again."""
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    """There is no room for the pods that the canary needs to go on: it keeps the weight it has, evidence is gathered
    on, and it goes on by itself when the pods are ready. Add nodes or quota, or lower `spec.replicas`."""
    GUARDRAIL_FAILING = "GuardrailFailing"
    """A guardrail is outside of its limit, not often enough yet to roll back. Look at what it measures."""
    GUARDRAIL_PASSING = "GuardrailPassing"
    """A guardrail that was outside of its limit is within it again. Nothing has to be done."""
    STATUS_MENDED = "StatusMended"
    """Parts of the stored status could not be read or contradicted each other, and were put right; the message names
    them. A canary whose evidence was among them is judged anew. Find out who writes to the status: only the operator
    should."""


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

REASONS: Mapping[ConditionType, frozenset[Reason]] = {
    ConditionType.READY: frozenset({Reason.STABLE_SERVING, Reason.FIRST_VERSION_STARTING, Reason.STABLE_UNAVAILABLE}),
    ConditionType.PROMOTED: frozenset(
        {
            Reason.PROMOTED,
            Reason.ANALYSING,
            Reason.HARM,
            Reason.NON_FINITE_LOSS,
            Reason.UNMEASURABLE,
            Reason.INCONCLUSIVE,
            Reason.PROGRESS_DEADLINE,
            Reason.ABORTED,
            Reason.REQUESTED,
            Reason.ANALYSIS_SKIPPED,
            Reason.GUARDRAIL_FAILED,
            Reason.GUARDRAIL_PENDING,
            Reason.INSUFFICIENT_CAPACITY,
            Reason.STATUS_DAMAGED,
        }
    ),
    ConditionType.MEASURED: UNREADABLE
    | {Reason.LOOKING, Reason.NO_TRAFFIC, Reason.NO_LABELS, Reason.NO_BASELINE, Reason.INSUFFICIENT_CAPACITY},
    ConditionType.STALLED: frozenset(
        {
            Reason.INVALID_SPEC,
            Reason.TEMPLATE_INVALID,
            Reason.ROUTE_NOT_FOUND,
            Reason.ROUTE_CONTESTED,
            Reason.BACKEND_CONFLICT,
            Reason.PROMETHEUS_NOT_ALLOWED,
            Reason.STABLE_UNAVAILABLE,
            Reason.INSUFFICIENT_CAPACITY,
            Reason.STATUS_DAMAGED,
        }
    ),
    ConditionType.RECONCILING: frozenset({Reason.FIRST_VERSION_STARTING}),
}
"""The reasons that each condition can have: a decision that says another is refused."""
