"""The cluster's own programs, built from pinned Go modules and kept until a pin changes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_folder, content_key, files_below, locked
from .command import run
from .progress import Progress
from .toolchain import go_program

__all__ = ["Programs", "ensure_programs"]

_CHART = "gateway-helm"
_HERE = Path(__file__).parent
_KUBE_NAMES = (
    "etcd",
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
_BUILD_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the built programs lie.

    Attributes:
        kube: Folder of the Kubernetes programs by their usual names, containerd, coredns, pause, envoy-gateway, helm.
        prometheus: Folder of prometheus.
    """

    kube: Path
    prometheus: Path

    @property
    def gateway_chart(self) -> Path:
        """Envoy Gateway's Helm chart, of the same version as the program."""
        return self.kube / _CHART


@dataclass(frozen=True, slots=True)
class _Module:
    folder: Path
    packages: tuple[str, ...]
    tags: str
    linker_flags: str
    roughly: str


_KUBERNETES = "v1.37.2"
_KUBE = _Module(
    _HERE / "kube",
    ("./cmd/kube", "./cmd/coredns", "./cmd/pause", "tool"),
    "no_btrfs no_zfs no_devmapper",
    # Charts ask the API server for its version, which only an official build knows by itself.
    f"-s -w -X k8s.io/component-base/version.gitVersion={_KUBERNETES}",
    "Kubernetes, containerd, CoreDNS, Envoy Gateway and Helm: 13 minutes on 2 cores, once",
)
_PROMETHEUS = _Module(
    _HERE / "prometheus",
    ("tool",),
    "remove_all_sd enable_kubernetes_sd",
    "-s -w",
    "Prometheus: 3 minutes on 2 cores, once",
)


def ensure_programs(progress: Progress) -> Programs:
    """Return the programs, built if the pins, sources or flags differ from those of the last build.

    Raises:
        ClusterError: A build failed; carries the compiler's words.
    """
    with locked("binaries"):
        return Programs(kube=_ensure_module(_KUBE, progress), prometheus=_ensure_module(_PROMETHEUS, progress))


def _ensure_module(module: _Module, progress: Progress) -> Path:
    arguments = ["-trimpath", f"-ldflags={module.linker_flags}", f"-tags={module.tags}", *module.packages]
    key = content_key(module.folder, files_below(module.folder), *arguments)
    folder = cache_folder() / "bin" / f"{module.folder.name}-{key}"
    if folder.exists():
        return folder
    progress.say(f"building {module.roughly}")
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    go = go_program(module.folder / "go.mod", progress)
    run(
        [go, "build", "-o", f"{unfinished}/", *arguments],
        directory=module.folder,
        environment={"CGO_ENABLED": "0", "GOFLAGS": ""},
        timeout_seconds=_BUILD_SECONDS,
    )
    if module is _KUBE:
        _copy_chart(go, unfinished / _CHART)
        for name in _KUBE_NAMES:
            (unfinished / name).symlink_to("kube")
    for older in folder.parent.glob(f"{module.folder.name}-*"):
        if older != unfinished:
            shutil.rmtree(older)
    unfinished.rename(folder)
    return folder


def _copy_chart(go: Path, target: Path) -> None:
    found = run([go, "list", "-m", "-f", "{{.Dir}}", "github.com/envoyproxy/gateway"], directory=_KUBE.folder)
    shutil.copytree(Path(found.strip()) / "charts" / _CHART, target)
    # Modules come without write permission; their values file has two blanks that a release fills in.
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    template = (target / "values.tmpl.yaml").read_text()
    filled = template.replace("${GatewayImagePullPolicy}", "IfNotPresent").replace("${GatewayImage}", '""')
    (target / "values.yaml").write_text(filled)
