"""A spec or a status that cannot be read: another version wrote it, or a hand. It is said, and nothing is touched."""

from __future__ import annotations

from lossgate.api.reasons import ConditionType, EventReason, Reason
from lossgate.api.status import Condition, RolloutStatus
from lossgate.api.texts import MAX_MESSAGE_CHARACTERS, shown
from lossgate.rollout.decision import Decision, Event
from lossgate.rollout.snapshot import Obstacle


def refuse_spec(status: RolloutStatus, generation: int, problem: str, now: float) -> Decision:
    """Return what to say of a ModelRollout whose spec cannot be read; told once, however often it is seen."""
    message = f"{problem}. Nothing is changed until this is mended: pods, weights and evidence stay as they are."
    return refuse(status, generation, Obstacle(Reason.INVALID_SPEC, message), now)


def refuse(status: RolloutStatus, generation: int, problem: Obstacle, now: float) -> Decision:
    """Return a decision that says what a person must do, and changes nothing else."""
    message = shown(problem.message, MAX_MESSAGE_CHARACTERS)
    before = status.condition(ConditionType.STALLED)
    since = before.last_transition_time if before and before.status == "True" else now
    stalled = Condition(
        type=ConditionType.STALLED,
        status="True",
        observed_generation=generation,
        last_transition_time=since,
        reason=problem.reason,
        message=message,
    )
    others = tuple(condition for condition in status.conditions if condition.type is not ConditionType.STALLED)
    is_news = before is None or (before.reason, before.message) != (stalled.reason, stalled.message)
    told = (Event(EventReason.STALLED, f"{problem.reason}: {message}", warning=True),) if is_news else ()
    conditions = sorted((*others, stalled), key=lambda item: list(ConditionType).index(item.type))
    changes = {"observed_generation": generation, "conditions": tuple(conditions)}
    return Decision(status.model_copy(update=changes), events=told)
