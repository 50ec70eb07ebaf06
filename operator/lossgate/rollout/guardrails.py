"""Limits beside the loss: when each is evaluated, what it says, and what follows.

One that cannot be measured neither passes nor fails: it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from lossgate.api.guardrails import Guardrail
from lossgate.api.quantities import format_duration
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import GuardrailStatus, RolloutStatus
from lossgate.api.texts import shown
from lossgate.rollout import looks, rollback, skip
from lossgate.rollout.draft import Draft
from lossgate.rollout.guardrail_seen import GuardrailSeen, NoValue, Reading, Unreadable, Value
from lossgate.rollout.snapshot import Snapshot

AWAITED_SECONDS = 15.0
"""How long a step that could be left waits for an evaluation that is under way."""
SHOWN_CHARACTERS, MIN_SHOWN_CHARACTERS = 1920, 120
"""Of all messages together, and of each, in the status; the events have all of it."""
STALE_SECONDS = 60.0
"""A pass counts no longer when the evaluation after it is late by this and two intervals."""


class Result(StrEnum):
    """What the last evaluation of a guardrail in this step said."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class GuardrailWanted:
    """A guardrail is to be evaluated for the moment `end` (Unix seconds)."""

    guardrail: Guardrail
    test: str
    end: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one evaluation says; `reason` where it says nothing."""

    result: Result
    message: str
    reason: Reason | None = None


def wanted(snapshot: Snapshot, now: float) -> tuple[GuardrailWanted, ...]:
    """Return the evaluations that are due; where several were missed, only the newest is made up for."""
    spec, status = snapshot.spec, snapshot.status
    found = []
    for guardrail in spec.guardrails:
        first = _next_end(spec, status, guardrail)
        if first is not None and now >= first + spec.loss.settle_seconds:
            interval = spec.loss.interval_seconds
            newest = math.floor((now - spec.loss.settle_seconds) / interval) * interval
            found.append(GuardrailWanted(guardrail, _fingerprint(spec, guardrail), max(first, newest)))
    return tuple(found)


def due_times(draft: Draft) -> tuple[float, ...]:
    """Return when the next evaluations will be due (Unix seconds); those that are due already are under way."""
    spec = draft.snapshot.spec
    ends = (_next_end(spec, draft.status, guardrail) for guardrail in spec.guardrails)
    times = (end + spec.loss.settle_seconds for end in ends if end is not None)
    return tuple(time for time in times if time > draft.now)


def rolled_back(draft: Draft) -> bool:
    """Take in what was evaluated; roll back where a limit failed too often, or could not be read for too long."""
    spec = draft.snapshot.spec
    _follow_spec(draft)
    for seen in draft.snapshot.guardrails:
        _take_in(draft, seen)
    for guardrail, status in zip(spec.guardrails, draft.status.guardrails, strict=True):
        if status.failures >= guardrail.failure_limit:
            row = f"{status.failures} evaluation{'' if status.failures == 1 else 's'} in a row"
            message = f"Guardrail {guardrail.name} failed {row} ({guardrail.limits()}): {status.message}"
            rollback.start(draft, Reason.GUARDRAIL_FAILED, message)
            return True
        since = status.unreadable_since
        if since is not None and draft.now >= since + spec.gate.hold_timeout_seconds:
            waited = format_duration(draft.now - since)
            message = f"Guardrail {guardrail.name} could not be read for {waited}: {status.message}"
            rollback.start(draft, Reason.UNMEASURABLE, message)
            return True
    return False


def blocker(draft: Draft) -> str | None:
    """Return why the step must not be left upwards: which guardrail did not pass its last evaluation in it.

    A canary that comes in without analysis is not evaluated, and a person's order to promote asks for no proof.
    """
    if skip.is_on(draft) or draft.status.promote_requested is not None:
        return None
    spec = draft.snapshot.spec
    known = {status.name: status for status in draft.status.guardrails}
    for guardrail in spec.guardrails:
        status = known.get(guardrail.name)
        if status is None or status.result == Result.PENDING:
            return f"Guardrail {guardrail.name} has not been evaluated in this step"
        if status.result != Result.PASSED:
            what = "is outside of its limits" if status.result == Result.FAILED else "cannot be measured"
            return f"Guardrail {guardrail.name} {what}: {status.message}"
        late, step = _late_seconds(draft, guardrail), guardrail.step_seconds(spec.loss.interval_seconds)
        if late >= 2 * step + STALE_SECONDS:
            return f"Guardrail {guardrail.name} has not been evaluated for {format_duration(late)}"
    return None


def held_since(draft: Draft) -> float:
    """Return since when some guardrail has not passed (Unix seconds); now if all have."""
    others = (status for status in draft.status.guardrails if status.result != Result.PASSED)
    return min((status.since for status in others if status.since is not None), default=draft.now)


def is_awaited(draft: Draft) -> bool:
    """Return whether an answer is on its way that may still speak against leaving the step; it is waited for a while.

    Not for ever: where answers always come late, the last one counts, as long as it is not stale.
    """
    if skip.is_on(draft) or draft.status.promote_requested is not None:
        return False
    look_seconds = draft.snapshot.spec.loss.interval_seconds
    return any(
        0 <= _late_seconds(draft, guardrail) < min(guardrail.step_seconds(look_seconds), AWAITED_SECONDS)
        for guardrail in draft.snapshot.spec.guardrails
    )


def hold_back(draft: Draft) -> bool:
    """Say in `Promoted` why the step is not left, or that nothing holds it back any more; return whether it is held."""
    why = blocker(draft)
    promoted = draft.status.condition(ConditionType.PROMOTED)
    if why is not None:
        message = f"The loss allows more traffic. {why}."
        draft.condition(ConditionType.PROMOTED, None, Reason.GUARDRAIL_PENDING, message)
    elif promoted is not None and promoted.reason is Reason.GUARDRAIL_PENDING:
        what = "is being promoted" if draft.status.phase is Phase.PROMOTING else "is being judged"
        message = f"{draft.canary.model_version} {what}."
        draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, message)
    return why is not None


def unknown(draft: Draft) -> tuple[Reason, str] | None:
    """Return which guardrail cannot be measured, and why."""
    for status in draft.status.guardrails:
        if status.result == Result.UNKNOWN and status.reason is not None:
            return status.reason, f"Guardrail {status.name}: {status.message}"
    return None


def judge(guardrail: Guardrail, canary: Reading, stable: Reading | None) -> Judgement:
    """Return what an evaluation says: a limit that is broken for certain outweighs one that cannot be told."""
    if not isinstance(canary, Value):
        return Judgement(Result.UNKNOWN, canary.message, _reason(canary))
    value = canary.value
    if not math.isfinite(value):
        return Judgement(Result.UNKNOWN, f"{value} is no number ({canary.message})", Reason.PARTIAL_DATA)
    if guardrail.max is not None and value > guardrail.max:
        return Judgement(Result.FAILED, f"{value:.6g} is above max {guardrail.max:g} ({canary.message})")
    if guardrail.min is not None and value < guardrail.min:
        return Judgement(Result.FAILED, f"{value:.6g} is below min {guardrail.min:g} ({canary.message})")
    if guardrail.max_ratio_to_stable is not None:
        return _judge_ratio(guardrail.max_ratio_to_stable, canary, stable)
    return Judgement(Result.PASSED, f"{value:.6g} is fine: {guardrail.limits()} ({canary.message})")


def _judge_ratio(limit: float, canary: Value, stable: Reading | None) -> Judgement:
    if stable is None:
        return Judgement(Result.UNKNOWN, "the stable version was not asked about", Reason.PARTIAL_DATA)
    if not isinstance(stable, Value):
        return Judgement(Result.UNKNOWN, f"stable version: {stable.message}", _reason(stable))
    if not 0 < stable.value < math.inf:
        what = f"the stable version's value is {stable.value:.6g}, so there is no ratio to it ({stable.message})"
        return Judgement(Result.UNKNOWN, what, Reason.PARTIAL_DATA)
    ratio = canary.value / stable.value
    what = f"{canary.value:.6g} is {ratio:.4g} times the stable version's {stable.value:.6g}"
    if ratio > limit:
        return Judgement(Result.FAILED, f"{what}, above maxRatioToStable {limit:g} ({canary.message})")
    return Judgement(Result.PASSED, f"{what} ({canary.message})")


def _reason(reading: NoValue | Unreadable) -> Reason:
    """An answer without a value is no fault of the source; the picture of the version is incomplete all the same."""
    return reading.reason if isinstance(reading, Unreadable) else Reason.PARTIAL_DATA


def _follow_spec(draft: Draft) -> None:
    """Have one status for each guardrail of the spec, in its order; another query or limit starts from nothing."""
    spec = draft.snapshot.spec
    known = {(status.name, status.test): status for status in draft.status.guardrails}
    keys = [(guardrail.name, _fingerprint(spec, guardrail)) for guardrail in spec.guardrails]
    draft.set(guardrails=tuple(known.get(key) or GuardrailStatus(name=key[0], test=key[1]) for key in keys))


def _take_in(draft: Draft, seen: GuardrailSeen) -> None:
    """Count an evaluation once, and only one that is about the canary and the weight in force."""
    spec, statuses = draft.snapshot.spec, draft.status.guardrails
    for index, (guardrail, before) in enumerate(zip(spec.guardrails, statuses, strict=True)):
        first = _next_end(spec, draft.status, guardrail)
        is_own = (seen.name, seen.test, seen.revision) == (before.name, before.test, draft.canary.revision)
        if not is_own or first is None or seen.end < first:
            continue
        judgement = judge(guardrail, seen.canary, seen.stable)
        after = _counted(draft, before, seen, judgement)
        draft.set(guardrails=(*statuses[:index], after, *statuses[index + 1 :]))
        _tell(draft, guardrail, before, after.model_copy(update={"message": judgement.message}))


def _room(draft: Draft) -> int:
    """Return the characters that a message may have in the status; they share what there is, as there may be many."""
    return max(MIN_SHOWN_CHARACTERS, SHOWN_CHARACTERS // len(draft.snapshot.spec.guardrails))


def _counted(draft: Draft, before: GuardrailStatus, seen: GuardrailSeen, judgement: Judgement) -> GuardrailStatus:
    failures = {Result.PASSED: 0, Result.FAILED: before.failures + 1}.get(judgement.result, before.failures)
    is_unreadable = judgement.result is Result.UNKNOWN and (
        isinstance(seen.canary, Unreadable) or isinstance(seen.stable, Unreadable)
    )
    return before.model_copy(
        update={
            "result": judgement.result.value,
            "value": f"{seen.canary.value:.6g}" if isinstance(seen.canary, Value) else before.value,
            "stable_value": f"{seen.stable.value:.6g}" if isinstance(seen.stable, Value) else before.stable_value,
            "failures": failures,
            "since": before.since if before.result == judgement.result else seen.end,
            "evaluated": seen.end,
            "unreadable_since": (before.unreadable_since or draft.now) if is_unreadable else None,
            "reason": judgement.reason,
            "message": shown(judgement.message, _room(draft)),
        }
    )


def _tell(draft: Draft, guardrail: Guardrail, before: GuardrailStatus, after: GuardrailStatus) -> None:
    what = f"Guardrail {after.name}: {after.message}"
    if after.result == Result.UNKNOWN:
        if (before.result, before.reason) != (after.result, after.reason):
            draft.tell(EventReason.NOT_MEASURED, f"{after.reason}: {what}", warning=True)
    elif after.failures == 1 and guardrail.failure_limit > 1:
        draft.tell(EventReason.GUARDRAIL_FAILING, f"{what}; {guardrail.failure_limit} in a row roll back", warning=True)
    elif after.result == Result.PASSED and before.failures > 0:
        draft.tell(EventReason.GUARDRAIL_PASSING, what)
    elif before.result == Result.UNKNOWN:
        draft.tell(EventReason.MEASURED_AGAIN, what)


def _next_end(spec: RolloutSpec, status: RolloutStatus, guardrail: Guardrail) -> float | None:
    """Return the moment of the next evaluation, or None while the weights of the step are not in force.

    The first one reaches back to where the first look begins, so that nothing of another weight enters it.
    """
    if not looks.is_analysing(status) or status.step is None or status.step.since is None:
        return None
    interval, step = spec.loss.interval_seconds, guardrail.step_seconds(spec.loss.interval_seconds)
    first = looks.first_begin(status.step.since, spec.loss) + step
    last = _last_end(spec, status, guardrail)
    return first if last is None else max(first, math.ceil(last / interval) * interval + step)


def _late_seconds(draft: Draft, guardrail: Guardrail) -> float:
    """Return for how long the next evaluation has been due; negative while it is not."""
    spec = draft.snapshot.spec
    end = _next_end(spec, draft.status, guardrail)
    return -math.inf if end is None else draft.now - end - spec.loss.settle_seconds


def _last_end(spec: RolloutSpec, status: RolloutStatus, guardrail: Guardrail) -> float | None:
    key = (guardrail.name, _fingerprint(spec, guardrail))
    return next((known.evaluated for known in status.guardrails if (known.name, known.test) == key), None)


def _fingerprint(spec: RolloutSpec, guardrail: Guardrail) -> str:
    return guardrail.fingerprint(spec.loss.prometheus.url)
