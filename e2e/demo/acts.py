"""The play: which versions are tried one after the other, and how each must end."""

from __future__ import annotations

from dataclasses import dataclass

from lossgate.stats import Cause

__all__ = ["ACTS", "FIRST_VERSION", "PROMOTED", "ROLLED_BACK", "Act"]

FIRST_VERSION = "v1"
PROMOTED = "Promoted"
ROLLED_BACK = "RolledBack"


@dataclass(frozen=True, slots=True)
class Act:
    """One version that is tried against the one that serves.

    Attributes:
        version: The version's name.
        character: What is known about it before it is tried.
        result: How its rollout must end, as the history of the status says it.
        cause: The rule that must find harm; None if none may.
        limit_seconds: How long the rollout may take in all.
    """

    version: str
    character: str
    result: str
    cause: Cause
    limit_seconds: float

    @property
    def is_worse(self) -> bool:
        """Whether the version is worse than the one that serves."""
        return self.result == ROLLED_BACK


ACTS = (
    Act("v2", "a little better", PROMOTED, Cause.NONE, 420.0),
    Act("v3", "same answers, overconfident", ROLLED_BACK, Cause.MAIN_RULE, 240.0),
    Act("v4", "broken", ROLLED_BACK, Cause.GUARD, 180.0),
)
