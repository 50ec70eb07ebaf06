"""Making the canary the stable version without restarting a pod of it or losing a request."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout import readiness, rollback, routes, skip
from lossgate.rollout.draft import Draft


def start(draft: Draft, message: str, reason: Reason = Reason.ANALYSING) -> None:
    """Decide to promote: the canary grows to full size first."""
    draft.enter(Phase.PROMOTING)
    draft.tell(EventReason.PROMOTING, message, warning=reason is Reason.REQUESTED)
    draft.condition(ConditionType.PROMOTED, None, reason, f"Promoting. {message}")


def hands_over(draft: Draft) -> bool:
    """Return whether everything is on its way to the version in the canary's place, forwards or back."""
    return draft.status.phase is Phase.PROMOTING or draft.status.returning is not None


def full_size(draft: Draft) -> int:
    """Return the pods that must be ready before everything is sent to the new version.

    An autoscaler may shrink the old version while requests are taken from it: what the rollout began with counts too.
    """
    stable = draft.snapshot.deployment(draft.stable.revision)
    return max(draft.snapshot.replicas, draft.status.started_replicas or 0, stable.replicas if stable else 0, 1)


def is_committed(draft: Draft) -> bool:
    """Return whether everything is routed to the new version already: what is not ready there is missed at once."""
    return draft.canary.weight == 100


def is_lost(draft: Draft) -> bool:
    """Return whether everything is routed to a version without a ready pod while the other one has some."""
    return is_committed(draft) and draft.snapshot.ready(draft.canary.revision) == 0 and may_go_back(draft)


def may_go_back(draft: Draft) -> bool:
    """Return whether the old version can take everything back: it keeps its pods until the new one is promoted."""
    return draft.snapshot.ready(draft.stable.revision) > 0


def proceed(draft: Draft) -> None:
    """Advance the promotion by what is seen now."""
    if hand_over(draft):
        _finish(draft)


def hand_over(draft: Draft) -> bool:
    """Advance by what is seen now: pods, then weight, then the Service, then the name; return whether all is done."""
    if not is_committed(draft):
        _send_everything(draft, full_size(draft))
        return False
    service = draft.snapshot.stable_service
    handed_over = (
        rollback.routed(draft, canary_weight=100) and service is not None and service.only(draft.canary.revision, 1)
    )
    if not handed_over:
        draft.set(settled=None)
    elif draft.status.settled is None:
        draft.set(settled=draft.now)
    else:
        return draft.now >= draft.status.settled + rollback.DRAIN_SECONDS
    return False


def _send_everything(draft: Draft, size: int) -> None:
    forwards = draft.status.returning is None
    if not readiness.has_pods(draft, size):
        if forwards:
            readiness.await_pods(draft, size, f"{draft.canary.model_version} may be promoted;")
        return
    if not routes.is_trusted(draft):
        return
    ready, version = draft.snapshot.ready(draft.canary.revision), draft.canary.model_version
    if forwards:
        readiness.end_shortage(draft)
        reason, _ = _grounds(draft)
        unfinished = Reason.ANALYSING if reason is Reason.PROMOTED else reason
        draft.condition(ConditionType.PROMOTED, None, unfinished, f"Promoting {version}: {ready} pods are ready.")
    draft.tell(
        EventReason.WEIGHT_CHANGED,
        f"Weight {draft.canary.weight}% -> 100% for {version}: {ready} pods are ready.",
    )
    draft.weigh(100)


def _finish(draft: Draft) -> None:
    reason, why = _grounds(draft)
    rollback.record(draft, "Promoted", reason)
    message = f"{draft.canary.model_version} replaced {draft.stable.model_version}{why}"
    draft.enter(Phase.HEALTHY)
    swap(draft)
    draft.set(canary=None, step=None, pause=None, promote_requested=None, skipped=None)
    draft.condition(ConditionType.PROMOTED, True, reason, message)
    draft.tell(EventReason.PROMOTED, message)


def swap(draft: Draft) -> None:
    """Make the version in the canary's place the stable one; the old one stays ready for a while."""
    old, new = draft.stable, draft.canary
    draft.set(
        stable=new.model_copy(update={"weight": 100}),
        previous=old.model_copy(update={"weight": 0}),
        scale_down_at=draft.now + draft.snapshot.spec.scale_down_delay_seconds,
    )


def _grounds(draft: Draft) -> tuple[Reason, str]:
    """Return why the canary was promoted, in one word and in many."""
    order = draft.status.promote_requested
    if order is not None:
        return Reason.REQUESTED, f" by order of a person, without the proof; when it was given: {order.message}."
    if skip.is_on(draft):
        return Reason.ANALYSIS_SKIPPED, " without analysis: its pods were ready in every step."
    return Reason.PROMOTED, f": {_evidence_line(draft)}"


def _evidence_line(draft: Draft) -> str:
    analysis = draft.analysis
    return (
        f"loss {analysis.mean_loss.canary} against {analysis.mean_loss.stable}, delta {analysis.delta.estimate} "
        f"[{analysis.delta.lower}, {analysis.delta.upper}], {analysis.labels.canary} canary labels in the last step."
    )
