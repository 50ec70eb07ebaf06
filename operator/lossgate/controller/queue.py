"""The work queue: one entry per object, due at a time; an object is never worked on twice at once."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable
from typing import NamedTuple


class Key(NamedTuple):
    """A ModelRollout."""

    namespace: str
    name: str


class WorkQueue:
    """Keys that are due now or later; adding a key again keeps its earliest time."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._active: dict[Key, float] = {}
        self._changed = asyncio.Event()
        self._open = False

    def open(self) -> None:
        """Let keys out: this process leads."""
        self._open = True
        self._changed.set()

    def close(self) -> None:
        """Keep keys in: another process leads."""
        self._open = False

    def add(self, key: Key, due: float | None = None) -> None:
        """Make a key due at `due` (Unix seconds; now if None), or earlier if it is so already."""
        at = self._clock() if due is None else due
        if at >= self._due.get(key, float("inf")):
            return
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))
        self._changed.set()

    def forget(self, key: Key) -> None:
        """Drop a key."""
        self._due.pop(key, None)

    async def get(self) -> Key:
        """Wait for a key that is due and not worked on, and return it; call `done` with it afterwards."""
        while True:
            self._changed.clear()
            wait = self._seconds_to_next()
            if wait is not None and wait <= 0:
                return self._take()
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def done(self, key: Key) -> None:
        """Say that a key is no longer worked on."""
        self._active.pop(key, None)
        if key in self._due:
            heapq.heappush(self._heap, (self._due[key], key))
            self._changed.set()

    def overdue_seconds(self) -> float:
        """Return how long the most overdue key has waited; 0 while closed, or with nothing due."""
        if not self._open or not self._due:
            return 0.0
        return max(0.0, self._clock() - min(self._due.values()))

    def busy_seconds(self) -> float:
        """Return how long the key that was taken first, of those not done yet, has been worked on; 0 if none is."""
        return self._monotonic() - min(self._active.values()) if self._active else 0.0

    def _seconds_to_next(self) -> float | None:
        if not self._open:
            return None
        while self._heap:
            at, key = self._heap[0]
            if self._due.get(key) == at and key not in self._active:
                return at - self._clock()
            heapq.heappop(self._heap)
        return None

    def _take(self) -> Key:
        _, key = heapq.heappop(self._heap)
        del self._due[key]
        self._active[key] = self._monotonic()
        return key
