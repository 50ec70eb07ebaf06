"""The project's two images, built from their Dockerfiles and given to the cluster's nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import Cluster

__all__ = ["MODEL_TAG", "OPERATOR_TAG", "Images", "Loaded", "load"]

OPERATOR_TAG = "localhost/lossgate:dev"
MODEL_TAG = "localhost/lossgate-digits:dev"
_REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image that the nodes have.

    Attributes:
        name: How pods refer to it.
        key: Changes when, and only when, something that it is built from changes.
    """

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Images:
    """Both images, as the nodes have them."""

    operator: Loaded
    model: Loaded


def load(cluster: Cluster) -> Images:
    """Return both images once the nodes have them, built anew only if something they are built from changed.

    Raises:
        ClusterError: A build failed, or the nodes cannot be given images.
    """
    return Images(
        operator=_load(cluster, OPERATOR_TAG, "operator/Dockerfile"),
        model=_load(cluster, MODEL_TAG, "e2e/model/Dockerfile"),
    )


def _load(cluster: Cluster, tag: str, dockerfile: str) -> Loaded:
    image = cluster.images.build(_REPOSITORY, _REPOSITORY / dockerfile, tag)
    return Loaded(cluster.load_image(image), image.key)
