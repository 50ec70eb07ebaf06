"""What every cluster gets: cluster DNS (local only), Envoy Gateway with one shared Gateway, and Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .cluster import GATEWAY, GATEWAY_NAMESPACE, Cluster
from .progress import Progress

__all__ = ["PUBLIC_CHART", "Images", "install", "install_dns"]

PUBLIC_CHART = ["oci://docker.io/envoyproxy/gateway-helm", "--version=v1.9.1"]
_MANIFESTS = Path(__file__).parent / "manifests"
_CONTROLLER_NAMESPACE = "envoy-gateway-system"
_PUBLIC_PROMETHEUS = "docker.io/prom/prometheus:v3.16.0"
_PUBLIC_ENVOY = "docker.io/envoyproxy/envoy:distroless-v1.39.1"


@dataclass(frozen=True, slots=True)
class Images:
    """Images to use in place of the public ones."""

    envoy_gateway: str
    envoy: str
    prometheus: str


def install_dns(cluster: Cluster) -> None:
    """Install CoreDNS; returns before it serves."""
    _apply(cluster, "coredns.yaml", {})


def install(cluster: Cluster, progress: Progress, *, chart: list[str], images: Images | None = None) -> None:
    """Install Prometheus, Envoy Gateway and the shared Gateway, and return when they serve; can be repeated.

    Args:
        cluster: Where to.
        progress: Told of each step.
        chart: Helm's arguments that name Envoy Gateway's chart.
        images: Images to use in place of the public ones.

    Raises:
        ClusterError: Something could not be installed, or does not become ready.
    """
    replaced = {_PUBLIC_PROMETHEUS: images.prometheus, _PUBLIC_ENVOY: images.envoy} if images else {}
    _apply(cluster, "prometheus.yaml", replaced)
    values = ["--values", str(_MANIFESTS / "envoy-gateway-values.yaml")]
    if images:
        values.append(f"--set=global.images.envoyGateway.image={images.envoy_gateway}")
    cluster.helm("upgrade", "--install", "eg", *chart, *values, "--namespace", _CONTROLLER_NAMESPACE,
                 "--create-namespace", "--wait", "--timeout=5m")  # fmt: skip
    progress.say("Envoy Gateway is installed")
    _apply(cluster, "gateway.yaml", replaced)
    gateway = f"gateway.gateway.networking.k8s.io/{GATEWAY}"
    cluster.kubectl("-n", GATEWAY_NAMESPACE, "wait", "--for=condition=Programmed", gateway, "--timeout=180s")
    progress.say("the Gateway is programmed")
    cluster.kubectl("-n", "monitoring", "rollout", "status", "deployment/prometheus", "--timeout=180s")
    progress.say("Prometheus is ready")


def _apply(cluster: Cluster, name: str, replaced_images: Mapping[str, str]) -> None:
    manifest = (_MANIFESTS / name).read_text()
    for public, image in replaced_images.items():
        manifest = manifest.replace(public, image)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
