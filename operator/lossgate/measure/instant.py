"""One number from one query, apart from the looks: nothing that is asked here can keep a look waiting."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from lossgate.measure import envelope
from lossgate.measure.access import Access
from lossgate.measure.errors import AmbiguousSeries, Question, SourceUnavailable
from lossgate.measure.session import CheckedSession, open_session
from lossgate.measure.slots import in_loop
from lossgate.measure.source import InstantAnswer, InstantRequest, NoNumber, Number

TIMEOUT_SECONDS = 10.0
QUERIES_AT_ONCE = 32
QUERIES_AT_ONCE_PER_URL = 16
"""A server that keeps its askers waiting has no more of the threads than this."""
MAX_SESSIONS = 64
"""Credentials change, so that an access may never be asked for again."""


class PrometheusInstant:
    """Asks Prometheus servers for single numbers, each query once, in threads of its own.

    A session belongs to one access, so nothing that lets one question in is ever sent with another.
    """

    def __init__(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="prometheus-instant")
        self._slots = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._slots_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._sessions: OrderedDict[Access, CheckedSession] = OrderedDict()

    async def instant(self, request: InstantRequest) -> InstantAnswer:
        """Return the number that the query has at that moment, or why it has none.

        Raises:
            MeasurementError: No answer that can be trusted, or one that is not a single number.
        """
        question = Question(request.access.url, request.query, request.at)
        session = self._session(request.access, question)
        # Waiting for others is nobody's fault: the time that an answer may take begins when the query is sent.
        job = await self._sent(session, request)
        try:
            async with asyncio.timeout(2 * self._timeout_seconds):
                result = await asyncio.wrap_future(job)
        except TimeoutError as error:
            raise SourceUnavailable("no answer in time", question, "make the query cheaper") from error
        return _read(envelope.numbers(result, question), question)

    async def close(self) -> None:
        """Close connections; queries under way are left to their timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in self._sessions.values():
            session.close()

    async def _sent(self, session: CheckedSession, request: InstantRequest) -> Future[Any]:
        """Send a query from a thread as soon as there is one for its server; both are free again when it ends."""
        loop = asyncio.get_running_loop()
        own = self._slots_of.setdefault(request.access.url.rstrip("/"), asyncio.Semaphore(QUERIES_AT_ONCE_PER_URL))
        await own.acquire()
        try:
            await self._slots.acquire()
        except asyncio.CancelledError:
            own.release()
            raise

        def ended() -> None:
            self._slots.release()
            own.release()

        job = self._threads.submit(self._ask, session, request)
        job.add_done_callback(partial(in_loop, loop, ended))
        return job

    def _ask(self, session: CheckedSession, request: InstantRequest) -> Any:
        url = request.access.url.rstrip("/")
        client = PrometheusConnect(url, session=session, retry=Retry(total=0), method="POST")
        return client.custom_query(request.query, {"time": request.at, "timeout": f"{self._timeout_seconds:g}s"})

    def _session(self, access: Access, question: Question) -> CheckedSession:
        """Return the session for one access; one that was forgotten meanwhile ends with the last query in it."""
        if access not in self._sessions:
            self._sessions[access] = open_session(access, self._timeout_seconds, question, envelope.ONE_NUMBER)
        self._sessions.move_to_end(access)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return self._sessions[access]


def _read(values: list[float], question: Question) -> InstantAnswer:
    if len(values) > 1:
        what = f"{len(values)} series where one is expected"
        raise AmbiguousSeries(what, question, "aggregate in the query, such as by sum() or max()")
    if not values:
        return NoNumber(f"the query gave no series ({question})")
    if not math.isfinite(values[0]):
        return NoNumber(f"the query gave {values[0]} ({question})")
    return Number(values[0])
