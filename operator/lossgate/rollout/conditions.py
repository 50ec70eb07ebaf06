"""The conditions: what people, Helm, Flux and `kubectl wait` read."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.status import Version
from lossgate.rollout import contest, guardrails, looks, readiness, routes
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import Obstacle

OUTAGE_SECONDS = 60.0
"""A pod that missed a probe comes back by itself; tools that wait, such as Helm, give up as soon as it says Stalled."""


def summarise(draft: Draft) -> None:
    """Set the conditions that follow from the rest of the status and from what is seen."""
    _ready(draft)
    _measured(draft)
    _stalled(draft)
    stamped = {"observed_generation": draft.snapshot.generation}
    draft.set(conditions=tuple(condition.model_copy(update=stamped) for condition in draft.status.conditions))


def _ready(draft: Draft) -> None:
    """Ready means that the stable version serves: a rollout in flight leaves it alone."""
    snapshot, status = draft.snapshot, draft.status
    if status.phase is Phase.INITIALIZING:
        ready = snapshot.ready(status.stable.revision) if status.stable else 0
        message = f"The first version is starting: {ready}/{snapshot.replicas} pods are ready{_route_doubt(draft)}."
        draft.condition(ConditionType.READY, False, Reason.FIRST_VERSION_STARTING, message)
        draft.condition(ConditionType.RECONCILING, True, Reason.FIRST_VERSION_STARTING, message)
        return
    draft.drop_condition(ConditionType.RECONCILING)
    # Once everything is routed to the new version, the old one may go.
    serving = draft.canary if status.canary is not None and status.canary.weight == 100 else draft.stable
    ready = snapshot.ready(serving.revision)
    if ready > 0 or snapshot.replicas == 0:
        message = f"{serving.model_version} serves."
        if snapshot.replicas == 0:
            message = f"{serving.model_version} has no pods, as spec.replicas is 0."
        draft.condition(ConditionType.READY, True, Reason.STABLE_SERVING, message)
        return
    before = status.condition(ConditionType.READY)
    message = _unavailable(draft, serving)
    if before is None or before.status != "False":
        draft.tell(EventReason.STABLE_UNAVAILABLE, message, warning=True)
    draft.condition(ConditionType.READY, False, Reason.STABLE_UNAVAILABLE, message)


def _unavailable(draft: Draft, serving: Version) -> str:
    """Return what happened and which ways out there are, each of which works from here."""
    snapshot, previous, version = draft.snapshot, draft.status.previous, serving.model_version
    message = f"No pod of {version} ({serving.revision}) is ready; weights stay as they are."
    ways = []
    if snapshot.deployment(serving.revision) is None and serving.revision != snapshot.target:
        message += " Its Deployment is gone, and its template is no longer in the spec:"
        ways.append(f"apply {version} again to have it created")
    if draft.status.phase in (Phase.PROGRESSING, Phase.PAUSED) and snapshot.ready(draft.canary.revision) > 0:
        ways.append(f"kubectl lossgate promote has {draft.canary.model_version} take over without the proof")
    if draft.status.phase is Phase.HEALTHY and previous is not None and snapshot.ready(previous.revision) > 0:
        ways.append(f"kubectl lossgate rollback leads back to {previous.model_version}, whose pods are ready")
    return f"{message} {'; '.join(ways)}." if ways else message


def _route_doubt(draft: Draft) -> str:
    """Return why the route is not in force yet, to be added to a message; empty if it is, or is not there."""
    route, fault = draft.snapshot.route, draft.snapshot.route_fault
    if fault is not None:
        return f"; {fault.message.rstrip('.')}"
    return "" if route is None or route.accepted else f"; route {draft.snapshot.name}: {route.message}"


def _measured(draft: Draft) -> None:
    hold = draft.analysis.hold
    if not looks.is_analysing(draft.status):
        draft.drop_condition(ConditionType.MEASURED)
    elif hold is not None:
        draft.condition(ConditionType.MEASURED, False, hold.reason, hold.message)
    elif (unknown := guardrails.unknown(draft)) is not None:
        draft.condition(ConditionType.MEASURED, False, *unknown)
    elif draft.status.baseline is None or draft.step.looks == 0 or draft.step.since is None:
        ready = draft.snapshot.ready(draft.canary.revision)
        pods = "" if ready else f"; no pod of {draft.canary.model_version} is ready"
        needed = readiness.pods_for(draft, draft.step.weight)
        if readiness.refusal(draft) and ready < needed:
            message = f"{ready}/{needed} pods of {draft.canary.model_version} are ready{readiness.why_missing(draft)}"
            draft.condition(ConditionType.MEASURED, False, Reason.INSUFFICIENT_CAPACITY, message)
            return
        message = f"No look is taken in this step yet{pods}{_route_doubt(draft)}."
        draft.condition(ConditionType.MEASURED, None, Reason.LOOKING, message)
    else:
        draft.condition(ConditionType.MEASURED, True, Reason.LOOKING, "Both versions' losses are read.")


def _stalled(draft: Draft) -> None:
    """Stalled means that a person is needed; it goes as soon as the obstacle does.

    Tools that wait take the first of Stalled and Reconciling that they meet, so only one of them is ever said.
    """
    obstacle = draft.snapshot.obstacle or routes.obstacle(draft) or contest.obstacle(draft) or _outage(draft)
    before = draft.status.condition(ConditionType.STALLED)
    if obstacle is None:
        draft.drop_condition(ConditionType.STALLED)
        return
    is_told = obstacle.reason is Reason.STABLE_UNAVAILABLE
    if not is_told and (before is None or before.reason is not obstacle.reason):
        draft.tell(EventReason.STALLED, f"{obstacle.reason}: {obstacle.message}", warning=True)
    draft.drop_condition(ConditionType.RECONCILING)
    draft.condition(ConditionType.STALLED, True, obstacle.reason, obstacle.message)


def _outage(draft: Draft) -> Obstacle | None:
    """What Ready says of a stable version without a pod; its event is told there."""
    ready = draft.status.condition(ConditionType.READY)
    is_out = ready is not None and ready.reason is Reason.STABLE_UNAVAILABLE
    if ready is None or not is_out or draft.now < ready.last_transition_time + OUTAGE_SECONDS:
        return None
    return Obstacle(Reason.STABLE_UNAVAILABLE, ready.message)


def due(draft: Draft) -> float | None:
    """Return when (Unix seconds) time alone makes an outage one that needs a person, or None."""
    ready = draft.status.condition(ConditionType.READY)
    if ready is None or ready.reason is not Reason.STABLE_UNAVAILABLE or _outage(draft) is not None:
        return None
    return ready.last_transition_time + OUTAGE_SECONDS
