"""What `helm test` runs, against a real API server and something that answers for the operator."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.apiserver import ApiServer
from tests.chart.conftest import CHART, Render, the

pytestmark = pytest.mark.apiserver

SCRIPT = (CHART / "files" / "installed.py").read_text()


class Answering(BaseHTTPRequestHandler):
    """Answers with the status that the server was given."""

    status = 200
    paths: list[str]

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serving(status: int) -> tuple[ThreadingHTTPServer, list[str]]:
    asked: list[str] = []
    handler = type("Handler", (Answering,), {"status": status, "paths": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, asked


@pytest.fixture
def credentials(apiserver: ApiServer, tmp_path: Path) -> Path:
    """The folder of a service account that was granted nothing."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tester", "namespace": "default"}}
    apiserver.must("apply", "-f", "-", manifest=account)
    (tmp_path / "token").write_text(apiserver.must("-n", "default", "create", "token", "tester"))
    config = yaml.safe_load(apiserver.kubeconfig.read_text())
    authority = Path(config["clusters"][0]["cluster"]["certificate-authority"])
    (tmp_path / "ca.crt").write_bytes(authority.read_bytes())
    return tmp_path


@pytest.fixture
def ready() -> Iterator[tuple[str, list[str]]]:
    """An operator that is ready, and what it was asked for."""
    server, paths = serving(200)
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()


def run(operator: str, api_server: str, credentials: Path, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run the script as the pod does, by `python -c`."""
    script = SCRIPT.replace("SECONDS = 60.0", f"SECONDS = {seconds}")
    return subprocess.run(
        [sys.executable, "-c", script, operator, api_server, credentials],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def address(server: ApiServer) -> str:
    config = yaml.safe_load(server.kubeconfig.read_text())
    return str(config["clusters"][0]["cluster"]["server"])


def test_an_installation_that_works_passes(
    apiserver: ApiServer, credentials: Path, ready: tuple[str, list[str]]
) -> None:
    operator, paths = ready
    done = run(operator, address(apiserver), credentials)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["ok: the API server serves ModelRollouts", "ok: an operator is ready"]
    assert paths == ["/readyz"]


def test_an_operator_that_is_not_ready_fails(apiserver: ApiServer, credentials: Path) -> None:
    server, _ = serving(503)
    done = run(f"http://127.0.0.1:{server.server_port}", address(apiserver), credentials, seconds=0)
    server.shutdown()
    assert done.returncode == 1
    assert "ok: the API server serves ModelRollouts" in done.stdout
    assert "FAILED: an operator is ready: HTTP Error 503" in done.stdout


def test_a_crd_that_is_not_there_fails(ready: tuple[str, list[str]], credentials: Path) -> None:
    server, paths = serving(404)
    done = run(ready[0], f"http://127.0.0.1:{server.server_port}", credentials, seconds=0)
    server.shutdown()
    assert done.returncode == 1
    assert paths == ["/apis/lossgate.io/v1alpha1"]
    assert "FAILED: the API server serves ModelRollouts: HTTP Error 404" in done.stdout
    assert "ok: an operator is ready" in done.stdout


def test_the_pod_asks_the_service_of_its_release(render: Render) -> None:
    objects = render(namespace="operators", release="mine")
    (container,) = the("Pod", objects)["spec"]["containers"]
    script, operator, api_server, folder = container["args"]
    assert container["command"] == ["python", "-c"]
    assert script.strip() == SCRIPT.strip()
    service = the("Service", objects)["metadata"]
    assert urlsplit(operator).hostname == f"{service['name']}.{service['namespace']}.svc"
    assert api_server == "https://kubernetes.default.svc"
    assert folder == "/var/run/secrets/kubernetes.io/serviceaccount"


def test_the_pod_is_a_test_and_leaves_nothing_when_it_succeeds(render: Render) -> None:
    for kind in ("Pod", "ServiceAccount"):
        hooks = [
            item["metadata"]["annotations"]
            for item in render()
            if item["kind"] == kind and "helm.sh/hook" in item["metadata"].get("annotations", {})
        ]
        (hook,) = hooks
        assert hook["helm.sh/hook"] == "test"
        assert hook["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
