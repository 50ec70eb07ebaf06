"""Debian packages that the local cluster needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from .command import ClusterError, run
from .progress import Progress

__all__ = ["debian_mirror", "install_missing"]

_CNI_PLUGINS = "/usr/lib/cni/bridge"
_PROVIDERS = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "runc": "runc",
    _CNI_PLUGINS: "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "iptables": "iptables",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "mount": "mount",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}


def install_missing(progress: Progress) -> None:
    """Install, with apt-get, the packages whose program is not there; does nothing when all are."""
    missing = sorted({package for program, package in _PROVIDERS.items() if not _is_there(program)})
    if not missing:
        return
    progress.say(f"installing Debian packages: {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], environment=quiet)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], environment=quiet, timeout_seconds=900)


def debian_mirror() -> str:
    """Return the address of the Debian archive that this machine's apt uses.

    Raises:
        ClusterError: apt knows no Debian archive.
    """
    wanted = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    for attempt in range(2):
        for line in run(wanted).splitlines():
            origin, label, *address = line.split(" ")
            if (origin, label) == ("Debian", "Debian") and address:
                return address[0]
        if attempt == 0:
            # Origins are known only after the release files were read once.
            run(["apt-get", "update", "-q"])
    raise ClusterError("apt knows no Debian archive on this machine: add one to /etc/apt/sources.list.d")


def _is_there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None
