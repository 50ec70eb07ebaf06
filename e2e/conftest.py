"""One cluster and one operator for all end-to-end tests; each test plays in a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.cluster import Cluster, ensure
from e2e.cluster.progress import Progress
from e2e.images import Images, load
from e2e.stage import Stage, install_operator


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
def operator(cluster: Cluster, images: Images, unreachable: str) -> None:
    """The operator, installed by its chart."""
    install_operator(cluster, images.operator, f"prometheus.allowed={{{unreachable}}}")


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, cluster: Cluster, images: Images) -> Iterator[Stage]:
    """A namespace with the label joiner; gone after the module's tests."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    stage = Stage(cluster, f"e2e-{name}", model_image=images.model.name)
    stage.close()
    stage.open()
    yield stage
    stage.close()
