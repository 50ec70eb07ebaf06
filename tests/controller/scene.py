"""Scenes in the cluster in memory, and what can be read off them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from lossgate.api import names
from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.measure.source import LookRequest
from tests.controller import virtual_time
from tests.controller.cluster import KEY, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess

STATUS = ("PUT", names.KIND)
"""The write of a status."""


def play(scene: Callable[[Cluster, OperatorProcess], Awaitable[None]], **options: Any) -> None:
    """Run a scene in a cluster whose first version serves, with a fresh log of requests."""

    async def all_of_it() -> None:
        cluster = Cluster(v2=0.25, v3=0.42, v4=3.0)
        cluster.apply(a_rollout())
        process = OperatorProcess(cluster, **options)
        process.start()
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        await process.rest()
        process.kube.requests.clear()
        await scene(cluster, process)

    virtual_time.run(all_of_it())


def looks_taken(cluster: Cluster) -> int:
    """Return how many looks entered the evidence of the present step."""
    step = cluster.status.step
    return step.looks if step else 0


def kinds(requests: list[Request]) -> list[tuple[str, str]]:
    """Return what was done to which kinds."""
    return [(request.method, request.kind) for request in requests]


def stalled(cluster: Cluster) -> tuple[Reason, str] | None:
    """Return why a person is needed, if one is."""
    found = cluster.status.condition(ConditionType.STALLED)
    return (found.reason, found.message) if found else None


def looks_asked_for(cluster: Cluster) -> list[LookRequest]:
    """Return all requests for looks so far."""
    return [request for request in cluster.source.requests if isinstance(request, LookRequest)]


def results(cluster: Cluster) -> list[str]:
    """Return how the rollouts so far ended."""
    return [entry.result for entry in cluster.status.history]


def series(process: OperatorProcess) -> list[str]:
    """Return the names of the metrics that the operator shows of the rollout."""
    return [
        sample.name
        for metric in process.metrics.registry.collect()
        for sample in metric.samples
        if sample.labels.get("rollout") == KEY.name
    ]


def turns_taken(process: OperatorProcess) -> float:
    """Return the number of turns so far."""
    return process.metrics.registry.get_sample_value("lossgate_reconcile_seconds_count") or 0.0
