"""The decision: one pure function from what is seen to what is said and done."""

from __future__ import annotations

from dataclasses import replace

from lossgate.api import names
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.status import Version
from lossgate.rollout import (
    commands,
    conditions,
    contest,
    converge,
    edits,
    evidence,
    guardrails,
    history,
    looks,
    mending,
    promotion,
    retention,
    returning,
    rollback,
    routes,
    skip,
    steps,
    unreadable,
)
from lossgate.rollout.decision import Decision
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import LooksSeen, Snapshot

RECHECK_SECONDS = 15.0
"""While something is awaited, look again this often even if no watch event came."""


def decide(snapshot: Snapshot, now: float) -> Decision:
    """Return what to write, change and tell, given what is seen at `now` (Unix seconds).

    Total: every snapshot has a decision, however damaged its status. Idempotent: seen again after its decision was
    applied, the same snapshot changes nothing.
    """
    snapshot = mending.mend(snapshot, now)
    if snapshot.is_lost and snapshot.obstacle is not None:
        refused = unreadable.refuse(snapshot.status, snapshot.generation, snapshot.obstacle, now)
        return replace(refused, due=now + RECHECK_SECONDS)
    draft = Draft(snapshot, now)
    draft.set(untold=())
    mending.tell(draft)
    _count(draft)
    _scale_down(draft)
    routes.follow(draft)
    evidence.drop_unreadable(draft)
    if not commands.take(draft):
        _advance(draft)
    routes.permit(draft)
    retention.note(draft)
    contest.watch(draft, converge.wanted_replicas(draft))
    draft.set(observed_generation=snapshot.generation)
    conditions.summarise(draft)
    return Decision(draft.status, converge.writes(draft), tuple(draft.events), _due(draft), _measure_at(draft))


def _count(draft: Draft) -> None:
    """Bring the counted fields up to date."""
    snapshot, status = draft.snapshot, draft.status
    draft.set(selector=f"{names.LABEL_ROLLOUT}={snapshot.name}")
    for field in ("stable", "canary", "previous"):
        version: Version | None = getattr(status, field)
        if version is None:
            continue
        seen = snapshot.deployment(version.revision)
        counts = {"replicas": seen.existing_replicas, "ready_replicas": seen.ready_replicas} if seen else {}
        draft.set(**{field: version.model_copy(update=counts or {"replicas": 0, "ready_replicas": 0})})
    draft.set(replicas=sum(seen.existing_replicas for seen in snapshot.deployments.values()))


def _advance(draft: Draft) -> None:
    match draft.status.phase:
        case Phase.INITIALIZING:
            _initialize(draft)
        case Phase.HEALTHY | Phase.ROLLED_BACK:
            _rest(draft)
        case Phase.PROGRESSING | Phase.PAUSED:
            steps.proceed(draft)
        case Phase.PROMOTING:
            _promote(draft)
        case Phase.ROLLING_BACK if draft.status.returning is not None:
            returning.proceed(draft)
        case Phase.ROLLING_BACK:
            rollback.proceed(draft)


def _initialize(draft: Draft) -> None:
    snapshot = draft.snapshot
    if draft.status.stable is None or draft.status.stable.revision != snapshot.target:
        draft.set(stable=Version(revision=snapshot.target, model_version=snapshot.spec.model.version, weight=100))
    service = snapshot.stable_service
    serves = service is not None and (snapshot.replicas == 0 or service.only(draft.stable.revision, snapshot.replicas))
    if serves and rollback.routed(draft, canary_weight=0):
        draft.enter(Phase.HEALTHY)
        message = f"{draft.stable.model_version} serves with {snapshot.replicas} pods."
        if snapshot.spec.replicas is None:
            message += " spec.replicas is not set: an autoscaler cannot read it before kubectl scale has set it once."
        draft.tell(EventReason.FIRST_VERSION_SERVES, message)
        draft.condition(ConditionType.PROMOTED, True, Reason.PROMOTED, f"First version. {message}")


def _scale_down(draft: Draft) -> None:
    """The version replaced last gives up its pods in time, also while the next one is being judged."""
    status = draft.status
    if status.scale_down_at is None or draft.now < status.scale_down_at:
        return
    draft.set(scale_down_at=None)
    if status.previous is not None and status.previous.revision in retention.in_use(status):
        return
    version = status.previous.model_version if status.previous else "the previous version"
    draft.tell(EventReason.SCALED_DOWN, f"{version} gives up its pods.")


def _rest(draft: Draft) -> None:
    status, target = draft.status, draft.snapshot.target
    if target == draft.stable.revision:
        _serve_what_is_asked(draft)
    elif history.was_rolled_back(status, target):
        if status.canary is None or status.canary.revision != target:
            _refuse_again(draft)
    else:
        steps.start(draft)


def _serve_what_is_asked(draft: Draft) -> None:
    if draft.status.phase is Phase.ROLLED_BACK:
        draft.enter(Phase.HEALTHY)
        draft.set(canary=None, step=None)
    _forget_own_step_back(draft)
    promoted = draft.status.condition(ConditionType.PROMOTED)
    if promoted is None or promoted.status != "True":
        message = f"{draft.stable.model_version} serves everything, as the spec asks."
        draft.condition(ConditionType.PROMOTED, True, Reason.PROMOTED, message)


def _forget_own_step_back(draft: Draft) -> None:
    """The spec went elsewhere: if it asks for an aborted revision anew, a person wants it tried."""
    rolled_back = draft.status.rolled_back
    last = history.last_entry(draft.status, rolled_back) if rolled_back else None
    if last is not None and last.reason is Reason.ABORTED:
        draft.set(rolled_back=None)


def _refuse_again(draft: Draft) -> None:
    version, target = draft.snapshot.spec.model.version, draft.snapshot.target
    draft.enter(Phase.ROLLED_BACK)
    draft.set(canary=Version(revision=target, model_version=version))
    last = history.last_entry(draft.status, target)
    reason = last.reason if last else Reason.HARM
    message = f"{version} was rolled back before and is not tried again until it changes or is retried."
    draft.condition(ConditionType.PROMOTED, False, reason, message)
    draft.tell(EventReason.ROLLED_BACK, message, warning=True)


def _promote(draft: Draft) -> None:
    """Until everything is routed to the new version, harm still counts; until it is promoted, going back does."""
    version = draft.canary.model_version
    if promotion.is_lost(draft):
        message = f"All pods of {version} were lost after everything was routed to it."
        rollback.start(draft, Reason.PROGRESS_DEADLINE, message)
    elif promotion.is_committed(draft):
        if draft.snapshot.target == draft.stable.revision and promotion.may_go_back(draft):
            rollback.start(draft, Reason.ABORTED, "The spec went back to the stable version.")
        else:
            promotion.proceed(draft)
    elif not steps.changed_mind(draft):
        _promote_while_fine(draft)


def _promote_while_fine(draft: Draft) -> None:
    if skip.is_revoked(draft) or _is_asked_anew(draft):
        _judge_again(draft)
        return
    routes.restart_looks(draft)
    finding = evidence.take_in(draft)
    if finding.harm is not None:
        rollback.start(draft, finding.harm, finding.message)
        return
    if guardrails.rolled_back(draft):
        return
    held_back = guardrails.hold_back(draft)
    held_for = draft.now - guardrails.held_since(draft)
    given_up = held_for >= draft.snapshot.spec.gate.hold_timeout_seconds and steps.is_overdue(draft)
    cannot_serve = draft.snapshot.ready(draft.canary.revision) == 0 or draft.snapshot.replicas == 0
    if cannot_serve or (held_back and given_up):
        _judge_again(draft)
    elif not (held_back or guardrails.is_awaited(draft)):
        promotion.proceed(draft)


def _judge_again(draft: Draft) -> None:
    draft.enter(Phase.PROGRESSING)
    steps.proceed(draft)


def _is_asked_anew(draft: Draft) -> bool:
    """Return whether an edit of the spec takes back that the last step was passed, or has the rollout wait.

    Not where a person ordered the promotion: it needs no proof, and it ends any pause.
    """
    is_ordered, again = draft.status.promote_requested is not None, None if skip.is_on(draft) else edits.restart(draft)
    if is_ordered:
        if again is not None:
            edits.forget(draft, again)
        return False
    return again is not None or draft.snapshot.spec.paused or not steps.is_in_last(draft)


def _due(draft: Draft) -> float | None:
    status = draft.status
    times = []
    if status.scale_down_at is not None:
        times.append(status.scale_down_at)
    if status.settled is not None and status.phase in (Phase.PROMOTING, Phase.ROLLING_BACK):
        times.append(status.settled + rollback.DRAIN_SECONDS)
    if status.phase not in (Phase.HEALTHY, Phase.ROLLED_BACK):
        times.append(draft.now + RECHECK_SECONDS)
    if status.contest is not None and contest.obstacle(draft) is not None:
        times.append(status.contest.since + contest.WINDOW_SECONDS)
    if draft.snapshot.obstacle is not None:
        times.append(draft.now + RECHECK_SECONDS)
    times.extend(time for time in (routes.due(draft), conditions.due(draft)) if time is not None)
    times.extend(guardrails.due_times(draft))
    return min(times, default=None)


def _measure_at(draft: Draft) -> float | None:
    """The next look's own time; while the source fails, or the baseline is awaited, at least one interval from now."""
    if not looks.is_analysing(draft.status):
        return None
    loss, measurement = draft.snapshot.spec.loss, draft.snapshot.measurement
    due = draft.now
    if draft.status.baseline is not None:
        end = looks.next_end(draft.status, loss)
        if end is None:
            return None
        due = end + loss.settle_seconds
    if measurement is None or isinstance(measurement, LooksSeen):
        return due
    return max(due, draft.now + loss.interval_seconds)
