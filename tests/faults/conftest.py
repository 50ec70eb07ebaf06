"""Stages for the tests of faults: one API server for all, a namespace and an operator for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver import ApiServer
from tests.faults.stage import Stage, serve_routes


@pytest.fixture(scope="session")
def stage_server(apiserver: ApiServer, programs: Path) -> ApiServer:
    """A real API server with ModelRollouts and HTTPRoutes."""
    serve_routes(apiserver, programs)
    return apiserver


@pytest.fixture
def stage(stage_server: ApiServer, tmp_path: Path) -> Iterator[Stage]:
    """A stage whose operator runs already."""
    with Stage(stage_server, tmp_path) as one:
        one.operator.start()
        yield one
