"""Going back to the version before the last promotion, by order of a person: at once, and without analysis.

It is a hand-over like that of a promotion, with the previous version in the canary's place: its pods, then all the
weight, then the Service, then the name. So no request is lost, and a version without pods is started first.
"""

from __future__ import annotations

from lossgate.api.quantities import format_duration
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.status import HistoryEntry, Hold
from lossgate.rollout import promotion, rollback
from lossgate.rollout.draft import Draft

DEADLINE_SECONDS = 600.0
"""How long the way back waits for a first ready pod: the default of a Deployment's own progress deadline."""


def start(draft: Draft) -> str:
    """Begin to go back, and return what is done, in words; there is a previous version and its Deployment is there."""
    previous, stable, target = draft.status.previous, draft.stable, draft.snapshot.target
    if previous is None:
        raise AssertionError("there is no version to go back to")
    message = f"Going back from {stable.model_version} to {previous.model_version} ({previous.revision})"
    draft.enter(Phase.ROLLING_BACK)
    draft.set(
        canary=previous,
        step=None,
        returning=Hold(reason=Reason.ABORTED, since=draft.now, message=message),
        rolled_back=None if target == previous.revision else target,
        scale_down_at=None,
    )
    draft.weigh(0)
    draft.tell(EventReason.GOING_BACK, f"{message}, by order of a person and without analysis.", warning=True)
    _describe(draft)
    return message


def proceed(draft: Draft) -> None:
    """Advance the way back by what is seen now."""
    canary = draft.canary
    waited = draft.now - (draft.status.since or draft.now)
    if promotion.is_lost(draft):
        give_up(draft, f"no pod of {canary.model_version} is ready any more")
    elif not promotion.is_committed(draft) and draft.snapshot.deployment(canary.revision) is None:
        give_up(draft, f"the Deployment {canary.revision} is gone")
    elif (
        not promotion.is_committed(draft) and draft.snapshot.ready(canary.revision) == 0 and waited >= DEADLINE_SECONDS
    ):
        give_up(draft, f"no pod of {canary.model_version} has been ready for {format_duration(waited)}")
    elif promotion.hand_over(draft):
        _finish(draft)
    else:
        _describe(draft)


def give_up(draft: Draft, why: str) -> str:
    """Stay with the version that the way back was to leave, and return that in words."""
    stable, rolled_back = draft.stable, draft.status.rolled_back
    message = f"{stable.model_version} goes on serving: {why}."
    draft.enter(Phase.HEALTHY)
    draft.weigh(0)
    draft.set(canary=None, returning=None, rolled_back=None if rolled_back == stable.revision else rolled_back)
    draft.condition(ConditionType.PROMOTED, True, Reason.PROMOTED, message)
    draft.tell(EventReason.RETURN_GIVEN_UP, message, warning=True)
    return message


def _describe(draft: Draft) -> None:
    order, canary = draft.status.returning, draft.canary
    if order is None:
        raise AssertionError("going back without an order")
    ready, size = draft.snapshot.ready(canary.revision), promotion.full_size(draft)
    rest = "everything is routed there" if promotion.is_committed(draft) else f"{ready}/{size} pods are ready"
    draft.condition(ConditionType.PROMOTED, False, order.reason, f"{order.message}: {rest}.")


def _finish(draft: Draft) -> None:
    left, back, order = draft.stable, draft.canary, draft.status.returning
    entry = HistoryEntry(
        revision=left.revision,
        model_version=left.model_version,
        result="RolledBack",
        reason=Reason.ABORTED,
        started=order.since if order else draft.now,
        ended=draft.now,
    )
    rollback.remember(draft, entry)
    promotion.swap(draft)
    draft.enter(Phase.ROLLED_BACK)
    draft.set(canary=left.model_copy(update={"weight": 0}), returning=None)
    message = (
        f"{back.model_version} serves everything again in place of {left.model_version}, by order of a person. "
        f"{left.model_version} is not tried again until the spec changes or it is retried."
    )
    draft.condition(ConditionType.PROMOTED, False, Reason.ABORTED, message)
    draft.tell(EventReason.ROLLED_BACK, message, warning=True)
