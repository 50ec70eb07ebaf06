"""A Prometheus that comes back with all of its data, or without the last of it, never has labels count twice."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import pytest

from lossgate.api.spec import RolloutSpec
from lossgate.api.status import RolloutStatus
from lossgate.controller.observe import seen_of
from lossgate.measure.prometheus import PrometheusSource
from lossgate.measure.source import ArmLook, ArmReading, Target
from lossgate.rollout import memory
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import LookSeen, Snapshot
from tests.measure.prometheus_server import PrometheusServer
from tests.measure.remote_write import Sample
from tests.measure.requests_made import a_request
from tests.measure.scraped_pod import ScrapedPod
from tests.rollouts import minimal

pytestmark = pytest.mark.prometheus

START, SCRAPE, INTERVAL = 1_700_000_010, 5, 10
STABLE, CANARY = Target("ml", "r1"), Target("ml", "r2")


class Pods:
    """Pods of two versions that serve between scrapes, and what was not yet written of them."""

    def __init__(self) -> None:
        self.pods = {"r1": [self._pod("r1", "a"), self._pod("r1", "b")], "r2": [self._pod("r2", "c")]}

    @staticmethod
    def _pod(revision: str, name: str) -> ScrapedPod:
        return ScrapedPod({"namespace": "ml", "revision": revision, "pod": name})

    def be_born(self, revision: str) -> None:
        self.pods[revision].append(self._pod(revision, "born-late"))

    def live(self, first: int, last: int) -> list[tuple[Mapping[str, str], list[Sample]]]:
        """Serve and be scraped from one second to another, and return the samples."""
        every = [pod for pods in self.pods.values() for pod in pods]
        for pod in every:
            pod.samples.clear()
        for at in range(first, last, SCRAPE):
            for pod in every:
                pod.serve(3)
                pod.scrape(START + at + 2)
        return [series for pod in every for series in pod.series()]

    def served(self, revision: str) -> int:
        return sum(pod.served for pod in self.pods[revision])


@pytest.fixture
async def source() -> AsyncIterator[PrometheusSource]:
    source = PrometheusSource()
    yield source
    await source.close()


async def looks(source: PrometheusSource, server: PrometheusServer, *ends: int) -> list[tuple[ArmReading, ArmReading]]:
    """Return the looks that end at these seconds, each asked for on its own."""
    found = []
    for end in ends:
        request = a_request(server.url, STABLE, CANARY, ends=(START + end, START + end), interval_seconds=INTERVAL)
        arms = (await source.looks(request)).arms
        found.append((arms[STABLE][0], arms[CANARY][0]))
    return found


def taken(readings: Iterable[tuple[ArmReading, ArmReading]]) -> list[tuple[float, float] | None]:
    """Return the labels of each look as a rollout counts them, None for looks that it leaves out."""
    draft = Draft(Snapshot("digits", "ml", 1, RolloutSpec.model_validate(minimal()["spec"]), RolloutStatus()), 0.0)
    found: list[tuple[float, float] | None] = []
    for stable, canary in readings:
        assert isinstance(stable, ArmLook)
        assert isinstance(canary, ArmLook)
        look = LookSeen(float(stable.end), seen_of(stable), seen_of(canary))
        found.append((stable.n, canary.n) if memory.forgotten(draft, look) is None else None)
    return found


async def test_replay_loses_nothing_and_a_lost_head_counts_nothing_twice(
    source: PrometheusSource, prometheus_binary: Path, tmp_path: Path
) -> None:
    pods, folder, saved = Pods(), tmp_path / "server", tmp_path / "saved"
    folder.mkdir()
    server = PrometheusServer(prometheus_binary, folder)
    try:
        server.write(pods.live(-100, 30))
        before = await looks(source, server, 10, 20, 30)
        server.stop()
        shutil.copytree(folder / "data", saved)

        server = PrometheusServer(prometheus_binary, folder)
        assert await looks(source, server, 10, 20, 30) == before, "the log was replayed"
        pods.be_born("r2")
        server.write(pods.live(30, 60))
        before += await looks(source, server, 40, 50, 60)
        server.stop()

        shutil.rmtree(folder / "data")
        shutil.copytree(saved, folder / "data")
        server = PrometheusServer(prometheus_binary, folder)
        server.write(pods.live(60, 100))
        after = await looks(source, server, 70, 80, 90, 100)
    finally:
        server.stop()
    assert taken(before) == [(12, 6)] * 3 + [(12, 12)] * 3
    lost = after[0]
    assert isinstance(lost[0], ArmLook)
    assert lost[0].n == 4 * 12, "three looks that were counted are in it once more"
    assert taken([*before, *after])[6:] == [None, (12, 12), (12, 12), (12, 12)]


async def test_all_is_in_the_look_after_an_outage_that_lost_nothing(
    source: PrometheusSource, prometheus_binary: Path, tmp_path: Path
) -> None:
    pods = Pods()
    server = PrometheusServer(prometheus_binary, tmp_path)
    try:
        server.write(pods.live(-100, 20))
        before = pods.served("r1")
        for pod in (pod for pods_of in pods.pods.values() for pod in pods_of):
            pod.serve(100)
        server.write(pods.live(60, 80))
        found = taken(await looks(source, server, 20, 30, 40, 50, 60, 70, 80))
    finally:
        server.stop()
    assert found == [(12, 6), (0, 0), (0, 0), (0, 0), (0, 0), (212, 106), (12, 6)]
    assert pods.served("r1") - before == 212 + 12
