"""A real Kubernetes made of processes on this machine, in namespaces of its own that end with one process."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import addons, cgroups, components, packages, pki, processes
from .binaries import Programs, ensure_programs
from .cache import cache_folder, content_key, files_below, locked
from .cluster import Cluster
from .command import ClusterError, run
from .images import Buildah, Image
from .layout import API_ADDRESS, NODE_ADDRESS, SOCKET
from .progress import Progress

__all__ = ["LocalCluster", "find", "start", "stop"]

_HERE = Path(__file__).parent
_BOOT_SECONDS = 240.0
_POLL_SECONDS = 0.05
# Ending this one process ends every process, mount and network of the cluster.
_OUTER = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=KILL", "--mount-proc",
          "--propagation", "private")  # fmt: skip
_CLONE_NEWNET = 0x40000000
_PROGRAM_NAMES = ("pause", "coredns", "envoy-gateway", "prometheus")


class LocalCluster(Cluster):
    """The local cluster, entered through its network namespace: files and processes stay those of this machine."""

    def __init__(self, programs: Programs, images: Buildah, process: int) -> None:
        state = _state()
        super().__init__(
            kubeconfig=state / "pki" / "admin.kubeconfig",
            context=None,
            images=images,
            audit_log=state / "log" / "audit.log",
        )
        self._programs = programs
        self._process = process

    def load_image(self, image: Image) -> str:
        """Import the image into the node's containerd and return its tag; does nothing if it is there already."""
        mark = _state() / "imported" / image.archive.name
        if not mark.exists():
            ctr = [str(self._programs.kube / "ctr"), f"--address={SOCKET}", "--namespace=k8s.io"]
            imported = [*ctr, "images", "import", str(image.archive)]
            run(["nsenter", f"--target={self._process}", "--mount", "--", *imported])
            for older in mark.parent.glob(f"{image.archive.stem.removesuffix(image.key)}*"):
                older.unlink()
            mark.touch()
        return image.tag

    def answers(self) -> bool:
        """Return whether the API server is ready now."""
        try:
            return self.kubectl("get", "--raw=/readyz", timeout_seconds=20) == "ok"
        except ClusterError:
            return False

    def enter(self) -> None:
        """Move the calling thread into the cluster's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        network = os.open(f"/proc/{self._process}/ns/net", os.O_RDONLY)
        try:
            # Of this thread alone, as always in Linux; Python has a function for it from 3.12 on.
            if libc.setns(network, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "the cluster's network cannot be entered")
        finally:
            os.close(network)

    def _environment(self) -> dict[str, str]:
        helm = {f"HELM_{kind}_HOME": str(_state() / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        path = f"{self._programs.kube}:{os.environ['PATH']}"
        return {**super()._environment(), **helm, "PATH": path, "KUBECACHEDIR": str(_state() / "kubectl")}

    def _entered(self, arguments: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self._process}", "--net", "--", *arguments]


def find(progress: Progress) -> LocalCluster | None:
    """Return the local cluster if it was started whole, by this very code, and answers now."""
    process, started_by = _inner_process(), _state() / "started-by"
    if process is None or not started_by.exists() or started_by.read_text() != _fingerprint():
        return None
    cluster = LocalCluster(ensure_programs(progress), Buildah(progress), process)
    return cluster if cluster.answers() else None


def start(progress: Progress) -> LocalCluster:
    """Return the local cluster: the running one if `find` returns it, else a new one.

    A start that fails or is interrupted leaves nothing behind but its logs.

    Raises:
        ClusterError: It could not be started.
    """
    with locked("cluster"):
        if running := find(progress):
            progress.say("the local cluster is already running")
            return running
        _remove(progress)
        try:
            return _start(progress)
        except BaseException:
            logs = _keep_logs()
            progress.say(f"the start did not succeed; logs are in {logs}")
            _remove(progress)
            raise


def stop(progress: Progress) -> None:
    """End the local cluster, whatever state it is in, with all its processes, mounts, control groups and files.

    Raises:
        ClusterError: Something could not be removed; or this runs inside the cluster's network.
    """
    with locked("cluster"):
        _remove(progress)


def _state() -> Path:
    return cache_folder() / "cluster"


def _arguments() -> list[str]:
    return ["-m", f"{__package__}.node", str(_state())]


def _inner_process() -> int | None:
    found = processes.running(_arguments())
    return next((pid for pid, program in found.items() if program != _OUTER[0]), None)


def _remove(progress: Progress) -> None:
    own = processes.running(_arguments())
    if own:
        progress.say("ending the local cluster")
    clients = {client for pid in own if own[pid] != _OUTER[0] for client in processes.in_network_of(pid)}
    processes.end(own)
    processes.end(clients)
    cgroups.remove(cgroups.name_for(_state()))
    shutil.rmtree(_state(), ignore_errors=True)
    if _state().exists():
        raise ClusterError(f"{_state()} cannot be removed: see what is mounted or running there, then remove it")


def _keep_logs() -> Path:
    kept = cache_folder() / "failed-start"
    shutil.rmtree(kept, ignore_errors=True)
    if (_state() / "log").exists():
        shutil.copytree(_state() / "log", kept, symlinks=True)
    return kept


def _fingerprint() -> str:
    return content_key(_HERE, files_below(_HERE))


def _start(progress: Progress) -> LocalCluster:
    packages.install_missing(progress)
    programs = ensure_programs(progress)
    builder = Buildah(progress)
    images = {name: builder.program(programs, name) for name in _PROGRAM_NAMES} | {"envoy": builder.envoy()}
    progress.say("starting the control plane and the node")
    state = _state()
    for folder in ("imported", "lib", "log", "tmp"):
        (state / folder).mkdir(parents=True)
    pki.create(state / "pki", addresses=["127.0.0.1", NODE_ADDRESS, API_ADDRESS])
    group = cgroups.name_for(state)
    components.write_settings(state / "settings", control_group=group)
    cgroups.create(group)
    boot = _Boot(programs, progress)
    boot.wait_until(lambda: _inner_process() is not None and (state / "containerd.sock").exists())
    cluster = LocalCluster(programs, builder, _inner_process() or 0)
    tags = {name: cluster.load_image(image) for name, image in images.items()}
    progress.say("images are on the node")
    boot.wait_until((state / "booted").exists)
    addons.install_dns(cluster)
    local = addons.Images(envoy_gateway=tags["envoy-gateway"], envoy=tags["envoy"], prometheus=tags["prometheus"])
    addons.install(cluster, progress, chart=[str(programs.gateway_chart)], images=local)
    (state / "started-by").write_text(_fingerprint())
    return cluster


class _Boot:
    """The start of the namespaces: passes on what process 1 says, and notices when it ends."""

    def __init__(self, programs: Programs, progress: Progress) -> None:
        self._progress = progress
        self._log = _state() / "log" / "boot.log"
        self._shown = 0
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*_OUTER, sys.executable, *_arguments(), str(programs.kube)],
                cwd=_HERE.parent.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return when the condition holds.

        Raises:
            ClusterError: Process 1 ended, or it takes too long.
        """
        deadline = time.monotonic() + _BOOT_SECONDS
        while not holds():
            self._pass_on()
            if self._process.poll() is not None:
                raise ClusterError(f"the local cluster ended while starting:\n{self._log.read_text()}")
            if time.monotonic() > deadline:
                raise ClusterError(f"the local cluster did not start within {_BOOT_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)
        self._pass_on()

    def _pass_on(self) -> None:
        complete = self._log.read_text().splitlines()
        for line in complete[self._shown :]:
            self._progress.say(line)
        self._shown = len(complete)
