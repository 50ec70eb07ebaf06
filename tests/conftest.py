"""Fixtures that several parts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver import ApiServer, programs_folder


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
    crd = Path(__file__).parent.parent / "crds" / "lossgate.io_modelrollouts.yaml"
    bare_apiserver.must("apply", "--server-side", "-f", str(crd))
    name = "customresourcedefinition/modelrollouts.lossgate.io"
    bare_apiserver.must("wait", "--for=condition=Established", name, "--timeout=30s")
    return bare_apiserver
