"""Going back: weight 0 first, everything else later."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.status import HistoryEntry
from lossgate.rollout.draft import Draft

DRAIN_SECONDS = 5.0
"""How long pods go on serving after the last request can have been sent to them."""
HISTORY_LENGTH = 10


def start(draft: Draft, reason: Reason, message: str) -> None:
    """Decide to take the canary back; final for its revision unless the spec does not ask for it any more."""
    draft.enter(Phase.ROLLING_BACK)
    draft.weigh(0)
    is_asked_for = draft.snapshot.target == draft.canary.revision
    draft.set(
        rolled_back=draft.canary.revision if is_asked_for else None,
        pause=None,
        paused_by=None,
        promote_requested=None,
        skipped=None,
    )
    draft.condition(ConditionType.PROMOTED, False, reason, message)
    record(draft, "RolledBack", reason)
    told = f"{draft.canary.model_version}: weight to 0 ({reason})."
    if reason in (Reason.HARM, Reason.NON_FINITE_LOSS):
        draft.tell(EventReason.HARM_FOUND, message, warning=True)
    else:
        told = f"{told} {message}"
    draft.tell(EventReason.ROLLING_BACK, told, warning=reason is not Reason.ABORTED)


def proceed(draft: Draft) -> None:
    """Wait until no request can reach the canary any more, then end the rollout."""
    if not routed(draft, canary_weight=0) or _is_behind_name(draft):
        draft.set(settled=None)
        return
    if draft.status.settled is None:
        draft.set(settled=draft.now)
        return
    if draft.now < draft.status.settled + DRAIN_SECONDS:
        return
    back_by_user = draft.status.rolled_back is None
    version = draft.canary.model_version
    draft.tell(
        EventReason.ROLLED_BACK,
        f"{version} is out; {draft.stable.model_version} serves everything.",
        warning=not back_by_user,
    )
    draft.enter(Phase.HEALTHY if back_by_user else Phase.ROLLED_BACK)
    if back_by_user:
        draft.set(canary=None, step=None)


def _is_behind_name(draft: Draft) -> bool:
    """Return whether the rollout's own Service still leads to the canary: a promotion that was taken back moved it."""
    service, stable = draft.snapshot.stable_service, draft.stable.revision
    if service is None:
        return False
    is_listed = stable in service.ready or draft.snapshot.replicas == 0
    return service.revision == draft.canary.revision or bool(service.ready.keys() - {stable}) or not is_listed


def routed(draft: Draft, canary_weight: int) -> bool:
    """Return whether a gateway has accepted the route with just this split."""
    route = draft.snapshot.route
    return (
        route is not None
        and route.accepted
        and route.as_specified
        and (route.stable_weight, route.canary_weight) == (100 - canary_weight, canary_weight)
    )


def record(draft: Draft, result: str, reason: Reason) -> None:
    """Add the rollout that ends to the history."""
    analysis, step = draft.analysis, draft.status.step
    entry = HistoryEntry(
        revision=draft.canary.revision,
        model_version=draft.canary.model_version,
        result=result,
        reason=reason,
        started=draft.status.started or draft.now,
        ended=draft.now,
        step=step.index if step else 0,
        looks=step.looks if step else 0,
        labels=analysis.labels,
        mean_loss=analysis.mean_loss,
        delta=analysis.delta,
    )
    remember(draft, entry)


def remember(draft: Draft, entry: HistoryEntry) -> None:
    """Add an entry to the history, which keeps the last ones."""
    draft.set(history=(*draft.status.history, entry)[-HISTORY_LENGTH:])
