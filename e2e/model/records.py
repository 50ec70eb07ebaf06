"""Sends predictions and labels to the label joiner in batches, behind the requests' back."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import islice

import aiohttp

_INTERVAL_SECONDS = 0.1
_BATCH = 1000
_TIMEOUT = aiohttp.ClientTimeout(total=2.0)

_log = logging.getLogger(__name__)

Record = dict[str, object]


class RecordSender:
    """Posts batches of records; a batch that failed is tried again at the next turn, the oldest go when full.

    Adding never blocks and never fails. The receiver must ignore records it has seen.
    """

    def __init__(self, url: str, key: str, on_lost: Callable[[int], None], *, capacity: int = 20_000) -> None:
        """Create a sender.

        Args:
            url: Where batches are posted.
            key: The JSON key that holds the list of records.
            on_lost: Told how many records will never arrive: refused, or pushed out when full.
            capacity: How many records wait at most.
        """
        self._url = url
        self._key = key
        self._waiting: deque[Record] = deque(maxlen=capacity)
        self._on_lost = on_lost
        self._is_delayed = False

    def add(self, record: Record) -> None:
        """Queue a record for the next batch."""
        if len(self._waiting) == self._waiting.maxlen:
            self._on_lost(1)
        self._waiting.append(record)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Send in the background; on leaving, what still waits is sent once more."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            stopping = asyncio.Event()
            task = asyncio.create_task(self._run(session, stopping))
            try:
                yield
            finally:
                stopping.set()
                await task
                await self._flush(session)

    async def _run(self, session: aiohttp.ClientSession, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _INTERVAL_SECONDS)
            await self._flush(session)

    async def _flush(self, session: aiohttp.ClientSession) -> None:
        """Send batches until nothing waits or one fails."""
        while self._waiting:
            batch = list(islice(self._waiting, _BATCH))
            try:
                async with session.post(self._url, json={self._key: batch}) as response:
                    status, text = response.status, await response.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                self._delayed(repr(error))
                return
            if status >= 500:
                self._delayed(f"status {status}")
                return
            self._is_delayed = False
            if status >= 400:
                _log.error("%s refuses %d records for good: %d %s", self._url, len(batch), status, text[:500])
                self._on_lost(len(batch))
            self._forget(batch)

    def _delayed(self, why: str) -> None:
        """Log the first of several failures in a row."""
        if not self._is_delayed:
            _log.warning("%s takes nothing (%s): records wait, and the oldest go when full", self._url, why)
        self._is_delayed = True

    def _forget(self, batch: list[Record]) -> None:
        """Remove the batch from the front, of which newer records may have pushed out a part meanwhile."""
        sent = {id(record) for record in batch}
        while self._waiting and id(self._waiting[0]) in sent:
            self._waiting.popleft()
