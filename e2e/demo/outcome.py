"""How one rollout ended, in the numbers that people ask for, and whether it ended as it must."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from e2e.demo.acts import PROMOTED, Act
from lossgate.api.reasons import ConditionType, Reason
from lossgate.api.status import HistoryEntry, RolloutStatus
from lossgate.stats import Cause

__all__ = ["Outcome", "differences"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rollout that ended.

    Attributes:
        act: What was tried.
        entry: What the history of the status keeps of it.
        cause: The rule that found harm.
        verdict_seconds: From the first request that the canary answered to the verdict; None if it answered none.
        served: Requests that the version answered, by the client's count.
        errors: Requests that failed, by the client's count, since the rollout before ended.
    """

    act: Act
    entry: HistoryEntry
    cause: Cause
    verdict_seconds: float | None
    served: int
    errors: int

    @classmethod
    def of(
        cls,
        act: Act,
        status: RolloutStatus,
        promoting_times: Iterable[float],
        statistics: Mapping[str, Any],
        errors_before: int,
    ) -> Outcome:
        """Return the outcome of the rollout that a status ended with.

        Args:
            act: What was tried.
            status: The status after the end; the last entry of its history is this rollout's.
            promoting_times: When `Promoting` was told (Unix seconds), oldest first: the verdict of a promotion. That
                of a rollback is the end of the entry, to the millisecond.
            statistics: What the client counted.
            errors_before: Errors that it had counted when the rollout before ended.
        """
        entry = status.history[-1]
        first_seen = statistics["by_revision"].get(entry.revision, {}).get("first_seen")
        verdict = max(promoting_times, default=None) if entry.result == PROMOTED else entry.ended
        return cls(
            act=act,
            entry=entry,
            cause=_cause(status) if entry.reason is Reason.HARM else Cause.NONE,
            verdict_seconds=None if first_seen is None or verdict is None else verdict - first_seen,
            served=statistics["by_version"].get(act.version, {}).get("count", 0),
            errors=statistics["errors"] - errors_before,
        )


def _cause(status: RolloutStatus) -> Cause:
    """The condition's message is the only place where the status names the rule."""
    condition = status.condition(ConditionType.PROMOTED)
    message = condition.message if condition else ""
    return next((cause for cause in Cause if f"({cause.value})" in message), Cause.NONE)


def differences(outcome: Outcome) -> list[str]:
    """Return in sentences what is not as it must be; empty if all is."""
    act, entry = outcome.act, outcome.entry
    found = []
    if entry.result != act.result:
        found.append(f"{act.version} ended {entry.result} ({entry.reason}) and must end {act.result}")
    elif act.is_worse and entry.reason is not Reason.HARM:
        found.append(f"{act.version} was rolled back for {entry.reason}, not for {Reason.HARM}")
    elif outcome.cause is not act.cause:
        found.append(f"harm of {act.version} was found by {outcome.cause}, not by {act.cause}")
    if outcome.errors:
        found.append(f"{outcome.errors} requests failed while {act.version} was tried; none may")
    return found
