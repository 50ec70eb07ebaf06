"""A cluster that somebody already has."""

from __future__ import annotations

import os
from pathlib import Path

from . import addons
from .cluster import Cluster
from .command import ClusterError, run
from .images import Image, ImageBuilder
from .progress import Progress

__all__ = ["ExistingCluster", "connect", "start"]

_KIND_PREFIX = "kind-"


class ExistingCluster(Cluster):
    """The cluster that KUBECONFIG, or a context of it, names."""

    def load_image(self, image: Image) -> str:
        """Load the image where the context is one of kind's; else push it to the registry in LOSSGATE_REGISTRY."""
        context = self._context or self.kubectl("config", "current-context").strip()
        if context.startswith(_KIND_PREFIX):
            run(["kind", "load", "image-archive", str(image.archive), "--name", context.removeprefix(_KIND_PREFIX)])
            return image.tag
        if registry := os.environ.get("LOSSGATE_REGISTRY"):
            name = image.tag.rpartition("/")[2].partition(":")[0]
            return self.images.push(image, f"{registry}/{name}:{image.key}")
        raise ClusterError(
            f"The nodes of context {context} need image {image.tag}: set LOSSGATE_REGISTRY to a registry and folder"
            " that you may push to and they pull from, such as registry.example.com/team"
        )


def connect(kubeconfig: str | None, context: str | None, images: ImageBuilder) -> ExistingCluster:
    """Return the cluster as it is.

    Raises:
        ClusterError: It does not answer.
    """
    cluster = ExistingCluster(kubeconfig=Path(kubeconfig) if kubeconfig else None, context=context, images=images)
    cluster.kubectl("get", "--raw=/readyz", timeout_seconds=30)
    return cluster


def start(kubeconfig: str | None, context: str | None, images: ImageBuilder, progress: Progress) -> ExistingCluster:
    """Return the cluster, with everything installed that it lacks.

    Raises:
        ClusterError: It does not answer, or something could not be installed.
    """
    cluster = connect(kubeconfig, context, images)
    addons.install(cluster, progress, chart=addons.PUBLIC_CHART)
    return cluster
