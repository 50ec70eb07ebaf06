"""A small ASGI application and the uvicorn process around it that leaves without breaking a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from e2e.model.bodies import BadRequest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Longer than the gateway keeps an idle upstream connection: whoever closes first must not be the server, or a request
# already on its way would be lost.
_KEEP_ALIVE_SECONDS = 7200
_SHUTDOWN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers."""

    status: int
    body: bytes
    content_type: str = "application/json"

    @classmethod
    def of_json(cls, value: object, status: int = 200) -> Response:
        """Return a JSON response."""
        return cls(status, json.dumps(value).encode())

    @classmethod
    def error(cls, status: int, message: str) -> Response:
        """Return a JSON response that says what is wrong."""
        return cls.of_json({"error": message}, status)


Handler = Callable[[bytes], Awaitable[Response]]


@asynccontextmanager
async def _no_background() -> AsyncGenerator[None]:
    yield


class App:
    """An ASGI application of exact routes, with /healthz, /readyz and /metrics.

    While `draining`, /readyz fails, everything else goes on, and every answer asks the peer to close its connection.
    """

    def __init__(
        self,
        routes: Mapping[tuple[str, str], Handler],
        registry: CollectorRegistry,
        *,
        background: Callable[[], AbstractAsyncContextManager[None]] = _no_background,
        max_body_bytes: int = 65_536,
    ) -> None:
        """Create the application.

        Args:
            routes: Handlers by method and path.
            registry: What /metrics shows.
            background: Runs from start-up to shutdown.
            max_body_bytes: Larger bodies are refused with 413.
        """
        self.draining = False
        self._registry = registry
        self.background = background
        self._max_body_bytes = max_body_bytes
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/healthz"): self._healthz,
            ("GET", "/readyz"): self._readyz,
            ("GET", "/metrics"): self._metrics,
            **routes,
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one HTTP request or the process's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        response = await self._respond(scope["method"], scope["path"], receive)
        headers = [
            (b"content-type", response.content_type.encode()),
            (b"content-length", str(len(response.body)).encode()),
        ]
        if self.draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, method: str, path: str, receive: Receive) -> Response:
        handler = self._routes.get((method, path))
        if handler is None:
            return Response.error(404, f"nothing serves {method} {path}")
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                return Response.error(413, f"body larger than {self._max_body_bytes} bytes")
            if not message.get("more_body", False):
                break
        try:
            return await handler(bytes(body))
        except BadRequest as error:
            return Response.error(400, str(error))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.background():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _healthz(self, _: bytes) -> Response:
        return Response.of_json({"status": "ok"})

    async def _readyz(self, _: bytes) -> Response:
        return Response.error(503, "draining") if self.draining else Response.of_json({"status": "ready"})

    async def _metrics(self, _: bytes) -> Response:
        return Response(200, generate_latest(self._registry), CONTENT_TYPE_LATEST)


class DrainingServer(uvicorn.Server):
    """Goes on serving for a while after the first signal: every router has taken the pod out before it stops."""

    def __init__(self, app: App, *, port: int, drain_seconds: float) -> None:
        """Create a server on all addresses of the port."""
        super().__init__(
            uvicorn.Config(
                app,
                host="0.0.0.0",
                port=port,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on",
                log_level="warning",
                access_log=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )
        self._app = app
        self._drain_seconds = drain_seconds

    async def serve(self, sockets: Any = None) -> None:
        """Serve until a signal and the drain time after it."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start draining; a second signal stops at once."""
        if self._app.draining:
            super().handle_exit(sig, frame)
            return
        self._app.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True
