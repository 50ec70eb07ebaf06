"""Whenever the operator dies, the next process ends where it would have ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lossgate.api.reasons import Phase
from tests.controller import virtual_time
from tests.controller.cluster import Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess, run_through_crashes

Dies = Callable[[OperatorProcess], None]


@dataclass(frozen=True)
class End:
    """How a rollout ended, but for the times."""

    phase: Phase
    stable: str
    weights: tuple[int, ...]
    replicas: dict[str, int]
    result: str
    looks: int
    canary_labels: int
    told: tuple[str, ...]
    """Reasons of the events, in the order in which `kubectl describe` shows them."""
    deaths: int


def ended(version: str, dies: Dies) -> End:
    """Bring in a version while processes die, and return how it ended."""

    async def play() -> End:
        cluster = Cluster(v2=0.25, v4=0.55)
        cluster.apply(a_rollout(scaleDownDelay="30s"))
        deaths = await run_through_crashes(cluster, dies, lambda: cluster.status.phase is Phase.HEALTHY, 600)
        cluster.apply(a_rollout(version, scaleDownDelay="30s"))
        deaths += await run_through_crashes(cluster, dies, lambda: _is_over(cluster), 6000)
        status = cluster.status
        last, stable = status.history[-1], status.stable
        assert stable is not None
        assert len(status.history) == 1, "decided once"
        return End(
            phase=status.phase,
            stable=stable.model_version,
            weights=cluster.weights,
            replicas=cluster.replicas(),
            result=last.result,
            looks=last.looks,
            canary_labels=last.labels.canary,
            told=tuple(event["reason"] for event in cluster.storage.of_kind("Event")),
            deaths=deaths,
        )

    return virtual_time.run(play())


def _is_over(cluster: Cluster) -> bool:
    status = cluster.status
    has_ended = bool(status.history) and status.phase in (Phase.HEALTHY, Phase.ROLLED_BACK)
    return (
        has_ended and status.scale_down_at is None and 0 in cluster.replicas().values() and cluster.weights == (100, 0)
    )


def _never(process: OperatorProcess) -> None:
    del process


def _after_every_write(process: OperatorProcess) -> None:
    process.kube.dies_after = lambda request: request in process.kube.writes


def _after_write_number(number: int) -> Dies:
    seen = 0

    def dies_after(request: Request) -> bool:
        nonlocal seen
        seen += request.kind != "Event"
        return request.kind != "Event" and seen == number

    def dies(process: OperatorProcess) -> None:
        process.kube.dies_after = dies_after

    return dies


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, End]:
    return {version: ended(version, _never) for version in ("v2", "v4")}


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_death_after_every_single_write_changes_nothing_of_the_end(version: str, undisturbed: dict[str, End]) -> None:
    disturbed = ended(version, _after_every_write)
    assert disturbed.deaths > 15
    assert _without_deaths(disturbed) == _without_deaths(undisturbed[version])


@pytest.mark.parametrize("number", range(1, 20))
def test_one_death_after_any_write_changes_nothing_of_the_end(number: int, undisturbed: dict[str, End]) -> None:
    disturbed = ended("v4", _after_write_number(number))
    assert disturbed.deaths == 1
    assert _without_deaths(disturbed) == _without_deaths(undisturbed["v4"])


def _without_deaths(end: End) -> dict[str, object]:
    return {name: getattr(end, name) for name in End.__dataclass_fields__ if name != "deaths"}
