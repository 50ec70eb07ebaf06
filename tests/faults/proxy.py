"""A reverse proxy in a thread of its own: it sees every request on its way, and can break any of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from yarl import URL

from tests.faults.faults import (
    GONE,
    Answer,
    Cut,
    Delay,
    EndWatch,
    Fault,
    Hang,
    Rewrite,
    Slow,
    Stale,
)

__all__ = ["Answer", "Cut", "Delay", "EndWatch", "Fault", "Hang", "Proxy", "Rewrite", "Seen", "Slow", "Stale"]

_T = TypeVar("_T")
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "host"}
_SLICES_PER_SECOND = 10
_THREAD_SECONDS = 10.0
_KEPT_ANSWERS = 50


@dataclass(slots=True)
class Seen:
    """One request. `status` is what the client was answered, 0 while, or where, it got no status."""

    number: int
    """From 1, in the order of arrival."""
    method: str
    path: str
    query: Mapping[str, str]
    at: float
    """When it came (monotonic seconds)."""
    status: int = 0
    body: bytes = field(default=b"", repr=False)

    @property
    def is_watch(self) -> bool:
        """Whether it asks for a stream of changes."""
        return self.query.get("watch") in ("true", "1")

    @property
    def is_write(self) -> bool:
        """Whether it can change anything."""
        return self.method not in ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class _Got:
    status: int
    headers: Mapping[str, str]
    body: bytes


def _no_fault(_: Seen) -> Fault | None:
    return None


def _not_withheld(_: Seen) -> bool:
    return False


class Proxy:
    """Forwards HTTP/1.1 to `upstream`, with some headers added: the client needs neither TLS nor credentials.

    `rule` decides on each request before it is forwarded. `answered` is told when the upstream has answered, before a
    byte of that goes to the client; where it returns True the client gets none. Both run in the proxy's thread and may
    be exchanged at any time.
    """

    def __init__(
        self, upstream: str, *, headers: Mapping[str, str] | None = None, ssl: ssl.SSLContext | None = None
    ) -> None:
        self.seen: list[Seen] = []
        self.rule: Callable[[Seen], Fault | None] = _no_fault
        self.answered: Callable[[Seen], bool] = _not_withheld
        self.failures: list[BaseException] = []
        """Errors of `rule`, `answered` or the proxy itself; `stop` raises the first."""
        self._upstream = upstream.rstrip("/")
        self._headers = dict(headers or {})
        self._tls = ssl
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._answers: dict[tuple[str, str], list[_Got]] = {}
        self._streams: dict[int, tuple[Seen, asyncio.Future[EndWatch]]] = {}
        self._arrived = threading.Condition()

    def start(self) -> Self:
        """Serve until `stop`."""
        self._thread.start()
        self._run(self._open())
        return self

    def stop(self) -> None:
        """Cut everything and end.

        Raises:
            BaseException: The first error of a rule.
        """
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_THREAD_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def cut_all(self) -> None:
        """Cut every connection that is open now."""
        self._run(self._cut_all())

    def refuse(self) -> None:
        """Cut every connection and refuse new ones, as if nobody listened, until `accept`."""
        self._run(self._refuse())

    def accept(self) -> None:
        """Listen again, at the same port."""
        self._run(self._listen())

    def release(self) -> None:
        """Cut all requests that hang."""
        self._loop.call_soon_threadsafe(self._released.set)

    def end_watches(self, path_part: str = "", *, gone: bool = False) -> int:
        """End the watches that are open now in good order, with or without 410, and return how many there were."""
        return self._run(self._end_watches(path_part, gone))

    def wait_for(self, wanted: Callable[[Seen], bool], *, count: int = 1, within_seconds: float = 20.0) -> list[Seen]:
        """Return the requests of a kind as soon as there are so many.

        Raises:
            AssertionError: There are fewer in time.
        """

        def found() -> list[Seen]:
            return [seen for seen in list(self.seen) if wanted(seen)]

        with self._arrived:
            in_time = self._arrived.wait_for(lambda: len(found()) >= count, within_seconds)
        assert in_time, f"{len(found())} of {count} requests within {within_seconds:.0f} s; last: {self.seen[-10:]}"
        return found()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_THREAD_SECONDS)

    async def _open(self) -> None:
        self._released = asyncio.Event()
        # A client that gives up takes its request with it, on both sides.
        self._server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=2**22,
        )
        await self._listen()

    async def _close(self) -> None:
        self._listener.close()
        self._released.set()
        await self._cut_all()
        await self._server.shutdown(1.0)
        await self._session.close()

    async def _listen(self) -> None:
        self._listener = await self._loop.create_server(self._server, sock=self._socket)

    async def _refuse(self) -> None:
        self._listener.close()
        # Bound, but not listened to: connections are refused and nobody else takes the port.
        self._socket = _bound(self.port)
        await self._cut_all()

    async def _cut_all(self) -> None:
        for connection in list(self._server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _end_watches(self, path_part: str, gone: bool) -> int:
        ended = 0
        for seen, end in list(self._streams.values()):
            if path_part in seen.path and not end.done():
                end.set_result(EndWatch(gone=gone))
                ended += 1
        return ended

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(0, request.method, request.path, dict(request.query), time.monotonic())
        seen.body = await request.read()
        with self._arrived:
            seen.number = len(self.seen) + 1
            self.seen.append(seen)
            self._arrived.notify_all()
        try:
            fault = self.rule(seen)
            return await self._play(request, seen, fault)
        except _Gone:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except (ConnectionError, aiohttp.ClientError):
            raise  # Either side went away.
        # A mistake of the test's own rule, in a thread of the proxy's: `stop` raises it.
        except Exception as error:
            self.failures.append(error)
            raise

    async def _play(self, request: web.BaseRequest, seen: Seen, fault: Fault | None) -> web.StreamResponse:
        match fault:
            case Answer(status, body, headers, acted):
                if acted:
                    await self._fetch(request, seen)
                return await self._send(request, seen, _Got(status, headers, body))
            case Hang(acted):
                if acted:
                    await self._fetch(request, seen)
                await self._released.wait()
                raise _Gone
            case Cut(None):
                raise _Gone
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Stale(which) if not seen.is_watch and (kept := self._answers.get(_key(seen))):
                return await self._send(request, seen, kept[which])
        if seen.is_watch:
            return await self._watch(request, seen, fault)
        got = await self._fetch(request, seen)
        match fault:
            case Cut(0):
                raise _Gone
            case Cut(after):
                return await self._send(request, seen, got, cut_after=after)
            case Slow(rate):
                return await self._send(request, seen, got, bytes_per_second=rate)
            case Rewrite(change):
                got = _Got(got.status, got.headers, change(got.body))
        return await self._send(request, seen, got)

    @contextlib.asynccontextmanager
    async def _forwarded(self, request: web.BaseRequest, seen: Seen) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers |= {"Accept-Encoding": "identity", **self._headers}
        url = URL(f"{self._upstream}{request.raw_path}", encoded=True)
        async with self._session.request(
            seen.method, url, data=seen.body or None, headers=headers, allow_redirects=False
        ) as response:
            yield response

    async def _fetch(self, request: web.BaseRequest, seen: Seen) -> _Got:
        async with self._forwarded(request, seen) as response:
            got = _Got(response.status, _passed_on(response), await response.read())
        if seen.method == "GET" and got.status == 200:
            kept = self._answers.setdefault(_key(seen), [])
            kept.append(got)
            del kept[1:-_KEPT_ANSWERS]
        await self._tell(seen, got.status)
        return got

    async def _tell(self, seen: Seen, status: int) -> None:
        """Say that the upstream has answered; where the answer is withheld, the client waits in vain."""
        if self.answered(replace(seen, status=status)):
            await self._released.wait()
            raise _Gone

    async def _send(
        self,
        request: web.BaseRequest,
        seen: Seen,
        got: _Got,
        *,
        cut_after: int | None = None,
        bytes_per_second: int | None = None,
    ) -> web.StreamResponse:
        seen.status = got.status
        response = web.StreamResponse(status=got.status, headers=got.headers)
        response.content_length = len(got.body)
        await response.prepare(request)
        if cut_after is not None:
            await response.write(got.body[:cut_after])
            await asyncio.sleep(0.05)  # What was written is sent before the connection is reset.
            raise _Gone
        if bytes_per_second is not None:
            size = max(1, bytes_per_second // _SLICES_PER_SECOND)
            for start in range(0, len(got.body), size):
                await response.write(got.body[start : start + size])
                await asyncio.sleep(1 / _SLICES_PER_SECOND)
        else:
            await response.write(got.body)
        await response.write_eof()
        return response

    async def _watch(self, request: web.BaseRequest, seen: Seen, fault: Fault | None) -> web.StreamResponse:
        end: asyncio.Future[EndWatch] = self._loop.create_future()
        self._streams[seen.number] = seen, end
        try:
            async with self._forwarded(request, seen) as upstream:
                await self._tell(seen, upstream.status)
                seen.status = upstream.status
                response = web.StreamResponse(status=upstream.status, headers=_passed_on(upstream))
                await response.prepare(request)
                await _Stream(upstream.content, response, end, fault).copy()
                await response.write_eof()
                return response
        finally:
            del self._streams[seen.number]


class _Gone(Exception):
    """The connection to the client is to be cut."""


class _Stream:
    """The events of a watch on their way, one a line."""

    def __init__(
        self,
        lines: aiohttp.StreamReader,
        response: web.StreamResponse,
        end: asyncio.Future[EndWatch],
        fault: Fault | None,
    ) -> None:
        self._lines = lines
        self._response = response
        self._end = end
        self._fault = fault

    async def copy(self) -> None:
        events = sent = 0
        while True:
            if isinstance(self._fault, EndWatch) and events >= self._fault.after_events:
                return await self._finish(self._fault)
            line = asyncio.ensure_future(self._lines.readline())
            try:
                await asyncio.wait((line, self._end), return_when=asyncio.FIRST_COMPLETED)
                if self._end.done():
                    return await self._finish(self._end.result())
                if not line.result():
                    return None
                data = line.result()
            finally:
                line.cancel()
            events += 1
            match self._fault:
                case Cut(int(after)) if sent + len(data) >= after:
                    await self._response.write(data[: after - sent])
                    await asyncio.sleep(0.05)
                    raise _Gone
                case Slow(rate):
                    await self._trickle(data, rate)
                case Rewrite(change):
                    await self._response.write(change(data))
                case _:
                    await self._response.write(data)
            sent += len(data)

    async def _finish(self, how: EndWatch) -> None:
        if how.gone:
            await self._response.write(GONE)

    async def _trickle(self, data: bytes, rate: int) -> None:
        size = max(1, rate // _SLICES_PER_SECOND)
        for start in range(0, len(data), size):
            await self._response.write(data[start : start + size])
            await asyncio.sleep(1 / _SLICES_PER_SECOND)


def _bound(port: int) -> socket.socket:
    free = socket.socket()
    free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    free.bind(("127.0.0.1", port))
    return free


def _passed_on(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name: value for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP}


def _key(seen: Seen) -> tuple[str, str]:
    return seen.path, urlencode(sorted(seen.query.items()))
