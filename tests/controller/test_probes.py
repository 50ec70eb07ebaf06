from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.probes import MAX_OVERDUE_SECONDS, Probes


@dataclass
class Process:
    port: int
    started: bool = True
    overdue_seconds: float = 0.0
    alive: bool = True
    delay: str | None = None

    async def ask(self, path: str) -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{self.port}{path}") as response,
        ):
            return response.status, await response.text()


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    process = Process(unused_port())
    metrics = OperatorMetrics()
    metrics.led(True)
    probes = Probes(
        process.port,
        metrics,
        overdue_seconds=lambda: process.overdue_seconds,
        has_started=lambda: process.started,
        illness=lambda: None if process.alive else "a task that must run for ever has ended",
        delay=lambda: process.delay,
    )
    await probes.start()
    yield process
    await probes.stop()


async def test_process_that_takes_its_looks_is_alive_and_ready(process: Process) -> None:
    assert (await process.ask("/healthz"))[0] == 200
    assert (await process.ask("/readyz"))[0] == 200


async def test_process_whose_lease_or_worker_task_ended_is_not_alive(process: Process) -> None:
    process.alive = False
    status, text = await process.ask("/healthz")
    assert status == 500
    assert "ended" in text


async def test_process_that_could_not_read_its_lease_is_alive_but_not_ready(process: Process) -> None:
    process.started = False
    assert (await process.ask("/healthz"))[0] == 200
    status, why = await process.ask("/readyz")
    assert status == 503
    assert "Lease" in why


async def test_process_that_does_not_take_its_looks_is_not_ready(process: Process) -> None:
    process.overdue_seconds = MAX_OVERDUE_SECONDS
    assert (await process.ask("/readyz"))[0] == 200, "a little late is no failure"
    process.overdue_seconds = 95.0
    status, why = await process.ask("/readyz")
    assert status == 503
    assert "95 s" in why


async def test_metrics_can_be_scraped(process: Process) -> None:
    status, text = await process.ask("/metrics")
    assert status == 200
    assert "\nlossgate_leader 1.0\n" in text
    assert "process_resident_memory_bytes" in text


async def test_stopping_what_was_never_started_is_no_error() -> None:
    await Probes(0, OperatorMetrics(), lambda: 0.0, lambda: True, lambda: None).stop()


async def test_process_that_is_late_is_not_ready_and_is_left_alive(process: Process) -> None:
    process.delay = "a turn has taken 70 s"
    assert (await process.ask("/healthz"))[0] == 200
    assert await process.ask("/readyz") == (503, "a turn has taken 70 s\n")
