"""What the kubelet and Prometheus ask the operator: is it alive, does it take its looks, its metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from lossgate.controller.metrics import OperatorMetrics

MAX_OVERDUE_SECONDS = 30.0


class Probes:
    """An HTTP server with `/healthz`, `/readyz` and `/metrics`."""

    def __init__(
        self,
        port: int,
        metrics: OperatorMetrics,
        overdue_seconds: Callable[[], float],
        has_started: Callable[[], bool],
        illness: Callable[[], str | None],
        delay: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Prepare the server; `illness` tells what only a restart mends, `delay` what is late and may mend itself."""
        self._port = port
        self._illness = illness
        self._delay = delay
        self._metrics = metrics
        self._overdue_seconds = overdue_seconds
        self._has_started = has_started
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serve until `stop`."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._port).start()

    async def stop(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        illness = self._illness()
        if illness is not None:
            return web.Response(status=500, text=f"{illness}\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if not self._has_started():
            return web.Response(status=503, text="starting: the Lease could not be read yet\n")
        overdue = self._overdue_seconds()
        if overdue > MAX_OVERDUE_SECONDS:
            return web.Response(status=503, text=f"a look has been due for {overdue:.0f} s and was not taken\n")
        delay = self._illness() or self._delay()
        if delay is not None:
            return web.Response(status=503, text=f"{delay}\n")
        return web.Response(text="ok\n")

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
