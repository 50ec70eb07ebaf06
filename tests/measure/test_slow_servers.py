"""A server that never ends its answer keeps its own threads busy, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from lossgate.measure import instant
from lossgate.measure.access import Access
from lossgate.measure.errors import SourceUnavailable
from lossgate.measure.instant import PrometheusInstant
from lossgate.measure.prometheus import QUERIES_AT_ONCE, PrometheusSource
from lossgate.measure.source import InstantRequest, Number
from tests.measure.fake_server import FakeServer, success
from tests.measure.requests_made import a_request

TIMEOUT_SECONDS = 0.1


@pytest.fixture
async def trickling() -> AsyncIterator[str]:
    """The address of a server that sends one byte of a header at a time, for ever."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Patience: ")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(TIMEOUT_SECONDS / 5)

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_looks_of_others_are_taken_while_one_server_trickles(trickling: str) -> None:
    source = PrometheusSource(timeout_seconds=TIMEOUT_SECONDS)
    with FakeServer(success([])) as healthy:
        for _ in range(QUERIES_AT_ONCE + 1):
            with pytest.raises(SourceUnavailable, match="no answer in time"):
                await source.looks(a_request(trickling))
        await source.looks(a_request(healthy.url))
    await source.close()


async def test_guardrails_of_others_are_evaluated_while_one_server_trickles(trickling: str) -> None:
    numbers = PrometheusInstant(timeout_seconds=5 * TIMEOUT_SECONDS)
    stuck = [
        asyncio.create_task(numbers.instant(InstantRequest(Access(trickling), "up", 300)))
        for _ in range(instant.QUERIES_AT_ONCE + 1)
    ]
    done, _ = await asyncio.wait(stuck, return_when=asyncio.FIRST_COMPLETED)
    assert all(isinstance(task.exception(), SourceUnavailable) for task in done)
    with FakeServer(success([{"metric": {}, "value": [300, "1"]}], "vector")) as healthy:
        assert await numbers.instant(InstantRequest(Access(healthy.url), "up", 300)) == Number(1.0)
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    await numbers.close()
