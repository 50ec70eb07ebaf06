"""The real operator on a real API server: what it is refused, and a life from first watch to hand-over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp.test_utils import unused_port
from kubernetes.aio import client, config

from lossgate.controller import preconditions
from lossgate.controller.kube import Kube, KubeError
from tests.apiserver import ApiServer
from tests.rollouts import minimal

pytestmark = pytest.mark.apiserver

CRDS = Path("gateway-helm/charts/crds/crds/gatewayapi-crds.yaml")


@contextlib.asynccontextmanager
async def a_kube(server: ApiServer) -> Any:
    configuration = client.Configuration()
    await config.load_kube_config(str(server.kubeconfig), client_configuration=configuration)
    kube = Kube(client.ApiClient(configuration), lambda method, kind, status: None)
    try:
        yield kube
    finally:
        await kube.close()


def a_deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "model", "image": "digits:v1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


async def test_writes_on_an_old_view_are_refused_and_a_status_in_between_is_no_hindrance(apiserver: ApiServer) -> None:
    async with a_kube(apiserver) as kube:
        seen = await kube.create(a_deployment("late"))
        apiserver.must(
            "patch", "deployment", "late", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":1}}'
        )
        sized = await kube.json_patch("Deployment", "default", "late", preconditions.size(seen, 3, 300))
        assert sized["spec"]["replicas"] == 3
        with pytest.raises(KubeError) as caught:
            await kube.json_patch("Deployment", "default", "late", preconditions.size(seen, 0, 300))
        assert caught.value.status == 422
        back = await kube.json_patch("Deployment", "default", "late", preconditions.size(sized, 1, 300))
        marked = await kube.patch("Deployment", "default", "late", {"metadata": {"annotations": {"a": "b"}}})
        for old in (seen, sized, back):
            with pytest.raises(KubeError):
                await kube.json_patch("Deployment", "default", "late", preconditions.size(old, 5, 300))
        with pytest.raises(KubeError) as caught:
            await kube.delete("Deployment", "default", "late", preconditions.deletion(back))
        assert caught.value.status == 409
        with pytest.raises(KubeError) as caught:
            await kube.patch("Deployment", "default", "late", preconditions.spec(back, {"replicas": 9}))
        assert caught.value.status == 409
        await kube.delete("Deployment", "default", "late", preconditions.deletion(marked))


@pytest.fixture(scope="module")
def server(apiserver: ApiServer, programs: Path) -> ApiServer:
    documents = yaml.safe_load_all((programs / CRDS).read_text(encoding="utf-8"))
    (crd,) = (one for one in documents if one and one["metadata"]["name"].startswith("httproutes."))
    apiserver.must("apply", "--server-side", "-f", "-", manifest=crd)
    apiserver.must("wait", "--for=condition=Established", "crd/httproutes.gateway.networking.k8s.io", "--timeout=30s")
    return apiserver


@pytest.fixture
def operator(server: ApiServer, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "KUBECONFIG": str(server.kubeconfig),
        "LOSSGATE_NAMESPACE": "default",
        "LOSSGATE_POD_NAME": "operator-0",
        "LOSSGATE_HTTP_PORT": str(unused_port()),
        "LOSSGATE_PROMETHEUS_URL": "http://127.0.0.1:9",
    }
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-c", "from lossgate.cli.main import main; main()", "operator"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        yield process
        process.kill()
        process.wait()


def test_operator_leads_reconciles_and_hands_its_lease_back_when_told_to_end(
    server: ApiServer, operator: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    server.must("apply", "-f", "-", manifest=minimal())
    deadline = time.monotonic() + 60

    def of(kind: str, name: str) -> dict[str, Any]:
        found = server.kubectl("get", kind, name, "-o", "json")
        return dict(json.loads(found.stdout)) if found.returncode == 0 else {}

    while not of("httproute", "digits"):
        assert operator.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
    assert of("lease", "lossgate")["spec"]["holderIdentity"] == "operator-0"
    assert of("service", "digits")["metadata"]["ownerReferences"][0]["kind"] == "ModelRollout"
    assert of("modelrollout", "digits")["status"]["phase"] == "Initializing"
    operator.send_signal(signal.SIGTERM)
    operator.wait(30)
    spec = of("lease", "lossgate")["spec"]
    assert spec["holderIdentity"] == "", "the next one need not wait until it has run out"
    server.must("delete", "modelrollout", "digits")
