"""Fixtures of the measuring tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lossgate.measure.prometheus import PrometheusSource
from tests.measure.prometheus_server import PrometheusServer, prometheus_program


@pytest.fixture(scope="session")
def prometheus_binary() -> Path:
    """The Prometheus program. Its absence fails the tests that need it: skipped, they would say nothing."""
    return prometheus_program()


@pytest.fixture(scope="session")
def prometheus(prometheus_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """One Prometheus without targets; each test writes series of a namespace of its own."""
    server = PrometheusServer(prometheus_binary, tmp_path_factory.mktemp("prometheus"))
    yield server
    server.stop()


@pytest.fixture
async def source() -> AsyncIterator[PrometheusSource]:
    """A source with the time-out that users get."""
    source = PrometheusSource()
    yield source
    await source.close()
