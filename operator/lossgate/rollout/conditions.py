"""The conditions: what people, Helm, Flux and `kubectl wait` read."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout import guardrails, looks
from lossgate.rollout.draft import Draft


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
    ready = snapshot.ready(draft.stable.revision)
    if ready > 0 or snapshot.replicas == 0:
        message = f"{draft.stable.model_version} serves."
        draft.condition(ConditionType.READY, True, Reason.STABLE_SERVING, message)
        return
    before = status.condition(ConditionType.READY)
    message = f"No pod of {draft.stable.model_version} ({draft.stable.revision}) is ready; weights stay as they are."
    if before is None or before.status != "False":
        draft.tell(EventReason.STABLE_UNAVAILABLE, message, warning=True)
    draft.condition(ConditionType.READY, False, Reason.STABLE_UNAVAILABLE, message)


def _route_doubt(draft: Draft) -> str:
    """Return why the route is not in force yet, to be added to a message; empty if it is, or is not there."""
    route = draft.snapshot.route
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
        message = f"No look is taken in this step yet{pods}{_route_doubt(draft)}."
        draft.condition(ConditionType.MEASURED, None, Reason.LOOKING, message)
    else:
        draft.condition(ConditionType.MEASURED, True, Reason.LOOKING, "Both versions' losses are read.")


def _stalled(draft: Draft) -> None:
    """Stalled means that a person is needed; it goes as soon as the obstacle does."""
    obstacle = draft.snapshot.obstacle
    before = draft.status.condition(ConditionType.STALLED)
    if obstacle is None:
        draft.drop_condition(ConditionType.STALLED)
        return
    if before is None or before.reason is not obstacle.reason:
        draft.tell(EventReason.STALLED, f"{obstacle.reason}: {obstacle.message}", warning=True)
    draft.condition(ConditionType.STALLED, True, obstacle.reason, obstacle.message)
