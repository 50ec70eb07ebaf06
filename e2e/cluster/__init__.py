"""A real Kubernetes cluster for the end-to-end tests and the demo: one given, kind, or one made of processes here."""

from __future__ import annotations

from .cluster import Cluster
from .command import ClusterError
from .provision import ensure, find, remove

__all__ = ["Cluster", "ClusterError", "ensure", "find", "remove"]
