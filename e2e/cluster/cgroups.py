"""The control groups that hold the local cluster's pods, apart from everything else on the machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

from .command import ClusterError

__all__ = ["create", "name_for", "remove"]

_ROOT = Path("/sys/fs/cgroup")
_V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
_CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")
# Ten times the default. Else all pods together get as much of a busy machine as one process beside them.
_CPU_SHARE_FILES = {"cpu.shares": "10240", "cpu.weight": "1000"}


def name_for(state: Path) -> str:
    """Return the name of the group of the cluster that keeps its state in that folder; no other cluster has it."""
    return f"lossgate-e2e-{hashlib.sha256(str(state).encode()).hexdigest()[:8]}"


def create(name: str) -> None:
    """Make the group in each hierarchy (version 1), or with all controllers (version 2)."""
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
        # A new version 1 cpuset is empty, and nothing can run in it.
        for file in _CPUSET_FILES:
            if not _is_v2(hierarchy) and (hierarchy / file).exists():
                (hierarchy / name / file).write_text((hierarchy / file).read_text())
        if _is_v2(hierarchy):
            _delegate(hierarchy)
            _delegate(hierarchy / name)
        for file, share in _CPU_SHARE_FILES.items():
            if (hierarchy / name / file).exists():
                (hierarchy / name / file).write_text(share)


def remove(name: str, *, timeout_seconds: float = 10.0) -> None:
    """Remove the group and all below it, whose processes are gone.

    Raises:
        ClusterError: A group is still in use after the timeout.
    """
    deadline = time.monotonic() + timeout_seconds
    for hierarchy in _hierarchies():
        group = hierarchy / name
        while group.exists():
            _remove_empty(group)
            if group.exists() and time.monotonic() > deadline:
                raise ClusterError(f"{group} cannot be removed: processes listed in a cgroup.procs below still use it")


def _hierarchies() -> list[Path]:
    if _is_v2(_ROOT):
        return [_ROOT]
    folders = {entry.resolve() for entry in _ROOT.iterdir() if entry.is_dir()}
    return sorted(folder for folder in folders if not _is_v2(folder))


def _is_v2(hierarchy: Path) -> bool:
    return (hierarchy / "cgroup.controllers").exists()


def _delegate(group: Path) -> None:
    offered = (group / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{controller}" for controller in _V2_CONTROLLERS if controller in offered)
    (group / "cgroup.subtree_control").write_text(wanted)


def _remove_empty(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        # Busy for some milliseconds after its last process ended.
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
