"""An operator that can be killed and stopped: a process of this machine, with the rights that the chart gives it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from e2e.audit import account
from e2e.door import Door
from e2e.stage import CHART, Stage
from tests.faults.proxy import Proxy

__all__ = ["Mortal", "grant", "prometheus_url"]

_PROGRAM = Path(sys.executable).parent / "lossgate"
_RIGHTS = ("ServiceAccount", "Role", "RoleBinding")


def grant(stage: Stage) -> None:
    """Give the rights of an operator of this namespace, as the chart gives them; they go with the namespace."""
    namespace = stage.namespace
    rendered = stage.cluster.helm("template", "lossgate", str(CHART), "--namespace", namespace, "--no-hooks",
                                  "--set", f"watchNamespaces={{{namespace}}}")  # fmt: skip
    for body in yaml.safe_load_all(rendered):
        if body and body["kind"] in _RIGHTS:
            stage.apply(body)


def prometheus_url(door: Door) -> str:
    """Return where Prometheus answers, wherever the cluster is: behind the API server."""
    return f"{door.url}/api/v1/namespaces/monitoring/services/prometheus:9090/proxy"


class Mortal:
    """One operator after another under one name, as a container that is started again.

    Attributes:
        proxy: Stands between it and the API server.
        log: What all of them wrote.
    """

    def __init__(self, door: Door, stage: Stage, folder: Path, name: str = "operator-0") -> None:
        """Prepare an operator of the stage's namespace; its files go to `folder`."""
        self.name = name
        self.log = folder / f"{stage.namespace}-{name}.log"
        headers = {"Impersonate-User": account(stage.namespace)}
        self.proxy: Proxy = door.inside(lambda: Proxy(door.url, headers=headers).start())
        self._door = door
        self._stage = stage
        self._kubeconfig = self.log.with_suffix(".kubeconfig")
        self._kubeconfig.write_text(json.dumps(_kubeconfig(self.proxy.url)))
        self._port = door.inside(_free_port)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the next one."""
        environment = {
            "KUBECONFIG": str(self._kubeconfig),
            "LOSSGATE_NAMESPACE": self._stage.namespace,
            "LOSSGATE_POD_NAME": self.name,
            "LOSSGATE_WATCH_NAMESPACES": self._stage.namespace,
            "LOSSGATE_PROMETHEUS_URL": prometheus_url(self._door),
            "LOSSGATE_HTTP_PORT": str(self._port),
        }
        with self.log.open("a") as log:
            self._process = self._stage.cluster.start([str(_PROGRAM), "operator"], output=log, environment=environment)

    def kill(self) -> None:
        """End it without a moment to put anything in order; does nothing if none runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None, "no operator runs"
        self._process.send_signal(number)

    def end(self) -> None:
        """Kill it and close its way to the API server.

        Raises:
            BaseException: A rule of the proxy failed.
        """
        self.kill()
        self.proxy.stop()

    def tail(self, lines: int = 25) -> str:
        """Return the end of what it wrote, for a failure message."""
        return "\n".join(self.log.read_text().splitlines()[-lines:])

    def metrics(self) -> str:
        """Return its metrics as Prometheus would read them."""
        return self._door.text(f"http://127.0.0.1:{self._port}/metrics")


def _kubeconfig(server: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        "current-context": "proxy",
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])
