"""A real Kubernetes API server with its etcd, for tests of what it accepts: no nodes, no controllers, no root."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e.cluster.binaries import ensure_programs
from e2e.cluster.progress import Progress

_START_SECONDS = 120.0
_POLL_SECONDS = 0.1
_CRD = Path(__file__).parent.parent / "crds" / "lossgate.io_modelrollouts.yaml"
_CRD_OBJECT = "customresourcedefinition/modelrollouts.lossgate.io"
_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- {{name: test, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {authority}}}}}
users:
- {{name: admin, user: {{token: "{token}"}}}}
contexts:
- {{name: test, context: {{cluster: test, user: admin}}}}
current-context: test
"""


def programs_folder() -> Path:
    """Return the folder that holds `kube` and `helm`: `$LOSSGATE_KUBE`, else what the e2e cluster builds and keeps."""
    given = os.environ.get("LOSSGATE_KUBE")
    return Path(given) if given else ensure_programs(Progress()).kube


class ApiServer:
    """A running API server; `kubectl` speaks to it as its administrator."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._kube = programs / "kube"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.kubeconfig = folder / "admin.kubeconfig"

    def start(self) -> None:
        """Start etcd and the API server and return when it answers.

        Raises:
            AssertionError: One of them ended, or the API server is not ready in time; carries the end of its log.
        """
        etcd, peer, port = _free_ports(3)
        token = secrets.token_hex(16)
        (self._folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
        authority = self._folder / "certificates" / "apiserver.crt"
        self.kubeconfig.write_text(_KUBECONFIG.format(port=port, authority=authority, token=token))
        key = self._folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self._run("etcd", *_etcd_flags(self._folder, etcd, peer))
        self._run("kube-apiserver", *_apiserver_flags(self._folder, etcd, port))
        self._wait()

    def stop(self) -> None:
        """End both programs."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl and return its outcome, whatever it is."""
        return subprocess.run(
            [self._kube, "kubectl", "--kubeconfig", self.kubeconfig, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def must(self, *arguments: str, manifest: Any = None) -> str:
        """Run kubectl, with a manifest or several on its standard input, and return what it printed.

        Raises:
            AssertionError: kubectl failed; carries its words.
        """
        done = self.kubectl(*arguments, stdin=None if manifest is None else as_json(manifest))
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def _run(self, program: str, *flags: str) -> None:
        with (self._folder / f"{program}.log").open("wb") as log:
            command = [str(self._kube), program, *flags]
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder))

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self.kubectl("get", "namespace", "default").returncode != 0:
            for process, program in zip(self._processes, ("etcd", "kube-apiserver"), strict=True):
                log = (self._folder / f"{program}.log").read_text(errors="replace")[-3000:]
                assert process.poll() is None, f"{program} ended:\n{log}"
                assert time.monotonic() < deadline, f"{program} is not ready after {_START_SECONDS:.0f} s:\n{log}"
            time.sleep(_POLL_SECONDS)


def serve_crd(server: ApiServer) -> None:
    """Let the API server serve ModelRollouts, as the generated CRD has them.

    Raises:
        AssertionError: It does not take the CRD; carries its words.
    """
    server.must("apply", "--server-side", "-f", str(_CRD))
    server.must("wait", "--for=condition=Established", _CRD_OBJECT, "--timeout=30s")


def as_json(manifest: Any) -> str:
    """Return one manifest, or a list of them, as kubectl reads it."""
    if isinstance(manifest, list):
        manifest = {"apiVersion": "v1", "kind": "List", "items": manifest}
    return json.dumps(manifest)


def _free_ports(count: int) -> Sequence[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def _etcd_flags(folder: Path, client: int, peer: int) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver_flags(folder: Path, etcd: int, port: int) -> list[str]:
    key = folder / "service-accounts.key"
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--authorization-mode=RBAC",
        # Without a controller manager no namespace gets the service account that pods would use.
        "--disable-admission-plugins=ServiceAccount",
    ]
