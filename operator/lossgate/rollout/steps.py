"""A rollout in flight: the canary is scaled, gets its share, is judged, and leaves the step up or down."""

from __future__ import annotations

from lossgate.api.quantities import format_duration
from lossgate.api.reasons import UNREADABLE, ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import OnInconclusive
from lossgate.api.status import Hold, Version
from lossgate.rollout import evidence, promotion, rollback
from lossgate.rollout.draft import Draft


def start(draft: Draft) -> None:
    """Begin a rollout of the revision that the spec asks for."""
    spec, target = draft.snapshot.spec, draft.snapshot.target
    draft.enter(Phase.PROGRESSING)
    draft.set(
        canary=Version(revision=target, model_version=spec.model.version),
        started=draft.now,
        baseline=None,
        rolled_back=None,
        pause=None,
    )
    draft.weigh(0)
    draft.begin_step(0)
    weights = ", ".join(f"{step.weight}%" for step in spec.steps)
    draft.tell(
        EventReason.ROLLOUT_STARTED,
        f"{spec.model.version} ({target}) against {draft.stable.model_version}: steps {weights}.",
    )
    draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, f"{spec.model.version} is being judged.")


def proceed(draft: Draft) -> None:
    """Advance a rollout that is progressing or paused by what is seen now."""
    if changed_mind(draft):
        return
    _follow_spec(draft)
    finding = evidence.take_in(draft)
    if finding.harm is not None:
        rollback.start(draft, finding.harm, finding.message)
    elif _went_wrong(draft):
        pass
    elif draft.status.phase is Phase.PAUSED:
        _wait_paused(draft)
    elif draft.snapshot.spec.paused:
        _pause(draft, Reason.REQUESTED, "spec.paused is true; set it to false to go on.")
    elif finding.may_leave_step:
        _leave(draft, finding.message)
    elif _is_overdue(draft):
        _inconclusive(draft)
    if draft.status.phase in (Phase.PROGRESSING, Phase.PAUSED):
        _route_share(draft)


def changed_mind(draft: Draft) -> bool:
    """React to a spec that asks for another revision than the canary; return whether it does."""
    target = draft.snapshot.target
    if target == draft.canary.revision:
        return False
    if target == draft.stable.revision:
        rollback.start(draft, Reason.ABORTED, "The spec went back to the stable version.")
        return True
    replaced = draft.canary.model_version
    draft.tell(
        EventReason.CANARY_REPLACED, f"{replaced} is replaced before its verdict; evidence and risk start afresh."
    )
    start(draft)
    return True


def _follow_spec(draft: Draft) -> None:
    """Restart the evidence where an edit of the spec changed what is tested or where it is read."""
    spec, baseline = draft.snapshot.spec, draft.status.baseline
    resumed = draft.status.pause is not None and draft.status.pause.reason is Reason.INCONCLUSIVE
    if resumed and draft.snapshot.generation != draft.status.observed_generation:
        _resume(draft, "after an edit of the spec: a new risk budget, from the first step")
        draft.begin_step(0)
        return
    if baseline is not None and baseline.source != evidence.source_fingerprint(spec.loss):
        draft.set(baseline=None)
        draft.begin_step(0)
        return
    index = min(draft.step.index, len(spec.steps) - 1)
    if index != draft.step.index or (not resumed and spec.steps[index].weight != draft.step.weight):
        draft.begin_step(index)
    elif baseline is not None and evidence.is_other_test(draft, baseline.mean):
        since = draft.step.since
        draft.begin_step(index)
        draft.set(step=draft.step.model_copy(update={"since": draft.now if since else None}))


def _went_wrong(draft: Draft) -> bool:
    spec, hold = draft.snapshot.spec, draft.analysis.hold
    deployment = draft.snapshot.deployment(draft.canary.revision)
    if deployment is not None and deployment.deadline_exceeded:
        rollback.start(draft, Reason.PROGRESS_DEADLINE, f"Pods of the canary do not become ready: {deployment.message}")
        return True
    if hold is not None and hold.reason in UNREADABLE and draft.now >= hold.since + spec.gate.hold_timeout_seconds:
        waited = format_duration(draft.now - hold.since)
        rollback.start(draft, Reason.UNMEASURABLE, f"No evidence could be read for {waited}: {hold.message}")
        return True
    return False


def _is_overdue(draft: Draft) -> bool:
    spec = draft.snapshot.spec
    since = draft.step.since if draft.status.baseline is not None else draft.status.since
    return since is not None and draft.now >= since + spec.gate.max_duration_seconds + spec.loss.label_delay_seconds


def _inconclusive(draft: Draft) -> None:
    spec, analysis = draft.snapshot.spec, draft.analysis
    waited = format_duration(spec.gate.max_duration_seconds)
    if draft.status.baseline is None:
        why = analysis.hold.message if analysis.hold else "no baseline"
        rollback.start(draft, Reason.UNMEASURABLE, f"No baseline within gate.maxDuration ({waited}): {why}")
        return
    delta = analysis.delta
    message = (
        f"Neither harm nor safety shown within gate.maxDuration ({waited}) at {draft.step.weight}%: "
        f"delta {delta.estimate or 'unknown'} [{delta.lower or '?'}, {delta.upper or '?'}], "
        f"{analysis.labels.canary} canary labels"
    )
    draft.tell(
        EventReason.INCONCLUSIVE, f"{message}; gate.onInconclusive is {spec.gate.on_inconclusive}.", warning=True
    )
    match spec.gate.on_inconclusive:
        case OnInconclusive.PROMOTE:
            _leave(draft, f"gate.onInconclusive: Promote. {message}")
        case OnInconclusive.ROLLBACK:
            rollback.start(draft, Reason.INCONCLUSIVE, message)
        case OnInconclusive.PAUSE:
            draft.set(
                step=draft.step.model_copy(update={"weight": spec.steps[0].weight, "since": None}),
                analysis=analysis.model_copy(update={"verdict": "Inconclusive"}),
            )
            _pause(draft, Reason.INCONCLUSIVE, f"{message}. Edit spec.gate to try again with a new risk budget.")


def _pause(draft: Draft, reason: Reason, message: str) -> None:
    draft.enter(Phase.PAUSED)
    draft.set(pause=Hold(reason=reason, since=draft.now, message=message))
    draft.condition(ConditionType.PROMOTED, None, reason, message)
    draft.tell(EventReason.PAUSED, message, warning=reason is not Reason.REQUESTED)


def _resume(draft: Draft, why: str) -> None:
    draft.enter(Phase.PROGRESSING)
    draft.set(pause=None)
    draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, f"{draft.canary.model_version} is being judged.")
    draft.tell(EventReason.RESUMED, f"Resumed {why}.")


def _wait_paused(draft: Draft) -> None:
    pause = draft.status.pause
    if pause is None or (pause.reason is Reason.REQUESTED and not draft.snapshot.spec.paused):
        _resume(draft, "as requested; the evidence goes on")
    elif (
        pause.reason is Reason.INCONCLUSIVE
        and draft.now >= pause.since + draft.snapshot.spec.gate.pause_timeout_seconds
    ):
        rollback.start(draft, Reason.INCONCLUSIVE, f"Nobody decided within gate.pauseTimeout. {pause.message}")


def _leave(draft: Draft, message: str) -> None:
    """Leave the step upwards."""
    spec, index = draft.snapshot.spec, draft.step.index
    if index + 1 < len(spec.steps):
        draft.tell(EventReason.STEP_PASSED, f"Step {draft.step.weight}% passed: {message}.")
        draft.begin_step(index + 1)
        return
    promotion.start(draft, message)


def _route_share(draft: Draft) -> None:
    """Decide the canary's share: up only to pods that are ready, down at once when none is."""
    snapshot, step = draft.snapshot, draft.step
    current = draft.canary.weight
    needed = snapshot.spec.canary.replicas_at(step.weight, snapshot.replicas)
    service = snapshot.canary_service
    may_rise = (
        draft.status.phase is Phase.PROGRESSING
        and draft.status.baseline is not None
        and snapshot.ready(draft.stable.revision) > 0
        and snapshot.ready(draft.canary.revision) >= needed
        and service is not None
        and service.only(draft.canary.revision, needed)
    )
    wanted = current
    if snapshot.ready(draft.canary.revision) == 0 and snapshot.ready(draft.stable.revision) > 0:
        wanted = 0
    elif step.weight < current or may_rise:
        wanted = step.weight
    if wanted != current:
        draft.weigh(wanted)
        draft.set(step=step.model_copy(update={"since": None}))
        draft.tell(
            EventReason.WEIGHT_CHANGED,
            f"Weight {current}% -> {wanted}% for {draft.canary.model_version}"
            + (", whose pods are not ready." if wanted == 0 else "."),
            warning=wanted == 0,
        )
    elif step.since is None and current == step.weight and rollback.routed(draft, current):
        draft.set(step=step.model_copy(update={"since": draft.now}))
