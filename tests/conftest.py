"""Fixtures that several parts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.apiserver import ApiServer, programs_folder, serve_crd
from tests.measure.certificates import Authority

# Main stays green by itself; new examples are searched for on purpose, with `pytest --hypothesis-profile=search`.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private authority, and a certificate of it for 127.0.0.1."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, that signed nothing which is served."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder that holds `kube` and `helm`."""
    return programs_folder()


@pytest.fixture(scope="session")
def bare_apiserver(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server that knows nothing of ModelRollouts yet."""
    server = ApiServer(programs, tmp_path_factory.mktemp("apiserver"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def apiserver(bare_apiserver: ApiServer) -> ApiServer:
    """A real API server that serves the generated CRD."""
    serve_crd(bare_apiserver)
    return bare_apiserver
