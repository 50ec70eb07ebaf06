"""What one evaluation of a guardrail gave, for each version that it asked about."""

from __future__ import annotations

from dataclasses import dataclass

from lossgate.api.reasons import Reason


@dataclass(frozen=True, slots=True)
class Value:
    """A finite number."""

    value: float
    message: str = ""
    """The query and its time."""


@dataclass(frozen=True, slots=True)
class NoValue:
    """The source answered, and has nothing to say: no series, NaN or infinity."""

    message: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """No answer that can be trusted."""

    reason: Reason
    message: str


Reading = Value | NoValue | Unreadable


@dataclass(frozen=True, slots=True)
class GuardrailSeen:
    """One guardrail evaluated for the moment `end` (Unix seconds, the end of a look)."""

    name: str
    test: str
    """Fingerprint of the query and limits that were in force when it was asked."""
    revision: str
    """The canary that was asked about."""
    end: float
    canary: Reading
    stable: Reading | None = None
    """The stable version's side, where a ratio is limited."""
