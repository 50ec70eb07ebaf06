"""The operator as its chart installs it."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.cluster import Cluster
from e2e.images import Loaded
from e2e.stage import CHART, OPERATOR_NAMESPACE, PROMETHEUS_URL

__all__ = ["TEAM_NAMESPACE", "Installation"]

TEAM_NAMESPACE = "e2e-team"
"""Where a second operator is installed that may act there only."""


class Installation:
    """One release of the chart.

    Attributes:
        release: Its name, and that of all its objects.
        namespace: Where the operator runs.
    """

    def __init__(
        self,
        cluster: Cluster,
        image: Loaded,
        *settings: str,
        release: str = "lossgate",
        namespace: str = OPERATOR_NAMESPACE,
    ) -> None:
        """Prepare a release; it has the settings whenever it is installed.

        The image's key is an annotation of the pod: an image built anew under the same name replaces it.
        """
        self.release = release
        self.namespace = namespace
        self._cluster = cluster
        repository, _, tag = image.name.rpartition(":")
        self._settings = (f"image.repository={repository}", f"image.tag={tag}", f"prometheus.url={PROMETHEUS_URL}",
                          f"podAnnotations.image-key=k{image.key}", *settings)  # fmt: skip

    def install(self, *settings: str, chart: Path = CHART) -> None:
        """Install or upgrade it, with more settings for this time, and wait until the operator is ready.

        Its namespace admits nothing that falls short of the restricted standard.
        """
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        self._cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(namespace))
        arguments = [part for value in (*self._settings, *settings) for part in ("--set", value)]
        self._cluster.helm("upgrade", "--install", self.release, str(chart), "--namespace", self.namespace,
                           "--wait", "--timeout", "3m", *arguments)  # fmt: skip

    def test(self) -> None:
        """Run the chart's own tests.

        Raises:
            ClusterError: One of them failed.
        """
        self._cluster.helm("test", self.release, "--namespace", self.namespace, "--timeout", "2m")

    def uninstall(self) -> None:
        """Uninstall it and wait until the operator is gone."""
        self._cluster.helm("uninstall", self.release, "--namespace", self.namespace, "--wait", "--timeout", "2m")
        self._wait_gone()

    def scale(self, replicas: int) -> None:
        """Have as many operators run, and wait until they are ready or gone."""
        self._kubectl("scale", f"deployment/{self.release}", f"--replicas={replicas}")
        if replicas:
            self._kubectl("rollout", "status", f"deployment/{self.release}", "--timeout=120s")
        else:
            self._wait_gone()

    def kill(self, *pods: str) -> None:
        """Kill pods, all of them if none is named, without a moment to put anything in order."""
        which = pods or ("-l", self._selector)
        self._kubectl("delete", "pod", *which, "--force", "--grace-period=0")

    def leader(self) -> str:
        """Return the pod that leads; empty if none does."""
        lease = json.loads(self._kubectl("get", "lease", "lossgate", "-o", "json"))
        return str(lease["spec"].get("holderIdentity") or "")

    @property
    def _selector(self) -> str:
        return f"app.kubernetes.io/instance={self.release}"

    def _wait_gone(self) -> None:
        self._kubectl("wait", "pod", "-l", self._selector, "--for=delete", "--timeout=60s")

    def _kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl("-n", self.namespace, *arguments)
