"""Making the canary the stable version without restarting a pod of it or losing a request."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout import readiness, rollback
from lossgate.rollout.draft import Draft


def start(draft: Draft, message: str) -> None:
    """Decide to promote: the canary grows to full size first."""
    draft.enter(Phase.PROMOTING)
    draft.tell(EventReason.PROMOTING, message)
    draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, f"Promoting. {message}")


def full_size(draft: Draft) -> int:
    """Return the pods that must be ready before everything is sent to the new version.

    An autoscaler may shrink the old version while requests are taken from it: what the rollout began with counts too.
    """
    stable = draft.snapshot.deployment(draft.stable.revision)
    return max(draft.snapshot.replicas, draft.status.started_replicas or 0, stable.replicas if stable else 0, 1)


def is_committed(draft: Draft) -> bool:
    """Return whether everything is routed to the new version already, so that there is no way but forwards."""
    return draft.canary.weight == 100


def proceed(draft: Draft) -> None:
    """Advance the hand-over by what is seen now: pods, then weight, then the Service, then the name."""
    size = full_size(draft)
    if not is_committed(draft):
        _send_everything(draft, size)
        return
    service = draft.snapshot.stable_service
    handed_over = (
        rollback.routed(draft, canary_weight=100) and service is not None and service.only(draft.canary.revision, 1)
    )
    if not handed_over:
        draft.set(settled=None)
    elif draft.status.settled is None:
        draft.set(settled=draft.now)
    elif draft.now >= draft.status.settled + rollback.DRAIN_SECONDS:
        _finish(draft)


def _send_everything(draft: Draft, size: int) -> None:
    if not readiness.has_pods(draft, size):
        readiness.await_pods(draft, size, f"{draft.canary.model_version} may be promoted;")
        return
    readiness.end_shortage(draft)
    ready, version = draft.snapshot.ready(draft.canary.revision), draft.canary.model_version
    draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, f"Promoting {version}: {ready} pods are ready.")
    draft.tell(
        EventReason.WEIGHT_CHANGED,
        f"Weight {draft.canary.weight}% -> 100% for {version}: {ready} pods are ready.",
    )
    draft.weigh(100)


def _finish(draft: Draft) -> None:
    rollback.record(draft, "Promoted", Reason.PROMOTED)
    old, new = draft.stable, draft.canary
    message = f"{new.model_version} replaced {old.model_version}: {_evidence_line(draft)}"
    draft.enter(Phase.HEALTHY)
    draft.set(
        stable=new.model_copy(update={"weight": 100}),
        previous=old.model_copy(update={"weight": 0}),
        scale_down_at=draft.now + draft.snapshot.spec.scale_down_delay_seconds,
        canary=None,
        step=None,
        pause=None,
    )
    draft.condition(ConditionType.PROMOTED, True, Reason.PROMOTED, message)
    draft.tell(EventReason.PROMOTED, message)


def _evidence_line(draft: Draft) -> str:
    analysis = draft.analysis
    return (
        f"loss {analysis.mean_loss.canary} against {analysis.mean_loss.stable}, delta {analysis.delta.estimate} "
        f"[{analysis.delta.lower}, {analysis.delta.upper}], {analysis.labels.canary} canary labels in the last step."
    )
