"""How long to wait before a turn that failed is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

from lossgate.controller.queue import Key

FIRST_CONFLICT_SECONDS = 0.1
FIRST_SECONDS = 0.5
MAX_SECONDS = 30.0


class Backoff:
    """Counts failures in a row by object: each doubles the wait, up to `MAX_SECONDS`."""

    def __init__(self) -> None:
        self._waits: dict[Key, float] = {}

    def failed(self, key: Key, *, conflict: bool = False) -> float:
        """Return the seconds to wait after one more failure; a conflict is over as soon as the watch caught up."""
        first = FIRST_CONFLICT_SECONDS if conflict else FIRST_SECONDS
        wait = self._waits[key] = min(max(2 * self._waits.get(key, 0.0), first), MAX_SECONDS)
        return wait

    def forget(self, key: Key) -> None:
        """Start afresh: a turn succeeded, or the object is gone."""
        self._waits.pop(key, None)


class EverLater:
    """Waits of a watch that cannot be opened, without end: it must not take the process with it."""

    def __iter__(self) -> Iterator[float]:
        return chain((1.0, 1.0, 2.0, 3.0), repeat(5.0))
