"""A rollout in flight: the canary is scaled, gets its share, is judged, and leaves the step up or down."""

from __future__ import annotations

import hashlib

from lossgate.api.quantities import format_duration
from lossgate.api.reasons import UNREADABLE, ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import OnInconclusive, RolloutSpec
from lossgate.api.status import Hold, Version
from lossgate.rollout import evidence, guardrails, promotion, rollback
from lossgate.rollout.draft import Draft
from lossgate.stats import Verdict

PROGRESS_DEADLINE_SECONDS = 600.0
"""How long a canary may be without a ready pod: the default of a Deployment's own progress deadline."""


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
    elif guardrails.rolled_back(draft) or _went_wrong(draft):
        pass
    elif draft.status.phase is Phase.PAUSED:
        _wait_paused(draft)
    elif draft.snapshot.spec.paused:
        _pause(draft, Reason.REQUESTED, "spec.paused is true; set it to false to go on.")
    elif finding.may_leave_step and not guardrails.hold_back(draft):
        _leave_when_ready(draft)
    elif is_overdue(draft):
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
    inconclusive = draft.status.pause is not None and draft.status.pause.reason is Reason.INCONCLUSIVE
    if inconclusive and draft.status.paused_test != _test_fingerprint(spec):
        _resume(draft, "after an edit of the spec: a new risk budget, from the first step")
        draft.begin_step(0)
        return
    if baseline is not None and baseline.source != evidence.source_fingerprint(spec.loss):
        draft.set(baseline=None)
        draft.begin_step(0)
        return
    index = min(draft.step.index, len(spec.steps) - 1)
    if index != draft.step.index or (not inconclusive and spec.steps[index].weight != draft.step.weight):
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
    return _is_without_pods(draft)


def _is_without_pods(draft: Draft) -> bool:
    """Roll back a canary that has had no ready pod for too long, however often its pods were ready before."""
    if draft.snapshot.ready(draft.canary.revision) > 0:
        draft.set(step=draft.step.model_copy(update={"unready_since": None}))
        return False
    since = draft.step.unready_since
    if since is None:
        draft.set(step=draft.step.model_copy(update={"unready_since": draft.now}))
        return False
    if draft.now < since + PROGRESS_DEADLINE_SECONDS:
        return False
    waited = format_duration(draft.now - since)
    rollback.start(draft, Reason.PROGRESS_DEADLINE, f"No pod of the canary has been ready for {waited}.")
    return True


def is_overdue(draft: Draft) -> bool:
    """Return whether the step has lasted for longer than it may."""
    spec = draft.snapshot.spec
    began = draft.step.began
    return began is not None and draft.now >= began + spec.gate.max_duration_seconds + spec.loss.label_delay_seconds


def _inconclusive(draft: Draft) -> None:
    spec, analysis = draft.snapshot.spec, draft.analysis
    waited = format_duration(spec.gate.max_duration_seconds)
    if draft.status.baseline is None:
        why = analysis.hold.message if analysis.hold else "no baseline"
        rollback.start(draft, Reason.UNMEASURABLE, f"No baseline within gate.maxDuration ({waited}): {why}")
        return
    blocker = guardrails.blocker(draft)
    is_passed = analysis.verdict == Verdict.NON_INFERIOR and analysis.hold is None
    shown = "The step could not be left" if is_passed else "Neither harm nor safety shown"
    message = f"{shown} within gate.maxDuration ({waited}): {evidence.summary(draft)}"
    if blocker is not None:
        message = f"{message}. {blocker}"
    draft.tell(
        EventReason.INCONCLUSIVE, f"{message}; gate.onInconclusive is {spec.gate.on_inconclusive}.", warning=True
    )
    match spec.gate.on_inconclusive:
        case OnInconclusive.PROMOTE if blocker is None:
            _leave(draft, f"gate.onInconclusive is Promote. {message}")
        case OnInconclusive.ROLLBACK:
            rollback.start(draft, Reason.INCONCLUSIVE, message)
        case OnInconclusive.PAUSE | OnInconclusive.PROMOTE:
            draft.set(
                step=draft.step.model_copy(update={"weight": spec.steps[0].weight, "since": None}),
                paused_test=_test_fingerprint(spec),
                analysis=analysis.model_copy(update={"verdict": "Inconclusive"}),
            )
            _pause(
                draft,
                Reason.INCONCLUSIVE,
                f"{message}. Edit spec.gate or spec.guardrails to try again with a new risk budget.",
            )


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


def _leave_when_ready(draft: Draft) -> None:
    """Leave a step that was passed once the pods for the next one are ready; until then it goes on being watched."""
    spec, index = draft.snapshot.spec, draft.step.index
    version, summary = draft.canary.model_version, evidence.summary(draft)
    if draft.snapshot.ready(draft.canary.revision) == 0 or guardrails.is_awaited(draft):
        return
    if index + 1 == len(spec.steps):
        _leave(draft, f"{version} is not worse than the margin: {summary}.")
        return
    weight = spec.steps[index + 1].weight
    needed = spec.canary.replicas_at(weight, draft.snapshot.replicas)
    if not _has_ready_pods(draft, needed):
        ready = draft.snapshot.ready(draft.canary.revision)
        message = f"Step {draft.step.weight}% is passed; {ready}/{needed} pods of {version} are ready for {weight}%."
        draft.condition(ConditionType.PROMOTED, None, Reason.INSUFFICIENT_CAPACITY, message)
        return
    _leave(draft, f"Step {draft.step.weight}% passed: {summary}.")


def _leave(draft: Draft, message: str) -> None:
    """Leave the step upwards."""
    index = draft.step.index
    if index + 1 == len(draft.snapshot.spec.steps):
        promotion.start(draft, message)
        return
    draft.tell(EventReason.STEP_PASSED, message)
    draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, f"{draft.canary.model_version} is being judged.")
    draft.begin_step(index + 1)


def _has_ready_pods(draft: Draft, needed: int) -> bool:
    service = draft.snapshot.canary_service
    return (
        draft.snapshot.ready(draft.canary.revision) >= needed
        and service is not None
        and service.only(draft.canary.revision, needed)
    )


def _test_fingerprint(spec: RolloutSpec) -> str:
    limits = [guardrail.model_dump_json() for guardrail in spec.guardrails]
    tested = [spec.gate.model_dump_json(), *(str(step.weight) for step in spec.steps), *limits]
    return hashlib.sha256("|".join(tested).encode()).hexdigest()[:12]


def _route_share(draft: Draft) -> None:
    """Decide the canary's share: up only to pods that are ready, down at once when none is."""
    snapshot, step = draft.snapshot, draft.step
    current = draft.canary.weight
    needed = snapshot.spec.canary.replicas_at(step.weight, snapshot.replicas)
    may_rise = (
        draft.status.phase is Phase.PROGRESSING
        and snapshot.ready(draft.stable.revision) > 0
        and _has_ready_pods(draft, needed)
    )
    wanted = current
    is_unfit = snapshot.ready(draft.canary.revision) == 0 or draft.status.baseline is None
    if is_unfit and snapshot.ready(draft.stable.revision) > 0:
        wanted = 0
    elif not is_unfit and (step.weight < current or may_rise):
        wanted = step.weight
    if wanted != current:
        draft.weigh(wanted)
        draft.set(step=step.model_copy(update={"since": None}))
        draft.tell(
            EventReason.WEIGHT_CHANGED,
            f"Weight {current}% -> {wanted}% for {draft.canary.model_version}"
            + (", which has no ready pod or no baseline." if wanted == 0 else "."),
            warning=wanted == 0,
        )
    elif step.since is None and current == step.weight and rollback.routed(draft, current):
        draft.set(step=step.model_copy(update={"since": draft.now}))
