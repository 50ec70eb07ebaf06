"""Workers take what is due from the queue, one turn each; what fails is tried again, ever later."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from lossgate.controller.backoff import FIRST_SECONDS, Backoff
from lossgate.controller.kube import KubeError
from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.queue import Key, WorkQueue

NOT_LEADING_RETRY_SECONDS = 1.0
MAX_RETRY_AFTER_SECONDS = 5.0
"""An API server asks for a second or so; a rollback must not wait for whatever else asks for more."""

_log = logging.getLogger(__name__)


class NotLeading(Exception):
    """Leadership was lost before a turn or in the middle of it; the next leader goes on from the status."""


class Turns(Protocol):
    """What is done for an object when it is due."""

    async def turn(self, key: Key) -> None:
        """Bring one object one step further."""

    def knows(self, key: Key) -> bool:
        """Return whether there still is such an object."""


class Workers:
    """Any number of loops of `work` over one queue."""

    def __init__(self, queue: WorkQueue, turns: Turns, metrics: OperatorMetrics, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._turns = turns
        self._metrics = metrics
        self._clock = clock
        self._backoff = Backoff()

    async def work(self) -> None:
        """Take turns until cancelled; no failure of a turn ends it."""
        while True:
            key = await self._queue.get()
            try:
                await self._turns.turn(key)
                self._backoff.forget(key)
            except NotLeading:
                self._queue.add(key, self._clock() + NOT_LEADING_RETRY_SECONDS)
            except KubeError as error:
                after = min(error.retry_after_seconds, MAX_RETRY_AFTER_SECONDS)
                self._retry(key, error, conflict=error.status == 409, at_least_seconds=after)
            # A defect in one rollout's turn must neither stop this worker nor pass unseen; it is retried and counted.
            except Exception as error:
                _log.exception("%s/%s: turn failed", *key)
                self._retry(key, error)
            finally:
                self._queue.done(key)

    def _retry(self, key: Key, error: Exception, *, conflict: bool = False, at_least_seconds: float = 0.0) -> None:
        """Try again later; an object that was deleted during its turn leaves nothing behind."""
        if not self._turns.knows(key):
            self._backoff.forget(key)
            return
        wait = max(self._backoff.failed(key, conflict=conflict), at_least_seconds)
        # The watch ends a conflict within moments; one that lasts must not pass in silence.
        if not conflict or wait >= FIRST_SECONDS:
            self._metrics.errors.labels(*key).inc()
            _log.warning("%s/%s: tried again in %.1f s: %s", *key, wait, error)
        self._queue.add(key, self._clock() + wait)
