"""Benchmark of the operator's memory: `python -m tests.bench.operator_memory` says what looks and deletions leave.

The operator runs as in its tests, in virtual time, in a cluster in memory; what the cluster itself stores is cleared
before each figure. Python's own allocations are counted (tracemalloc), and the process as the kernel sees it (RSS).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lossgate.stats import unpack
from tests.controller import virtual_time
from tests.controller.cluster import Cluster, a_rollout
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import looks_taken

LOOKS = 10_000
CYCLES = 500
PARTS = 5
"""Figures are taken so many times, evenly, after one part to warm up."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What the process holds after so many looks, or cycles."""

    done: int
    allocated_bytes: int
    resident_bytes: int


def growth(figures: list[Figure]) -> int:
    """Return how many bytes more are allocated at the last figure than at the first, which is after the warming up."""
    return figures[-1].allocated_bytes - figures[0].allocated_bytes


def over_looks(looks: int = LOOKS) -> list[Figure]:
    """Return the figures over looks in one step of one rollout that comes to no verdict."""
    done = 0

    async def one(cluster: Cluster, process: OperatorProcess) -> int:
        nonlocal done
        await _pass(cluster, 10.0)
        done = max(done, looks_taken(cluster))
        return done

    def prepare(cluster: Cluster) -> None:
        cluster.apply(a_rollout("v2", gate={"margin": "0.01%", "maxDuration": "2400h", "minLabels": 500}))

    return virtual_time.run(_measured(one, looks, prepare))


def over_cycles(cycles: int = CYCLES) -> list[Figure]:
    """Return the figures over ModelRollouts that are created, serve, and are deleted with their children."""
    done = 0

    async def one(cluster: Cluster, process: OperatorProcess) -> int:
        nonlocal done
        cluster.apply(a_rollout())
        for _ in range(4):
            await _pass(cluster, 0.5)
        for place in list(cluster.storage.objects):
            cluster.storage.remove(place)
        done += 1
        return done

    return virtual_time.run(_measured(one, cycles))


async def _measured(
    one: Callable[[Cluster, OperatorProcess], Awaitable[int]],
    total: int,
    prepare: Callable[[Cluster], None] = lambda cluster: None,
) -> list[Figure]:
    cluster = Cluster(v2=0.30)
    process = OperatorProcess(cluster)
    process.start()
    cluster.apply(a_rollout())
    figures: list[Figure] = []
    tracemalloc.start()
    work = asyncio.create_task(process.work())
    try:
        for _ in range(20):
            await _pass(cluster, 0.5)
        prepare(cluster)
        for part in range(1, PARTS + 1):
            while (done := await one(cluster, process)) < part * total // PARTS:
                _clear(cluster, process)
            _clear(cluster, process)
            figures.append(_figure(done))
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        tracemalloc.stop()
    return figures


async def _pass(cluster: Cluster, seconds: float) -> None:
    await asyncio.sleep(seconds)
    cluster.settle()


def _clear(cluster: Cluster, process: OperatorProcess) -> None:
    """Forget what only the tests' cluster keeps: its events, and the logs of requests."""
    for place in [place for place in cluster.storage.objects if place[0] == "Event"]:
        cluster.storage.remove(place)
    process.kube.requests.clear()
    cluster.source.requests.clear()


def _figure(done: int) -> Figure:
    unpack.cache_clear()
    gc.collect()
    allocated, _ = tracemalloc.get_traced_memory()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Figure(done, allocated, pages * resource.getpagesize())


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=LOOKS)
    parser.add_argument("--cycles", type=int, default=CYCLES)
    given = parser.parse_args()
    table = Table("after", "allocated, KiB", "resident, MiB", title="Memory of the operator")
    for unit, figures in (("looks", over_looks(given.looks)), ("created and deleted", over_cycles(given.cycles))):
        for figure in figures:
            row = (
                f"{figure.done} {unit}",
                f"{figure.allocated_bytes / 1024:.0f}",
                f"{figure.resident_bytes / 2**20:.1f}",
            )
            table.add_row(*row)
        table.add_row("growth", f"{growth(figures) / 1024:+.0f}", "", end_section=True)
    Console().print(table)


if __name__ == "__main__":
    main()
