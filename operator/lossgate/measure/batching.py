"""Looks of many rollouts, asked for at the same moment, in few queries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lossgate.measure import counting
from lossgate.measure.source import (
    MAX_REVISIONS,
    BaselineAnswer,
    BaselineRequest,
    LookAnswer,
    LookRequest,
    MetricSource,
    Target,
)

WINDOW_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Kind:
    """Requests of one kind differ in their targets only, and these in label values only."""

    request: LookRequest
    matcher_labels: tuple[str, ...]


@dataclass(slots=True)
class _Batch:
    targets: dict[Target, None] = field(default_factory=dict)
    answer: asyncio.Future[LookAnswer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def has_room_for(self, targets: Sequence[Target]) -> bool:
        return len(self.targets.keys() | set(targets)) <= MAX_REVISIONS


class BatchingSource:
    """Joins look requests that arrive within a short window into one request of the source behind.

    Everyone gets the readings of their own targets only. If the joint request fails, everyone in it gets that error.
    A caller that is cancelled takes nothing away from the others.
    """

    def __init__(self, source: MetricSource, window_seconds: float = WINDOW_SECONDS) -> None:
        self._source = source
        self._window_seconds = window_seconds
        self._filling: dict[_Kind, _Batch] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def looks(self, request: LookRequest) -> LookAnswer:
        """Return the readings of the request's own targets.

        Raises:
            MeasurementError: The joint request gave no answer that can be trusted.
            ValueError: More targets than one query may have, or targets that cannot share one.
        """
        counting.check(request.scope, request.targets, request.last_end)  # Alone, so that it fails nobody else's looks.
        labels = tuple(name for name, _ in request.targets[0].matchers)
        kind = _Kind(replace(request, targets=()), labels)
        batch = self._filling.get(kind)
        if batch is None or not batch.has_room_for(request.targets):
            batch = self._filling[kind] = _Batch()
            task = asyncio.create_task(self._send_soon(kind, batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        batch.targets |= dict.fromkeys(request.targets)
        answer = await asyncio.shield(batch.answer)
        return LookAnswer({target: answer.arms[target] for target in request.targets})

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        """Return the loss history of a version, asked for on its own: once in a rollout."""
        return await self._source.baseline(request)

    async def close(self) -> None:
        """Give up what is under way and close the source behind."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._source.close()

    async def _send_soon(self, kind: _Kind, batch: _Batch) -> None:
        try:
            await asyncio.sleep(self._window_seconds)
            if self._filling.get(kind) is batch:
                del self._filling[kind]
            batch.answer.set_result(await self._source.looks(replace(kind.request, targets=tuple(batch.targets))))
        except asyncio.CancelledError:
            batch.answer.cancel()
            raise
        except Exception as error:
            batch.answer.set_exception(error)
            batch.answer.exception()  # Everyone who waited may have been cancelled; that is no error to report.
