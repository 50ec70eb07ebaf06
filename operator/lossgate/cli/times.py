"""Times of recorded evidence: epoch seconds or ISO 8601, the same way throughout a file."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum

LAST_SECOND = 253_402_300_799.0
"""The end of the year 9999; epoch times in milliseconds lie beyond."""


class Notation(Enum):
    """How a file writes its times."""

    EPOCH = "epoch seconds"
    ISO_WITH_ZONE = "ISO 8601 with a time zone"
    ISO_WITHOUT_ZONE = "ISO 8601 without a time zone"


class Clock:
    """Reads times, all of which must be written as the first one is."""

    def __init__(self) -> None:
        self.notation: Notation | None = None
        self._last: tuple[object, float] = (None, 0.0)

    def read(self, raw: object) -> float:
        """Return Unix seconds; a time without a zone is taken for UTC.

        Raises:
            ValueError: Not a time, or written in another way than those before.
        """
        if raw == self._last[0]:
            return self._last[1]
        seconds, notation = _read(raw)
        if self.notation not in (None, notation):
            raise ValueError(f"{raw!r} is {notation.value}, the times before are {self.notation.value}")
        self.notation = notation
        self._last = (raw, seconds)
        return seconds

    def text(self, seconds: float) -> str | float:
        """Return a time as the file writes times; ISO 8601 always in UTC."""
        if self.notation is Notation.EPOCH:
            return int(seconds) if seconds.is_integer() else seconds
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _read(raw: object) -> tuple[float, Notation]:
    if isinstance(raw, int | float):
        return _epoch(float(raw))
    text = str(raw)
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return _epoch(seconds)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        shown = f"{text!r} is" if text and raw is not None else "empty:"
        raise ValueError(f"{shown} neither ISO 8601, such as 2026-11-01T00:00:00Z, nor epoch seconds") from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC).timestamp(), Notation.ISO_WITHOUT_ZONE
    return moment.timestamp(), Notation.ISO_WITH_ZONE


def _epoch(seconds: float) -> tuple[float, Notation]:
    if not 0.0 <= seconds <= LAST_SECOND:
        raise ValueError(f"{seconds:.15g} is no time in epoch seconds; milliseconds must be divided by 1000")
    return seconds, Notation.EPOCH
