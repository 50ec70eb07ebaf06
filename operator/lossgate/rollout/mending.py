"""A stored status that contradicts itself, edited by hand or cut: it is made sound first, so that all may trust it.

What is missing never counts for the canary: without its step, its evidence or its share it is judged anew, from the
first step, and a revision that was rolled back stays out. No verdict follows from damage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lossgate.api.commands import Outcome
from lossgate.api.reasons import REASONS, ConditionType, EventReason, Phase, Reason
from lossgate.api.status import Analysis, LastCommand, RolloutStatus, StepStatus, Version
from lossgate.rollout import history, serving
from lossgate.rollout.draft import Draft
from lossgate.rollout.plausible import SKEW_SECONDS, plausible
from lossgate.rollout.retention import MAX_REMEMBERED
from lossgate.rollout.rollback import HISTORY_LENGTH
from lossgate.rollout.snapshot import Obstacle, Snapshot
from lossgate.stats import unpack

_IN_FLIGHT = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK)
_PAUSES = (Reason.REQUESTED, Reason.INCONCLUSIVE)
_AT_REST: dict[str, Any] = {
    "canary": None,
    "step": None,
    "analysis": None,
    "baseline": None,
    "pause": None,
    "paused_by": None,
    "promote_requested": None,
    "skipped": None,
    "returning": None,
    "settled": None,
    "guardrails": (),
}


def mend(snapshot: Snapshot, now: float) -> Snapshot:
    """Return the snapshot with a status that is sound at `now` (Unix seconds), and with what was mended in it.

    A sound one is returned as it is. Where it cannot be known which version serves, that is an obstacle: nothing is
    changed before a person says which.
    """
    status, mended = plausible(snapshot.status, now, snapshot.spec.scale_down_delay_seconds)
    mended = [*snapshot.mended, *mended]
    for part in (_lists, _reasons, _phase, _stable, _canary, _step, _weights, _baseline, _evidence):
        status, said = part(replace(snapshot, status=status), now)
        mended.extend(said)
    if status.phase is not Phase.INITIALIZING and status.stable is None:
        return replace(snapshot, mended=tuple(mended), obstacle=_unknown(snapshot), is_lost=True)
    return replace(snapshot, status=status, mended=tuple(mended)) if mended else snapshot


def tell(draft: Draft) -> None:
    """Say what was mended, and take a command that may have been carried out already as refused."""
    snapshot = draft.snapshot
    if not snapshot.mended:
        return
    parts = ", ".join(dict.fromkeys(snapshot.mended))
    draft.tell(
        EventReason.STATUS_MENDED,
        f"The stored status could not be trusted in: {parts}. It goes on from the rest, in phase {draft.status.phase}; "
        "nothing that is missing counts for the canary.",
        warning=True,
    )
    if snapshot.command is not None and draft.status.last_command is None:
        message = "whether it was carried out cannot be read any more; give it again if it is meant."
        text, outcome = snapshot.command.text, Outcome.REFUSED
        draft.set(last_command=LastCommand(text=text, time=draft.now, outcome=outcome, message=message))


_Part = tuple[RolloutStatus, tuple[str, ...]]


def _with(status: RolloutStatus, what: str, **changes: Any) -> _Part:
    return status.model_copy(update=changes), (what,)


def _lists(snapshot: Snapshot, _now: float) -> _Part:
    status = snapshot.status
    if len(status.history) > HISTORY_LENGTH or len(status.retired) > MAX_REMEMBERED:
        changes = {"history": status.history[-HISTORY_LENGTH:], "retired": status.retired[:MAX_REMEMBERED]}
        return _with(status, "a list is too long", **changes)
    return status, ()


def _reasons(snapshot: Snapshot, _now: float) -> _Part:
    """Reasons that their place cannot have: what shows them would refuse them."""
    status, measured = snapshot.status, REASONS[ConditionType.MEASURED]
    changes: dict[str, Any] = {}
    if any(entry.reason not in REASONS[ConditionType.PROMOTED] for entry in status.history):
        changes["history"] = tuple(
            entry
            if entry.reason in REASONS[ConditionType.PROMOTED]
            else entry.model_copy(update={"reason": Reason.STATUS_DAMAGED})
            for entry in status.history
        )
    if status.pause is not None and status.pause.reason not in _PAUSES:
        changes["pause"] = None
    if status.returning is not None and status.returning.reason not in REASONS[ConditionType.PROMOTED]:
        changes["returning"] = status.returning.model_copy(update={"reason": Reason.ABORTED})
    if status.analysis is not None and status.analysis.hold and status.analysis.hold.reason not in measured:
        changes["analysis"] = status.analysis.model_copy(update={"hold": None})
    if any(one.reason is not None and one.reason not in measured for one in status.guardrails):
        changes["guardrails"] = tuple(one for one in status.guardrails if one.reason is None or one.reason in measured)
    if not changes:
        return status, ()
    return _with(status, f"a reason that does not belong there ({', '.join(changes)})", **changes)


def _phase(snapshot: Snapshot, _now: float) -> _Part:
    """Only at the very first is it Initializing: taken for that later, the next version would serve untested."""
    status = snapshot.status
    if status.phase is not Phase.INITIALIZING or not _has_lived(snapshot):
        return status, ()
    phase = Phase.HEALTHY
    if status.canary is not None and history.was_rolled_back(status, status.canary.revision):
        phase = Phase.ROLLING_BACK
    elif status.canary is not None:
        phase = Phase.PAUSED if status.pause is not None else Phase.PROGRESSING
    return _with(status, "phase", phase=phase, returning=None)


def _has_lived(snapshot: Snapshot) -> bool:
    """Return whether a version has served before, by what else the status says, or by the Service if it says nothing.

    The operator writes the stable version to the status before it makes its Service: a Service without it means that
    the status was lost.
    """
    status = snapshot.status
    ready = status.condition(ConditionType.READY)
    has_served = ready is not None and ready.reason is not Reason.FIRST_VERSION_STARTING
    traces = (status.canary, status.previous, status.baseline, status.rolled_back, status.history)
    is_unread = "phase" in snapshot.mended or "all of it" in snapshot.mended
    is_lost = status.stable is None and snapshot.stable_service is not None
    return has_served or is_unread or is_lost or any(traces)


def _stable(snapshot: Snapshot, _now: float) -> _Part:
    status = snapshot.status
    if status.phase is Phase.INITIALIZING or (status.stable is not None and status.stable.revision):
        return status, ()
    known = serving.version(snapshot)
    if known is None:
        return status.model_copy(update={"stable": None}), ()
    return _with(status, "stable", stable=known, phase=Phase.HEALTHY, **_AT_REST)


def _canary(snapshot: Snapshot, _now: float) -> _Part:
    status = snapshot.status
    if status.stable is None or status.phase not in _IN_FLIGHT:
        return status, ()
    if status.canary is None or status.canary.revision in ("", status.stable.revision):
        return _with(status, "canary", phase=Phase.HEALTHY, **_AT_REST)
    return status, ()


def _step(snapshot: Snapshot, now: float) -> _Part:
    """A canary whose step is not known is judged from the first one; one that takes everything already goes on."""
    status, steps = snapshot.status, snapshot.spec.steps
    if status.canary is None or status.phase not in (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING):
        return status, ()
    is_committed = status.phase is Phase.PROMOTING and status.canary.weight == 100
    if status.step is not None or is_committed:
        return status, ()
    return _afresh(status, "step", steps[0].weight, now)


def _afresh(status: RolloutStatus, what: str, weight: int, now: float) -> _Part:
    phase = Phase.PROGRESSING if status.phase is Phase.PROMOTING else status.phase
    step = StepStatus(index=0, weight=weight, began=now)
    return _with(status, what, phase=phase, step=step, analysis=Analysis(), guardrails=(), promote_requested=None)


def _weights(snapshot: Snapshot, _now: float) -> _Part:
    """A share that cannot be is 0, and so is that of a canary that is being taken back."""
    status = snapshot.status
    stable, canary = status.stable, status.canary
    if stable is None or status.phase is Phase.INITIALIZING:
        return status, ()
    share = canary.weight if canary is not None and status.phase in _IN_FLIGHT else 0
    if status.phase is Phase.ROLLING_BACK and status.returning is None:
        share = 0
    expected = (100 - share, share)
    if (stable.weight, canary.weight if canary is not None else 0) == expected:
        return status, ()
    weighed: Version | None = canary.model_copy(update={"weight": share}) if canary is not None else None
    changes = {"stable": stable.model_copy(update={"weight": 100 - share}), "canary": weighed, "settled": None}
    return _with(status, "weight", **changes)


def _baseline(snapshot: Snapshot, now: float) -> _Part:
    status = snapshot.status
    known = status.baseline
    if known is None or (known.mean > 0 and known.variance > 0 and known.labels >= 2):
        return status, ()
    if status.step is None or status.phase not in _IN_FLIGHT:
        return _with(status, "baseline", baseline=None)
    again, what = _afresh(status, "baseline", snapshot.spec.steps[0].weight, now)
    return again.model_copy(update={"baseline": None}), what


def _evidence(snapshot: Snapshot, now: float) -> _Part:
    """Evidence of looks that are yet to come would have no look taken until then."""
    status, analysis = snapshot.status, snapshot.status.analysis
    if analysis is None or status.step is None:
        return status, ()
    latest = max((_last_end(state) for state in (analysis.state, analysis.pause_state)), default=0.0)
    if latest <= now + SKEW_SECONDS:
        return status, ()
    return _afresh(status, "analysis.state", snapshot.spec.steps[0].weight, now)


def _last_end(state: str | None) -> float:
    try:
        return (unpack(state).last_end or 0.0) if state is not None else 0.0
    except ValueError:
        return 0.0  # said, and gathered anew, where the evidence is read


def _unknown(snapshot: Snapshot) -> Obstacle:
    return Obstacle(
        Reason.STATUS_DAMAGED,
        "status.stable is missing, and neither the Service nor the history nor the pods tell which version serves. "
        f"Nothing is changed until this is mended: make Service {snapshot.name} select the version that must serve "
        "(label lossgate.io/revision), or write its Deployment's name to status.stable.revision.",
    )
