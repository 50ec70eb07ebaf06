"""Whether the process still does its work: what only a restart mends, and what is merely late.

Neither an API server nor a Prometheus that is away can look like an illness: every request has a time limit, so a turn
ends without them, and a watch is missed only while the Lease is renewed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from lossgate.controller.lease import Lease
from lossgate.controller.queue import WorkQueue
from lossgate.controller.reconciler import Reconciler

SLOW_TURN_SECONDS = 60.0
HUNG_TURN_SECONDS = 300.0
"""More than the time limits of everything in a turn add up to."""
LATE_WATCH_SECONDS = 60.0
DEAD_WATCH_SECONDS = 900.0
"""A stream that the API server ended, or that fell silent, has been opened anew several times by then."""


class Vitals:
    """What the probes ask."""

    def __init__(self, queue: WorkQueue, tasks: Callable[[], Sequence[asyncio.Task[None]]]) -> None:
        """Prepare; `tasks` are those that must run for ever."""
        self._queue = queue
        self._tasks = tasks
        self.reconciler: Reconciler | None = None
        self.lease: Lease | None = None

    def illness(self) -> str | None:
        """Return what only a restart mends, or None."""
        if any(task.done() for task in self._tasks()):
            return "a task that must run for ever has ended; see the log"
        busy, unseen = self._queue.busy_seconds(), self._unseen_seconds()
        if busy > HUNG_TURN_SECONDS:
            return f"a turn has hung for {busy:.0f} s"
        if unseen > DEAD_WATCH_SECONDS and self.lease is not None and self.lease.is_held():
            return f"the watch of ModelRollouts has not delivered the operator's own write for {unseen:.0f} s"
        return None

    def delay(self) -> str | None:
        """Return why this process does not keep up, or None."""
        busy, unseen = self._queue.busy_seconds(), self._unseen_seconds()
        if busy > SLOW_TURN_SECONDS:
            return f"a turn has taken {busy:.0f} s and is not over"
        if unseen > LATE_WATCH_SECONDS:
            return f"the watch has not delivered the operator's own write for {unseen:.0f} s"
        return None

    def _unseen_seconds(self) -> float:
        return self.reconciler.unseen_seconds() if self.reconciler is not None else 0.0
