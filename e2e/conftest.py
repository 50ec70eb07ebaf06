"""One cluster and one operator for all end-to-end tests; each module plays in a namespace of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from e2e.cluster import Cluster, ensure
from e2e.cluster.progress import Progress
from e2e.door import Door
from e2e.images import Images, load
from e2e.installation import Installation
from e2e.planted import Planted
from e2e.stage import Stage


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of tests that judge the whole run."""
    config.addinivalue_line("markers", "last: judges the whole run, and so runs after all other tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that judge the whole run at its end."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def session_began() -> str:
    """When the run began, as the audit log writes times."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest) -> frozenset[str]:
    """The test modules of which something is played in this run."""
    return frozenset(Path(item.path).stem for item in request.session.items)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A running cluster with gateway and Prometheus."""
    return ensure(Progress())


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> Images:
    """Both images, on the cluster's nodes."""
    return load(cluster)


@pytest.fixture(scope="session")
def unreachable() -> str:
    """A Prometheus that a ModelRollout may name and where nobody listens."""
    return "http://127.0.0.1:9"


@pytest.fixture(scope="session", autouse=True)
def operator(cluster: Cluster, images: Images, unreachable: str, session_began: str) -> Installation:
    """The operator, installed by its chart."""
    operator = Installation(cluster, images.operator, f"prometheus.allowed={{{unreachable}}}")
    operator.install()
    return operator


@pytest.fixture(scope="session")
def door(cluster: Cluster) -> Iterator[Door]:
    """The way to the API server from this process."""
    # Operators that are killed leave their requests behind, and a proxy's server tells each of them at length.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    door = Door(cluster)
    yield door
    door.close()


@pytest.fixture(scope="module")
def alone(operator: Installation) -> Iterator[None]:
    """The operator that all tests share is away; what acts is what the module starts."""
    operator.scale(0)
    yield
    operator.scale(1)


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, cluster: Cluster, images: Images) -> Iterator[Stage]:
    """A namespace with the label joiner and a Secret that nobody may tell; on its way out after the module's tests."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    stage = Stage(cluster, f"e2e-{name}", model_image=images.model.name)
    stage.close()
    stage.open()
    planted = Planted(stage)
    planted.plant()
    yield stage
    tellers = planted.tellers()
    stage.close(wait=False)
    assert tellers == []
