"""A rollout in flight: the canary is scaled, gets its share, is judged, and leaves the step up or down."""

from __future__ import annotations

from lossgate.api.quantities import format_duration
from lossgate.api.reasons import UNREADABLE, ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import OnInconclusive
from lossgate.api.status import Hold, Version
from lossgate.rollout import edits, evidence, guardrails, history, looks, promotion, readiness, rollback, routes, skip
from lossgate.rollout.draft import Draft
from lossgate.stats import Verdict


def start(draft: Draft) -> None:
    """Begin a rollout of the revision that the spec asks for."""
    spec, target = draft.snapshot.spec, draft.snapshot.target
    draft.enter(Phase.PROGRESSING)
    draft.set(
        canary=Version(revision=target, model_version=spec.model.version),
        started=draft.now,
        started_replicas=draft.snapshot.replicas,
        baseline=None,
        rolled_back=None,
        pause=None,
        paused_by=None,
        promote_requested=None,
        skipped=None,
    )
    draft.weigh(0)
    draft.begin_step(0)
    weights = ", ".join(f"{step.weight}%" for step in spec.steps)
    draft.tell(
        EventReason.ROLLOUT_STARTED,
        f"{spec.model.version} ({target}) against {draft.stable.model_version}: steps {weights}.",
    )
    skip.follow(draft)
    skip.describe(draft)


def proceed(draft: Draft) -> None:
    """Advance a rollout that is progressing or paused by what is seen now."""
    if changed_mind(draft):
        return
    skip.follow(draft)
    _follow_spec(draft)
    finding = evidence.Finding(skip.has_dwelt(draft)) if skip.is_on(draft) else evidence.take_in(draft)
    if finding.harm is not None:
        rollback.start(draft, finding.harm, finding.message)
    elif _is_switched_off(draft) or guardrails.rolled_back(draft) or _went_wrong(draft):
        pass
    elif draft.status.promote_requested is not None:
        _promote_when_ready(draft)
    elif draft.status.phase is Phase.PAUSED:
        _wait_paused(draft)
    elif (why := _why_paused(draft)) is not None:
        _pause(draft, Reason.REQUESTED, why)
    elif finding.may_leave_step and routes.is_trusted(draft) and not guardrails.hold_back(draft):
        _leave_when_ready(draft)
    elif is_overdue(draft) and not skip.is_on(draft) and not _has_nothing_to_promote(draft):
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
    if history.was_rolled_back(draft.status, target):
        asked = draft.snapshot.spec.model.version
        rollback.start(draft, Reason.ABORTED, f"The spec went to {asked}, which was rolled back before.")
        return True
    replaced = draft.canary.model_version
    draft.tell(
        EventReason.CANARY_REPLACED, f"{replaced} is replaced before its verdict; evidence and risk start afresh."
    )
    start(draft)
    return True


def _follow_spec(draft: Draft) -> None:
    """Restart the evidence where an edit of the spec changed what is tested or where it is read."""
    pause = draft.status.pause
    if pause is None or pause.reason is not Reason.INCONCLUSIVE:
        again = edits.restart(draft)
        if again is not None:
            edits.begin_again(draft, again)
        else:
            _keep_place(draft)
        return
    source = evidence.source_fingerprint(draft.snapshot.spec.loss)
    if skip.is_on(draft):
        _resume(draft, "without analysis, from the first step")
    elif edits.is_test_edited(draft):
        _resume(draft, "after an edit of the spec: a new risk budget, from the first step")
    else:
        return
    draft.begin_step(0)
    if draft.status.baseline is not None and draft.status.baseline.source != source:
        draft.set(baseline=None)


def _keep_place(draft: Draft) -> None:
    """The step that goes on may have another position now, and looks that have not begun another length."""
    spec, step = draft.snapshot.spec, draft.step
    now = {"index": edits.place(spec.steps, step.weight), "interval_seconds": spec.loss.interval_seconds}
    draft.set(step=step.model_copy(update=now))


def _is_switched_off(draft: Draft) -> bool:
    """Nothing serves at size 0, so nothing is decided: the rollout waits, and no deadline runs."""
    before, version = draft.status.condition(ConditionType.PROMOTED), draft.canary.model_version
    message = f"spec.replicas is 0: {version} waits, with the evidence it has, until there are pods again."
    is_said, is_off = before is not None and before.message == message, draft.snapshot.replicas == 0
    if is_off:
        draft.set(step=draft.step.model_copy(update={"unready_since": None}))
    if draft.status.phase is Phase.PAUSED:
        return is_off
    if is_off and not is_said:
        draft.tell(EventReason.PAUSED, message)
        draft.condition(ConditionType.PROMOTED, None, Reason.REQUESTED, message)
    elif is_said and not is_off:
        draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, f"{version} is being judged.")
        draft.tell(EventReason.RESUMED, "Resumed: spec.replicas is above 0 again; the evidence goes on.")
        draft.set(step=draft.step.model_copy(update={"began": draft.now}))
    return is_off


def _went_wrong(draft: Draft) -> bool:
    spec, hold = draft.snapshot.spec, draft.analysis.hold
    deployment = draft.snapshot.deployment(draft.canary.revision)
    if deployment is not None and deployment.deadline_exceeded and not readiness.has_served(draft):
        message = f"Pods of the canary do not become ready{readiness.why_missing(draft)}"
        rollback.start(draft, Reason.PROGRESS_DEADLINE, message)
        return True
    is_seen = draft.snapshot.measurement is not None or looks.is_out_of_reach(draft.status, spec.loss, draft.now)
    is_unreadable = is_seen and hold is not None and hold.reason in UNREADABLE
    if hold is not None and is_unreadable and draft.now >= hold.since + spec.gate.hold_timeout_seconds:
        waited = format_duration(draft.now - hold.since)
        rollback.start(draft, Reason.UNMEASURABLE, f"No evidence could be read for {waited}: {hold.message}")
        return True
    return _is_without_pods(draft)


def _is_without_pods(draft: Draft) -> bool:
    """Roll back a canary that has had no ready pod, or never all that its first share needs, for too long."""
    ready, needed = draft.snapshot.ready(draft.canary.revision), readiness.pods_for(draft, draft.step.weight)
    if ready > 0 and (ready >= needed or readiness.has_served(draft)):
        draft.set(step=draft.step.model_copy(update={"unready_since": None}))
        return False
    since = draft.step.unready_since
    if since is None:
        draft.set(step=draft.step.model_copy(update={"unready_since": draft.now}))
        return False
    if draft.now < since + draft.snapshot.spec.progress_deadline_seconds:
        return False
    missing = "No pod of the canary has" if ready == 0 else f"Only {ready}/{needed} pods of the canary have"
    waited = f"{missing} been ready for {format_duration(draft.now - since)}"
    rollback.start(draft, Reason.PROGRESS_DEADLINE, f"{waited}{readiness.why_missing(draft) or '.'}")
    return True


def is_in_last(draft: Draft) -> bool:
    """Return whether no step follows the one that was passed: one that an edit added has shown nothing yet."""
    spec, step = draft.snapshot.spec, draft.step
    return edits.place(spec.steps, step.weight) + 1 == len(spec.steps)


def is_overdue(draft: Draft) -> bool:
    """Return whether the step has lasted for longer than it may."""
    spec = draft.snapshot.spec
    began = draft.step.began
    return began is not None and draft.now >= began + spec.gate.max_duration_seconds + spec.loss.label_delay_seconds


def _has_nothing_to_promote(draft: Draft) -> bool:
    """A canary without pods is waited for until its own deadline, also where the policy is to promote it unproven."""
    policy = draft.snapshot.spec.gate.on_inconclusive
    return policy is OnInconclusive.PROMOTE and draft.snapshot.ready(draft.canary.revision) == 0


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
        case OnInconclusive.PROMOTE if blocker is None and routes.is_trusted(draft):
            _leave(draft, f"gate.onInconclusive is Promote. {message}")
        case OnInconclusive.ROLLBACK:
            rollback.start(draft, Reason.INCONCLUSIVE, message)
        case _:
            draft.set(
                step=draft.step.model_copy(update={"weight": spec.steps[0].weight, "since": None}),
                paused_test=edits.fingerprint(spec),
                # Whatever ends the pause begins with new evidence: beside that of the pause, the old only takes room.
                analysis=analysis.model_copy(update={"verdict": "Inconclusive", "state": None}),
            )
            _pause(
                draft,
                Reason.INCONCLUSIVE,
                f"{message}. Resume, or edit spec.gate or spec.guardrails, to try again with a new risk budget.",
            )


def _pause(draft: Draft, reason: Reason, message: str) -> None:
    draft.enter(Phase.PAUSED)
    draft.set(pause=Hold(reason=reason, since=draft.now, message=message))
    draft.condition(ConditionType.PROMOTED, None, reason, message)
    draft.tell(EventReason.PAUSED, message, warning=reason is not Reason.REQUESTED)


def _resume(draft: Draft, why: str) -> None:
    """Go on; the time that a person had the rollout wait does not count against `gate.maxDuration`."""
    pause, step = draft.status.pause, draft.step
    if pause is not None and step.began is not None:
        draft.set(step=step.model_copy(update={"began": draft.now - max(pause.since - step.began, 0.0)}))
    draft.enter(Phase.PROGRESSING)
    draft.set(pause=None, paused_by=None)
    skip.describe(draft)
    draft.tell(EventReason.RESUMED, f"Resumed {why}.")


def pause_by(draft: Draft, command: str) -> str:
    """Pause by a command, until a command resumes it, and return that in words."""
    draft.set(paused_by=command)
    why = _why_paused(draft) or ""
    if draft.status.phase is Phase.PROGRESSING:
        _pause(draft, Reason.REQUESTED, why)
    else:
        _say_why_paused(draft, why)
    return f"{draft.canary.model_version} keeps its weight of {draft.canary.weight}%. {why}"


def resume_by_order(draft: Draft) -> str:
    """End the pause by a command, and return what follows, in words."""
    pause = draft.status.pause
    if pause is not None and pause.reason is Reason.INCONCLUSIVE:
        _resume(draft, "by a command: a new risk budget, from the first step")
        draft.begin_step(0)
        return f"{draft.canary.model_version} is judged anew, from the first step, with a new risk budget."
    _resume(draft, "by a command; the evidence goes on")
    return f"the rollout of {draft.canary.model_version} goes on where it was."


def promote_without_proof(draft: Draft) -> str:
    """Promote by order of a person, and return that in words; pods and route are waited for as ever."""
    numbers = f"step {draft.step.weight}%, {evidence.summary(draft)}"
    order = Hold(reason=Reason.REQUESTED, since=draft.now, message=numbers)
    if evidence.is_paused_without_verdict(draft):
        gathered = {"state": draft.analysis.pause_state, "pause_state": None}
        draft.set(analysis=draft.analysis.model_copy(update=gathered))
    draft.set(promote_requested=order, pause=None, paused_by=None)
    message = f"By order of a person, {draft.canary.model_version} is promoted without the proof: {numbers}."
    promotion.start(draft, message, Reason.REQUESTED)
    return f"{draft.canary.model_version} takes everything as soon as all its pods are ready."


def _promote_when_ready(draft: Draft) -> None:
    """A canary that lost its pods while it was promoted by order goes on as soon as it has some."""
    order = draft.status.promote_requested
    if order is not None and draft.snapshot.ready(draft.canary.revision) > 0:
        message = f"{draft.canary.model_version} has ready pods again; the order to promote it stands: {order.message}."
        promotion.start(draft, message, Reason.REQUESTED)


def _why_paused(draft: Draft) -> str | None:
    """Return why the rollout is to wait, and what ends that; None if nobody asks for it."""
    match draft.snapshot.spec.paused, draft.status.paused_by is not None:
        case True, True:
            return "spec.paused is true, and a command paused it as well: set the one to false, then resume."
        case True, False:
            return "spec.paused is true; set it to false to go on."
        case False, True:
            return "A command paused it; resume to go on."
    return None


def _say_why_paused(draft: Draft, why: str) -> None:
    pause = draft.status.pause
    if pause is not None and pause.message != why:
        draft.set(pause=pause.model_copy(update={"message": why}))
        draft.condition(ConditionType.PROMOTED, None, pause.reason, why)


def _wait_paused(draft: Draft) -> None:
    pause, why = draft.status.pause, _why_paused(draft)
    policy = draft.snapshot.spec.gate.on_inconclusive
    if pause is None or (pause.reason is Reason.REQUESTED and why is None):
        _resume(draft, "as requested; the evidence goes on")
    elif pause.reason is Reason.REQUESTED and why is not None:
        _say_why_paused(draft, why)
    elif pause.reason is Reason.INCONCLUSIVE and policy is OnInconclusive.ROLLBACK:
        rollback.start(draft, Reason.INCONCLUSIVE, f"gate.onInconclusive is Rollback now. {pause.message}")
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
    if skip.is_on(draft):
        summary = "without analysis, its pods are ready"
    if not readiness.is_long_enough(draft):
        shortest = format_duration(spec.steps[index].min_duration_seconds or 0.0)
        message = f"Step {draft.step.weight}% is passed; it is left when it has lasted {shortest} (minDuration)."
        draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, message)
        return
    if index + 1 == len(spec.steps):
        shown = "passed the last step" if skip.is_on(draft) else "is not worse than the margin"
        _leave(draft, f"{version} {shown}: {summary}.")
        return
    weight = spec.steps[index + 1].weight
    needed = readiness.pods_for(draft, weight)
    if not readiness.has_pods(draft, needed):
        readiness.await_pods(draft, needed, f"Step {draft.step.weight}% is passed; for {weight}%")
        return
    _leave(draft, f"Step {draft.step.weight}% passed: {summary}.")


def _leave(draft: Draft, message: str) -> None:
    """Leave the step upwards."""
    index = draft.step.index
    if index + 1 == len(draft.snapshot.spec.steps):
        promotion.start(draft, message, Reason.ANALYSIS_SKIPPED if skip.is_on(draft) else Reason.ANALYSING)
        return
    draft.tell(EventReason.STEP_PASSED, message)
    skip.describe(draft)
    draft.begin_step(index + 1)


def _route_share(draft: Draft) -> None:
    """Decide the canary's share: up only to pods that are ready, down at once when none is."""
    snapshot, step = draft.snapshot, draft.step
    current = draft.canary.weight
    needed = readiness.pods_for(draft, step.weight)
    may_rise = (
        draft.status.phase is Phase.PROGRESSING
        and snapshot.ready(draft.stable.revision) > 0
        and snapshot.replicas > 0
        and readiness.has_pods(draft, needed)
        and routes.is_trusted(draft)
    )
    wanted = current
    is_unknown = draft.status.baseline is None and not skip.is_on(draft)
    is_unfit = snapshot.ready(draft.canary.revision) == 0 or is_unknown
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
    else:
        routes.restart_looks(draft)
