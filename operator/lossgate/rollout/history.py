"""What the past says of a revision."""

from __future__ import annotations

from lossgate.api.reasons import Reason
from lossgate.api.status import HistoryEntry, RolloutStatus


def was_rolled_back(status: RolloutStatus, revision: str) -> bool:
    """Return whether a revision is out until it changes or is retried.

    A verdict is final, also when others were tried since, as far as the history reaches. A person's own step back holds
    while the spec goes on asking for the revision: who asks for it anew wants it.
    """
    if revision == status.rolled_back:
        return True
    last = last_entry(status, revision)
    return last is not None and last.result == "RolledBack" and last.reason is not Reason.ABORTED


def last_entry(status: RolloutStatus, revision: str) -> HistoryEntry | None:
    """Return how the last rollout of a revision ended, or None if it is not known."""
    return next((entry for entry in reversed(status.history) if entry.revision == revision), None)
