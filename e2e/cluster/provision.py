"""Getting, finding and removing the cluster that fits this machine."""

from __future__ import annotations

import os
import shutil

from . import existing, kind, local
from .choice import Kind, Machine, choose
from .cluster import Cluster
from .images import Buildah, Docker, ImageBuilder, docker_answers
from .progress import Progress

__all__ = ["ensure", "find", "remove"]


def ensure(progress: Progress, *, context: str | None = None) -> Cluster:
    """Return a running cluster with gateway and Prometheus: the one that is there if it is healthy.

    Raises:
        ClusterError: None can be had; says what to do.
    """
    match chosen(context):
        case Kind.EXISTING:
            return existing.start(os.environ.get("KUBECONFIG"), context, _image_builder(progress), progress)
        case Kind.KIND:
            return kind.start(progress)
        case Kind.LOCAL:
            return local.start(progress)


def find(progress: Progress, *, context: str | None = None) -> Cluster | None:
    """Return the cluster that `ensure` would return, if it already runs; changes nothing."""
    match chosen(context):
        case Kind.EXISTING:
            return existing.connect(os.environ.get("KUBECONFIG"), context, _image_builder(progress))
        case Kind.KIND:
            return kind.find(progress)
        case Kind.LOCAL:
            return local.find(progress)


def remove(progress: Progress, *, context: str | None = None) -> None:
    """Remove the cluster and all that belongs to it, but for the cache; leaves a cluster that was given alone."""
    match chosen(context):
        case Kind.EXISTING:
            progress.say("the cluster was given: it stays as it is")
        case Kind.KIND:
            kind.stop(progress)
        case Kind.LOCAL:
            local.stop(progress)


def chosen(context: str | None) -> Kind:
    """Return where the cluster comes from on this machine; see `choice.choose`."""
    return choose(
        Machine(
            kubeconfig=os.environ.get("KUBECONFIG"),
            context=context,
            docker_answers=docker_answers(),
            kind_installed=shutil.which("kind") is not None,
            root=os.geteuid() == 0,
            debian=shutil.which("apt-get") is not None,
        )
    )


def _image_builder(progress: Progress) -> ImageBuilder:
    return Docker(progress) if docker_answers() else Buildah(progress)
