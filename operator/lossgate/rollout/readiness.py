"""What a move upwards waits for, beside the verdict: the time of the step, and pods that are ready."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Reason
from lossgate.api.status import Shortage
from lossgate.rollout.draft import Draft


def is_long_enough(draft: Draft) -> bool:
    """Return whether the step has been at its weight for as long as it must be."""
    shortest = draft.snapshot.spec.steps[draft.step.index].min_duration_seconds
    began = draft.step.in_force
    return not shortest or (began is not None and draft.now >= began + shortest)


def has_served(draft: Draft) -> bool:
    """Return whether the canary has had a share of the requests in this rollout."""
    return draft.step.index > 0 or draft.step.in_force is not None or draft.canary.weight > 0


def pods_for(draft: Draft, weight_percent: int) -> int:
    """Return the pods of the canary that must be ready before it gets a share."""
    return draft.snapshot.spec.canary.replicas_at(weight_percent, draft.snapshot.replicas)


def ready_pods(draft: Draft) -> int:
    """Return the canary's pods that are ready and listed behind its Service, where it has one."""
    ready, service = draft.snapshot.ready(draft.canary.revision), draft.snapshot.canary_service
    if service is None or service.revision != draft.canary.revision:
        return ready
    return min(ready, sum(service.ready.values()))


def has_pods(draft: Draft, needed: int) -> bool:
    """Return whether requests can be sent to so many pods of the canary."""
    service = draft.snapshot.canary_service
    return (
        draft.snapshot.ready(draft.canary.revision) >= needed
        and service is not None
        and service.only(draft.canary.revision, needed)
    )


def refusal(draft: Draft) -> str:
    """Return why no pods can be made, in the cluster's words; empty if they can be, as far as is known."""
    deployment, obstacle = draft.snapshot.deployment(draft.canary.revision), draft.snapshot.obstacle
    if deployment is not None:
        return deployment.failure
    return obstacle.message if obstacle else ""


def why_missing(draft: Draft) -> str:
    """Return what the cluster says of missing pods, to be added to a message; empty if it says nothing."""
    deployment = draft.snapshot.deployment(draft.canary.revision)
    said = refusal(draft) or (deployment.message if deployment and deployment.deadline_exceeded else "")
    return f": {said}" if said else ""


def await_pods(draft: Draft, needed: int, purpose: str) -> None:
    """Say that the rollout waits for pods; a Warning once it is clear that they do not just start."""
    deadline = draft.snapshot.spec.progress_deadline_seconds
    shortage = draft.step.shortage or Shortage(since=draft.now)
    counts = f"{ready_pods(draft)}/{needed} pods of {draft.canary.model_version} are ready"
    message = f"{purpose} {counts}{why_missing(draft)}"
    is_clear = bool(refusal(draft)) or draft.now >= shortage.since + deadline
    if is_clear and not shortage.told:
        told = f"{message}. The rollout stays where it is and goes on when there is room for them."
        draft.tell(EventReason.INSUFFICIENT_CAPACITY, told, warning=True)
        shortage = shortage.model_copy(update={"told": True})
    draft.set(step=draft.step.model_copy(update={"shortage": shortage}))
    draft.condition(ConditionType.PROMOTED, None, Reason.INSUFFICIENT_CAPACITY, f"{message}.")


def end_shortage(draft: Draft) -> None:
    """Take note that the pods have come."""
    if draft.step.shortage is not None:
        draft.set(step=draft.step.model_copy(update={"shortage": None}))
