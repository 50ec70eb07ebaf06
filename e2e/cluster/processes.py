"""Finding and ending exactly the processes that belong to the cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from .command import ClusterError

__all__ = ["end", "in_network_of", "running"]

_POLL_SECONDS = 0.02


def running(arguments: Sequence[str]) -> dict[int, str]:
    """Return the live processes that have exactly these arguments in a row, with the program each was started as."""
    wanted = "\0" + "".join(f"{argument}\0" for argument in arguments)
    lines = {pid: _read(pid, "cmdline") for pid in _all()}
    return {pid: line.partition("\0")[0] for pid, line in lines.items() if wanted in line}


def in_network_of(pid: int) -> list[int]:
    """Return the live processes that share the network namespace of `pid`, itself included.

    Raises:
        ClusterError: This very process is one of them, so that ending them would end it too.
    """
    network = _network(pid)
    if network is None:
        return []
    if network == _network(os.getpid()):
        raise ClusterError("This runs inside the cluster's network: leave the cluster shell first, then try again.")
    return [other for other in _all() if _network(other) == network]


def end(pids: Iterable[int], *, timeout_seconds: float = 20.0) -> None:
    """Kill the processes and return when none of them is left.

    Raises:
        ClusterError: One is still there after the timeout.
    """
    left = set(pids)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout_seconds
    while left := {pid for pid in left if _is_alive(pid)}:
        if time.monotonic() > deadline:
            raise ClusterError(f"processes {sorted(left)} do not die: look at them with `ps`, then try again")
        time.sleep(_POLL_SECONDS)


def _all() -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    return _state(pid) not in ("", "Z", "X")


def _state(pid: int) -> str:
    # The field before it is the program's name in parentheses and may hold anything: count from its end.
    return _read(pid, "stat").rpartition(")")[2].strip()[:1]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def _network(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None
