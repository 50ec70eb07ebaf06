from __future__ import annotations

from itertools import pairwise

from lossgate.api.reasons import ConditionType, Reason
from lossgate.measure.errors import Question, SourceUnavailable
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import (
    STATUS,
    kinds,
    looks_asked_for,
    looks_taken,
    play,
)


def test_look_costs_one_status_write_one_query_and_no_read() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        process.kube.requests.clear()
        cluster.source.requests.clear()
        await process.run(lambda: looks_taken(cluster) >= 23)
        assert kinds(process.kube.requests) == [STATUS] * 20
        assert len(cluster.source.requests) == 20

    play(scene)


def test_watch_events_cause_no_queries() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        cluster.source.requests.clear()
        for _ in range(8):
            process.queue.add(KEY)
            await process.rest(1.0)
        assert len(cluster.source.requests) <= 1

    play(scene)


def test_failing_source_is_asked_once_an_interval() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        cluster.source.failure = SourceUnavailable("refused", Question("http://prometheus:9090", "x", 0), "start it")
        cluster.source.requests.clear()
        for _ in range(60):
            process.queue.add(KEY)
            await process.rest(1.0)
        assert len(cluster.source.requests) <= 7
        assert cluster.weights == (80, 20), "held, not rolled back"
        measured = cluster.status.condition(ConditionType.MEASURED)
        assert measured is not None
        assert (measured.status, measured.reason) == ("False", Reason.METRICS_UNREACHABLE)

    play(scene)


def test_looks_missed_while_the_source_failed_are_made_up_for() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        cluster.source.failure = SourceUnavailable("refused", Question("http://prometheus:9090", "x", 0), "start it")
        await process.rest(65)
        before = looks_taken(cluster)
        cluster.source.failure = None
        await process.run(lambda: looks_taken(cluster) > before, within_seconds=20)
        assert looks_taken(cluster) >= before + 6, "one answer brings all of them"

    play(scene)


def test_conflict_repeats_the_turn_and_counts_no_look_twice() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        conflicts = 0

        def somebody_writes_first(request: Request) -> None:
            nonlocal conflicts
            if (request.method, request.kind) == STATUS and conflicts < 10 and request.body["status"]["step"]["looks"]:
                conflicts += 1
                body = cluster.storage.objects[PLACE]
                annotations = {"team/note": str(conflicts)}
                cluster.storage.put({**body, "metadata": {**body["metadata"], "annotations": annotations}})

        process.kube.refuse = somebody_writes_first
        await process.run(lambda: looks_taken(cluster) >= 13)
        assert conflicts == 10
        ends = {end for request in looks_asked_for(cluster) for end in request.ends}
        assert looks_taken(cluster) == len(ends), "asked again, counted once"
        body = cluster.storage.objects[PLACE]
        assert body["metadata"]["annotations"] == {"team/note": "10"}, "the other writer's change is still there"

    play(scene)


def test_edited_interval_neither_stops_the_looks_nor_counts_one_twice() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 5)
        cluster.apply(a_rollout("v2", loss={"interval": "7s", "settle": "5s"}))
        await process.run(lambda: looks_taken(cluster) == 0, within_seconds=20)
        await process.run(lambda: looks_taken(cluster) >= 5, within_seconds=60)
        asked = looks_asked_for(cluster)
        windows = sorted({(end - request.interval_seconds, end) for request in asked for end in request.ends})
        assert all(end <= start for (_, end), (start, _) in pairwise(windows))

    play(scene)
