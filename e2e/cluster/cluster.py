"""What tests and the demo may ask of a cluster, wherever it comes from."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from .command import ClusterError, run
from .images import Image, ImageBuilder

__all__ = ["GATEWAY", "GATEWAY_NAMESPACE", "Cluster"]

GATEWAY_NAMESPACE = "gateway-system"
GATEWAY = "gateway"
_GATEWAY_LABELS = (
    f"gateway.envoyproxy.io/owning-gateway-name={GATEWAY},"
    f"gateway.envoyproxy.io/owning-gateway-namespace={GATEWAY_NAMESPACE}"
)


class Cluster:
    """A running cluster.

    Attributes:
        kubeconfig: The file by which `kubectl`, `helm` and clients reach it from where `exec` runs them.
        audit_log: The API server's audit log, one JSON object a line; None where it cannot be read.
        images: Builds images in a form that `load_image` takes.
    """

    def __init__(
        self, *, kubeconfig: Path | None, context: str | None, images: ImageBuilder, audit_log: Path | None = None
    ) -> None:
        self.kubeconfig = kubeconfig
        self.audit_log = audit_log
        self.images = images
        self._context = context

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_seconds: float = 300) -> str:
        """Run kubectl and return what it printed; see `command.run` for errors."""
        context = [f"--context={self._context}"] if self._context else []
        return self._run(["kubectl", *context, *arguments], stdin, timeout_seconds)

    def helm(self, *arguments: str, timeout_seconds: float = 600) -> str:
        """Run Helm and return what it printed; see `command.run` for errors."""
        context = [f"--kube-context={self._context}"] if self._context else []
        return self._run(["helm", *context, *arguments], None, timeout_seconds)

    def exec(self, arguments: Sequence[str]) -> int:
        """Run a command where the cluster's API server can be reached, on this terminal, and return its exit status.

        KUBECONFIG is set, and kubectl and Helm are on the PATH. Files are those of this machine. Addresses of services
        and pods can be reached too where the cluster is the local one.
        """
        environment = {**os.environ, **self._environment()}
        return subprocess.run(self._entered(arguments), env=environment, check=False).returncode

    def start(
        self, arguments: Sequence[str], *, output: IO[str] | int, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a program where the API server can be reached, as `exec` does, and return its very process.

        Args:
            arguments: The program and its arguments.
            output: Where it writes to, as `subprocess.Popen` takes it; standard error goes there as well.
            environment: Variables added to those that `exec` sets.
        """
        return subprocess.Popen(
            self._entered(arguments),
            env={**os.environ, **self._environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output == subprocess.PIPE else output,
            text=True,
        )

    def enter(self) -> None:
        """Let the calling thread, and threads that it starts, reach the API server; no other thread is touched.

        Raises:
            OSError: The network cannot be entered.
        """

    def load_image(self, image: Image) -> str:
        """Give the nodes an image and return the name by which pods refer to it.

        Raises:
            ClusterError: The nodes cannot be given images; says what to do.
        """
        raise NotImplementedError

    def service_address(self, namespace: str, name: str) -> str:
        """Return `host:port` of a Service: its cluster address and first port."""
        return _address(json.loads(self.kubectl("-n", namespace, "get", "service", name, "-o", "json")))

    def gateway_address(self) -> str:
        """Return `host:port` of the shared Gateway, for clients in pods (and by `exec`, in the local cluster).

        Raises:
            ClusterError: The Gateway has no Service.
        """
        found = json.loads(self.kubectl("get", "services", "--all-namespaces", "-l", _GATEWAY_LABELS, "-o", "json"))
        if len(found["items"]) != 1:
            raise ClusterError(
                f"{len(found['items'])} Services belong to Gateway {GATEWAY_NAMESPACE}/{GATEWAY}, expected one:"
                " run `python -m e2e.cluster up`"
            )
        return _address(found["items"][0])

    def _environment(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}

    def _entered(self, arguments: Sequence[str]) -> list[str]:
        return list(arguments)

    def _run(self, arguments: Sequence[str], stdin: str | None, timeout_seconds: float) -> str:
        return run(
            self._entered(arguments), stdin=stdin, environment=self._environment(), timeout_seconds=timeout_seconds
        )


def _address(service: dict[str, dict[str, object]]) -> str:
    spec = service["spec"]
    ports = spec["ports"]
    assert isinstance(ports, list)
    return f"{spec['clusterIP']}:{ports[0]['port']}"
