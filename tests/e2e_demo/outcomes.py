"""Builders of what a demo's rollout leaves behind: a status and the client's counts."""

from __future__ import annotations

from typing import Any

from e2e.demo.acts import ACTS, Act
from e2e.demo.outcome import Outcome
from lossgate.api.status import RolloutStatus

V2, V3, V4 = ACTS
FIRST_SEEN = 1_000.0


def a_status(
    act: Act, *, result: str | None = None, reason: str | None = None, rule: str | None = None
) -> RolloutStatus:
    """Return the status after a rollout that ended 90.25 s after the canary's first answer, by default as it must."""
    reason = reason or ("Harm" if act.is_worse else "Promoted")
    entry = {
        "revision": f"digits-{act.version}",
        "modelVersion": act.version,
        "result": result or act.result,
        "reason": reason,
        "started": "1970-01-01T00:16:00.000Z",
        "ended": "1970-01-01T00:18:10.250Z",
        "step": 1,
        "looks": 80,
        "labels": {"stable": 10_100, "canary": 9_900},
        "meanLoss": {"stable": "0.4012", "canary": "0.7221"},
        "delta": {"estimate": "80.1%", "lower": "6.2%", "upper": "160.0%"},
    }
    condition = {
        "type": "Promoted",
        "status": "False" if reason == "Harm" else "True",
        "lastTransitionTime": "1970-01-01T00:18:10Z",
        "reason": reason,
        "message": f"Worse than the margin of 5.0% ({rule or act.cause}): canary loss 0.7221",
    }
    return RolloutStatus.model_validate({"phase": "RolledBack", "history": [entry], "conditions": [condition]})


def some_statistics(act: Act, *, errors: int = 0) -> dict[str, Any]:
    """Return the counts of a client that the version answered 1,234 times."""
    seen = {"count": 1_234, "first_seen": FIRST_SEEN, "last_seen": FIRST_SEEN + 95}
    return {"errors": errors, "by_revision": {f"digits-{act.version}": seen}, "by_version": {act.version: seen}}


def an_outcome(act: Act, *, errors: int = 0, **status: Any) -> Outcome:
    """Return an outcome, by default as it must be."""
    return Outcome.of(act, a_status(act, **status), [FIRST_SEEN + 80], some_statistics(act, errors=errors), 0)
