"""A throw-away cluster made by kind, where a Docker engine answers."""

from __future__ import annotations

from pathlib import Path

from . import addons
from .cache import cache_folder, locked
from .cluster import Cluster
from .command import run
from .images import Docker, Image
from .progress import Progress

__all__ = ["KindCluster", "find", "start", "stop"]

_NAME = "lossgate-e2e"


class KindCluster(Cluster):
    """The kind cluster."""

    def __init__(self, images: Docker) -> None:
        super().__init__(kubeconfig=_kubeconfig(), context=None, images=images)

    def load_image(self, image: Image) -> str:
        """Load the image into the nodes and return its tag."""
        run(["kind", "load", "image-archive", str(image.archive), "--name", _NAME])
        return image.tag


def find(progress: Progress) -> KindCluster | None:
    """Return the kind cluster if there is one."""
    if _NAME not in run(["kind", "get", "clusters"]).split():
        return None
    run(["kind", "export", "kubeconfig", "--name", _NAME, "--kubeconfig", str(_kubeconfig())])
    return KindCluster(Docker(progress))


def start(progress: Progress) -> KindCluster:
    """Return the kind cluster, made if it is not there, with everything installed.

    Raises:
        ClusterError: It could not be made, or something could not be installed.
    """
    with locked("cluster"):
        if (cluster := find(progress)) is None:
            progress.say("making a kind cluster")
            run(["kind", "create", "cluster", "--name", _NAME, "--kubeconfig", str(_kubeconfig()), "--wait", "180s"])
            cluster = KindCluster(Docker(progress))
        addons.install(cluster, progress, chart=addons.PUBLIC_CHART)
        return cluster


def stop(progress: Progress) -> None:
    """Remove the kind cluster, if there is one."""
    with locked("cluster"):
        progress.say("removing the kind cluster")
        run(["kind", "delete", "cluster", "--name", _NAME])
        _kubeconfig().unlink(missing_ok=True)


def _kubeconfig() -> Path:
    return cache_folder() / "kind.kubeconfig"
