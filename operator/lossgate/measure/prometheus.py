"""Losses kept in a Prometheus, or in anything that answers its query API."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from lossgate.measure import counting, envelope, reading
from lossgate.measure.access import Access
from lossgate.measure.counting import LOOK_BACKS, LookBacks
from lossgate.measure.envelope import Row
from lossgate.measure.errors import Question, SourceUnavailable
from lossgate.measure.session import CheckedSession, open_session
from lossgate.measure.slots import in_loop
from lossgate.measure.source import BaselineAnswer, BaselineRequest, LookAnswer, LookRequest

TIMEOUT_SECONDS = 10.0
QUERIES_AT_ONCE = 8
QUERIES_AT_ONCE_PER_URL = 2
MAX_SERVERS = 64
"""Accesses with connections open at the same time, besides those that are being asked."""
IDLE_SECONDS = 600.0
"""Connections, and the credentials in them, are given up after this long: those of a rotated token among them."""


@dataclass(slots=True)
class _Server:
    client: Any  # PrometheusConnect, which has no types
    session: CheckedSession
    slots: asyncio.Semaphore
    asked_at: float = 0.0
    under_way: int = 0


class PrometheusSource:
    """Asks Prometheus servers, each query once: whoever asks knows better than a retry when to ask again.

    The client blocks, so it runs in threads of this source's own. A server that hangs keeps only its own two of them.
    """

    def __init__(
        self,
        timeout_seconds: float = TIMEOUT_SECONDS,
        look_backs: LookBacks = LOOK_BACKS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._look_backs = look_backs
        self._threads = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="prometheus")
        self._servers: OrderedDict[Access, _Server] = OrderedDict()
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.queries_sent = 0

    async def looks(self, request: LookRequest) -> LookAnswer:
        """Return what the counters of every target rose by within each look, from one query.

        Raises:
            MeasurementError: No answer that can be trusted.
            ValueError: More targets than one query may have, or targets that cannot share one.
        """
        query = counting.look_query(request, self._look_backs)
        group = counting.group_labels(request.scope, request.targets)
        rows = await self._rows(request.scope.access, query, request.ends, group)
        return reading.read_looks(rows, request)

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        """Return the loss history of a version over up to seven days, and its present rates.

        Raises:
            MeasurementError: No answer that can be trusted.
        """
        query = counting.baseline_query(request)
        group = counting.group_labels(request.scope, (request.target,))
        rows = await self._rows(request.scope.access, query, range(request.at, request.at + 1), group)
        return reading.read_baseline(rows, request)

    async def close(self) -> None:
        """Close connections; queries under way are left to their timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for server in self._servers.values():
            server.session.close()

    async def _rows(self, access: Access, query: str, ends: range, group: tuple[str, ...]) -> list[Row]:
        question = Question(access.url, query, ends[-1])
        server = self._server(access, question)
        try:
            # Waiting for a slot counts: the answer to a look must be there before the next one is due.
            async with asyncio.timeout(2 * self._timeout_seconds):
                result = await self._in_thread(server, query, ends)
        except TimeoutError as error:
            raise SourceUnavailable("no answer in time", question, "see whether it is overloaded") from error
        rows = envelope.rows(result, question, ends)
        reading.check_rows(rows, group, question)
        return rows

    async def _in_thread(self, server: _Server, query: str, ends: range) -> Any:
        """Ask in a slot that is free again when the thread is, however long ago whoever asked gave up.

        The timeout of a socket is for each piece, so a server that sends its headers bit by bit holds a thread for
        hours: its own two, and none of those that other servers are asked with.
        """
        loop = asyncio.get_running_loop()
        server.under_way += 1
        try:
            await server.slots.acquire()
        except asyncio.CancelledError:
            server.under_way -= 1
            raise

        def ended() -> None:
            server.under_way -= 1
            server.slots.release()

        self.queries_sent += 1
        job = self._threads.submit(self._ask, server.client, query, ends)
        job.add_done_callback(partial(in_loop, loop, ended))
        return await asyncio.wrap_future(job)

    def _ask(self, client: Any, query: str, ends: range) -> Any:
        return client.custom_query_range(
            query,
            start_time=datetime.fromtimestamp(ends[0], UTC),
            end_time=datetime.fromtimestamp(ends[-1], UTC),
            step=f"{ends.step}s",
            params={"timeout": f"{self._timeout_seconds:g}s"},
        )

    def _server(self, access: Access, question: Question) -> _Server:
        now = asyncio.get_running_loop().time()
        self._close_unused(now)
        server = self._servers.get(access)
        if server is None:
            server = self._servers[access] = self._connected(access, question)
        server.asked_at = now
        self._servers.move_to_end(access)
        return server

    def _connected(self, access: Access, question: Question) -> _Server:
        url = access.url.rstrip("/")
        session = open_session(access, self._timeout_seconds, question, clock=self._clock)
        client = PrometheusConnect(url, session=session, retry=Retry(total=0), method="POST")
        # By address, not by access: a server that hangs must not keep more threads because many tenants ask it.
        slots = self._slots.setdefault(url, asyncio.Semaphore(QUERIES_AT_ONCE_PER_URL))
        return _Server(client, session, slots)

    def _close_unused(self, now: float) -> None:
        for access, server in list(self._servers.items()):
            is_surplus = len(self._servers) > MAX_SERVERS or now - server.asked_at > IDLE_SECONDS
            if is_surplus and server.under_way == 0:
                del self._servers[access]
                server.session.close()
