"""One cluster and one operator for all end-to-end tests; each test plays in a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster, ensure
from e2e.cluster.progress import Progress
from e2e.stage import Stage, install_operator

REPOSITORY = Path(__file__).parents[1]
OPERATOR_IMAGE = ("localhost/lossgate:dev", "operator/Dockerfile")
MODEL_IMAGE = ("localhost/lossgate-digits:dev", "e2e/model/Dockerfile")


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A running cluster with gateway, Prometheus and both images."""
    cluster = ensure(Progress())
    for tag, dockerfile in (OPERATOR_IMAGE, MODEL_IMAGE):
        cluster.load_image(cluster.images.build(REPOSITORY, REPOSITORY / dockerfile, tag))
    return cluster


@pytest.fixture(scope="session", autouse=True)
def operator(cluster: Cluster) -> None:
    """The operator, installed by its chart."""
    install_operator(cluster, OPERATOR_IMAGE[0])


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Stage]:
    """A namespace with the label joiner; gone after the module's tests."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    stage = Stage(cluster, f"e2e-{name}")
    stage.close()
    stage.open()
    yield stage
    stage.close()
