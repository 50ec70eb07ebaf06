"""The inside of the local cluster: process 1 of its namespaces, which starts the components and ends with them.

Run by `local`, never by hand: `python -m e2e.cluster.node STATE_FOLDER PROGRAM_FOLDER`.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from . import components, pki
from .layout import INSIDE, NODE, NODE_ADDRESS, SERVICE_NETWORK, SOCKET

_STEP_SECONDS = 90.0
_POLL_SECONDS = 0.05
# The kubelet sets these for the whole machine. It is shown files that already say what it wants.
_KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def main(state: Path, programs: Path) -> None:
    """Set up mounts and network, start everything in order, then reap until a component ends.

    Writes `booted` into the state folder once the node is ready. Ends, and with it every process of the cluster, when
    a component ends.
    """
    start_seconds = time.monotonic()

    def tell(text: str) -> None:
        print(f"{text} ({time.monotonic() - start_seconds:.1f} s)", flush=True)

    _mount(state)
    _bring_up_network()
    os.environ.update(PATH=f"{programs}:{os.environ['PATH']}", TMPDIR=str(INSIDE / "tmp"))
    os.environ["KUBECONFIG"] = str(INSIDE / "pki" / "admin.kubeconfig")
    running = {_start(name): name for name in ("containerd", "etcd", "kube-apiserver")}
    _wait_until("containerd listens", SOCKET.exists)
    _wait_until("the API server is ready", _api_server_is_ready)
    tell("API server is ready")
    # Not earlier: the controller manager gives up where its roles are not there yet.
    later = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    running |= {_start(name): name for name in later}
    _await_object(f"node/{NODE}", "condition=Ready")
    tell("node is ready")
    _await_object("serviceaccount/default", "create")
    (INSIDE / "booted").touch()
    tell("default service account is there")
    _reap_until_one_ends(running)


def _mount(state: Path) -> None:
    INSIDE.parent.mkdir(exist_ok=True)
    groups = state / "cgroup"
    groups.mkdir()
    _run("mount", "--rbind", "/sys/fs/cgroup", str(groups))
    # A new network namespace needs a new view of /sys, which hides the control groups mounted below the old one.
    _run("mount", "-t", "sysfs", "sysfs", "/sys")
    _run("mount", "--rbind", str(groups), "/sys/fs/cgroup")
    _run("umount", "--recursive", str(groups))
    if Path("/sys/fs/cgroup/unified/cgroup.controllers").exists():
        # Of a mix of both versions the first is used; runc must not find the second.
        _run("umount", "/sys/fs/cgroup/unified")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for folder in (INSIDE, Path("/run/lock"), Path("/run/netns")):
        folder.mkdir()
    _run("mount", "--bind", str(state), str(INSIDE))
    # The kubelet and the network plugins have folders there that no setting moves.
    for shown_as, folder in (("/var/log", INSIDE / "log"), ("/var/lib", INSIDE / "lib")):
        _run("mount", "--bind", str(folder), shown_as)
    for name, value in _KERNEL_SETTINGS.items():
        setting = Path("/proc/sys") / name
        shown = INSIDE / "settings" / name.replace("/", "-")
        shown.write_text(f"{value}\n")
        if setting.exists():
            _run("mount", "--bind", str(shown), str(setting))


def _bring_up_network() -> None:
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "node0", "type", "bridge")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/32", "dev", "node0")
    _run("ip", "link", "set", "node0", "up")
    _run("ip", "route", "add", SERVICE_NETWORK, "dev", "node0", "src", NODE_ADDRESS)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _start(name: str) -> int:
    with (INSIDE / "log" / f"{name}.log").open("w") as log:
        return subprocess.Popen(components.command(name), stdout=log, stderr=log, stdin=subprocess.DEVNULL).pid


def _run(*arguments: str) -> None:
    subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _await_object(name: str, state: str) -> None:
    for wanted in dict.fromkeys(("create", state)):
        _run("kubectl", "wait", name, "--namespace=default", f"--for={wanted}", f"--timeout={_STEP_SECONDS:.0f}s")


def _wait_until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _STEP_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting until {what}")
        time.sleep(_POLL_SECONDS)


def _api_server_is_ready() -> bool:
    context = ssl.create_default_context(cafile=str(INSIDE / "pki" / "ca.crt"))
    bearer = {"Authorization": f"Bearer {pki.token_of(INSIDE / 'pki', 'admin')}"}
    request = urllib.request.Request("https://127.0.0.1:6443/readyz", headers=bearer)
    try:
        with urllib.request.urlopen(request, timeout=2, context=context):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _reap_until_one_ends(running: dict[int, str]) -> None:
    while True:
        pid, status = os.wait()
        if pid in running:
            sys.exit(f"{running[pid]} ended with exit status {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
